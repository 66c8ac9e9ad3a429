"""axe-core's rules for people who use the page otherwise than by looking and pointing, in every state of the page."""

import started
from trials import FINISHED, READY, check, make, open_settings
from webdriver import ESCAPE

RUN = """
    return axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.flatMap((rule) =>
        rule.nodes.map((node) => `${rule.id} (${rule.impact}): ${node.target.join(" ")}: ${node.failureSummary}`)))
"""


# Words of buttons and choices that reach beyond what holds them.
SPILT = """[...document.querySelectorAll('.segments label, button, summary, .chip')].filter((e) => e.checkVisibility())
    .filter((e) => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).textOverflow !== "ellipsis")
    .map((e) => e.textContent.trim())"""


def as_it_is(page, axe, state="the page as it is"):
    page.settle()
    spilt = page.run(SPILT)
    check(spilt == [], f"{state}: words do not fit: {spilt}")
    found = page.execute(f"{axe};{RUN}")
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
