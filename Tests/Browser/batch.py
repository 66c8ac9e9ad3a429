"""Trials of the page that a batch leaves in its folder."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

import accessible
from trials import check
from webdriver import ESCAPE, RIGHT


@contextlib.contextmanager
def rendered(phasor, model):
    """The address of the index of a small batch of pictures and clips."""
    with tempfile.TemporaryDirectory(prefix="phasor-batch-") as folder:
        manifest = Path(folder, "few.jsonl")
        manifest.write_text(
            '{"prompt": "a large dog on the beach", "seed": "0-4", "file": "dog-{seed}"}\n'
            '{"prompt": "a large ghost in the night sky", "kind": "video", "frames": 9, "seed": "0-1", "file": "ghost-{seed}"}\n')
        out = Path(folder, "out")
        subprocess.run(
            [phasor, "render", str(manifest), "--out", str(out), *(["--model", model] if model else [])],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield (out / "index.html").as_uri()


def the_index_shows_all(page, url, axe):
    """Totals, two in a row on a phone, clips that play under the pointer, and a large view with keys."""
    page.open(url)
    check("5 pictures and 2 clips" in page.text("header"), page.text("header"))
    check(page.run("document.querySelector('nav a').href.endsWith('/contact-sheet.png')"), "no link to the contact sheet")
    check(page.run("document.documentElement.scrollWidth <= innerWidth"), "the index is wider than a phone")
    tops = page.run("[...document.querySelectorAll('figure')].map(card => card.getBoundingClientRect().top)")
    check(tops[0] == tops[1], "a phone has one column")
    accessible.as_it_is(page, axe, "the index")
    page.execute("document.querySelector('figure:has(video)').scrollIntoView()")
    page.execute("document.querySelector('figure:has(video) button').dispatchEvent(new Event('mouseenter'))")
    page.wait("document.querySelector('figure video').currentTime > 0", 10)
    page.click("figure button")
    page.wait("document.querySelector('dialog').open")
    check("seed 0" in page.text(".words"), page.text(".words"))
    page.type("dialog", RIGHT)
    check("seed 1" in page.text(".words"), page.text(".words"))
    accessible.as_it_is(page, axe, "the index's large view")
    page.type("dialog", ESCAPE)
    page.fill("input", "ghost seed 1")
    check(page.run("[...document.querySelectorAll('figure')].filter(card => !card.hidden).length") == 1, "the filter")
    check(page.console() == [], f"the console is not empty: {page.console()}")
