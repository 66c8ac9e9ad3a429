"""axe-core's rules for people who use the page otherwise than by looking and pointing, in every state of the page."""

import json
import re

import started
from trials import FINISHED, READY, check, make, open_settings
from webdriver import ESCAPE

RUN = """
    return axe.run(document, {resultTypes: ["violations", "incomplete"]}).then((result) => ({
        axe: result.testEngine.version, passes: result.passes.length, inapplicable: result.inapplicable.length,
        incomplete: result.incomplete.map(({id, impact, nodes}) => ({id, impact, nodes: nodes.length})),
        violations: result.violations.map(({id, impact, help, nodes}) => ({id, impact, help, nodes: nodes.map(
            ({target, failureSummary}) => ({target: target.join(" "), failureSummary}))}))}))
"""


class Axe:
    """axe-core on a page. Where a folder is named, each result is a file in it: BROWSER-SCHEME-WIDTH-STATE.json."""

    def __init__(self, source, reports=None):
        self.source = source
        self.reports = reports
        self.results = []
        if reports:
            reports.mkdir(parents=True, exist_ok=True)

    def violations(self, page, state):
        """Each as a line."""
        dark, width = page.run("[matchMedia('(prefers-color-scheme: dark)').matches, innerWidth]")
        result = {"browser": page.name, "scheme": "dark" if dark else "light", "width": width, "state": state,
                  **page.execute(f"{self.source};{RUN}")}
        self.results.append(result)
        if self.reports:
            words = [page.name, result["scheme"], str(width), state]
            name = "-".join(re.sub("[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)
            (self.reports / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        return [f"{rule['id']} ({rule['impact']}): {node['target']}: {node['failureSummary']}"
                for rule in result["violations"] for node in rule["nodes"]]

    def table(self):
        """What was found, in Markdown: a row for each browser, scheme and width."""
        rows = ["| browser | scheme | width | states | rules that passed | violations |", "| --- | --- | ---: | ---: | ---: | ---: |"]
        kinds = sorted({(one["browser"], one["scheme"], one["width"]) for one in self.results},
                       key=lambda kind: (kind[0], kind[1] == "dark", -kind[2]))
        for kind in kinds:
            found = [one for one in self.results if (one["browser"], one["scheme"], one["width"]) == kind]
            passes = sorted(one["passes"] for one in found)
            rows.append(f"| {kind[0]} | {kind[1]} | {kind[2]} | {len(found)} | {passes[0]} to {passes[-1]} in each | "
                        f"{sum(len(one['violations']) for one in found)} |")
        return "\n".join(rows)


# Words of buttons and choices that reach beyond what holds them.
SPILT = """[...document.querySelectorAll('.segments label, button, summary, .chip')].filter((e) => e.checkVisibility())
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow !== "ellipsis")
    .map((e) => e.textContent.trim())"""


def as_it_is(page, axe, state="the page as it is"):
    page.settle()
    spilt = page.run(SPILT)
    check(spilt == [], f"{state}: words do not fit: {spilt}")
    found = axe.violations(page, state)
    check(found == [], f"{state}: {len(found)} violations: " + "; ".join(found[:5]))


def in_every_state(page, url, axe):
    page.open(url)
    page.wait(READY)
    check(page.count("h1") == 1, f"{page.count('h1')} h1")
    check(page.run("[...document.querySelectorAll('[aria-hidden]')].every(e => e.getAttribute('aria-hidden') === 'true')"),
          "aria-hidden is not 'true' somewhere")
    as_it_is(page, axe, "empty")
    page.type("#picture", str(started.PICTURE.resolve()))
    page.wait(started.HELD)
    as_it_is(page, axe, "a picture to start from")
    page.click("#start-remove")
    open_settings(page)
    page.execute("document.querySelector('#more').open = true; document.querySelector('#plan').open = true")
    page.click("#words-toggle")
    page.click("label[for=compare-beside]")
    page.fill("#prompt", "a cat")
    make(page, runs=2)
    page.click(".overlay > summary")
    as_it_is(page, axe, "side by side, all drawers open")
    page.click("label[for=compare-blind]")
    make(page, runs=2)
    as_it_is(page, axe, "blind test")
    page.click("#vote-A")
    as_it_is(page, axe, "blind test, decided")
    page.click("label[for=compare-off]")
    page.fill("#steps", "1001")
    page.click("#generate")
    page.wait("!document.querySelector('#steps-error').hidden")
    as_it_is(page, axe, "an error")
    page.fill("#steps", "")
    page.click("label[for=kind-video]")
    make(page)
    as_it_is(page, axe, "a clip")
    page.click(".tile .show")
    page.wait("document.querySelector('#viewer').open")
    as_it_is(page, axe, "large view")
    page.type("#viewer", ESCAPE)
    page.wait("!document.querySelector('#viewer').open")
    page.wait("document.activeElement.matches('.tile .show')", 5)        # the focus returns to what opened the view
