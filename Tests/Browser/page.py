"""The web page in a real Chromium, against a server of its own.

    python3 Tests/Browser/page.py [--phasor .build/release/phasor] [--model FOLDER]

Needs Debian's chromium and chromium-driver. Makes a few pictures and a clip; exits with 1 and says why if something
does not hold, and leaves a screenshot.
"""

import argparse
import contextlib
import subprocess
import tempfile
import time
from pathlib import Path

from webdriver import CONTROL, ENTER, ESCAPE, Browser

READY = "!document.querySelector('#generate').disabled"
FINISHED = "document.querySelector('.run.finished') !== null"
PROMPT = "a small pink car in a grassy field"
VISIBLE = "(e => e !== null && e.checkVisibility())(document.querySelector(%r))"
LOADED = "[...document.querySelectorAll('.tile img')].every(image => image.complete && image.naturalWidth > 0)"


def check(holds, words):
    if not holds:
        raise AssertionError(words)


def a_picture_appears_after_previews(page):
    page.fill("#prompt", PROMPT)
    page.type("#prompt", CONTROL + ENTER)
    page.wait(FINISHED)
    page.wait(LOADED)
    shown = page.run("[...document.querySelectorAll('.film img')].map(image => image.alt)")      # in the order they came in
    previews = [f"Predicted after step {i}" for i in range(1, page.count(".leap"))]
    check(shown == [*previews, "Finished"], f"expected a preview after each step but the last, then the picture: {shown}")
    check(page.count(".leap.done") == page.count(".leap"), "the axis does not show all steps as done")
    check(page.text(".needle-label") == "σ 0", "the needle does not stand at sigma 0")
    check(page.text(".run-time").endswith(" s"), "the time is missing")
    check("is done" in page.text("#progress-text"), "a screen reader is not told that it is done")


def the_same_seed_gives_the_same_picture(page):
    bytes_of = """fetch(document.querySelector('.card img').src).then(r => r.arrayBuffer())
        .then(b => crypto.subtle.digest('SHA-256', b)).then(d => [...new Uint8Array(d)].join())"""
    first = page.run(bytes_of)
    cards = page.count(".card")
    page.click(".card .again")
    check(page.value("#prompt") == PROMPT, "the prompt was not taken over")
    check(page.run("document.querySelector('#lock').getAttribute('aria-pressed')") == "true", "the seed is not locked")
    page.click("#generate")
    page.wait(f"document.querySelectorAll('.card').length === {cards + 1}")
    check(page.run(bytes_of) == first, "the same prompt and seed gave other bytes")
    page.click("#lock")


def a_wrong_field_says_so_beside_it(page):
    width = page.value("#width")
    page.fill("#width", "100")
    page.click("#generate")
    page.wait(VISIBLE % "#size-error")
    check(page.run("document.activeElement.id") == "width", "the wrong field has no focus")
    check(page.run("document.querySelector('#width').getAttribute('aria-invalid')") == "true", "not marked as wrong")
    page.fill("#width", width)
    check(not page.run(VISIBLE % "#size-error"), "the error stays after the field was changed")
    page.fill("#prompt", " ")
    page.click("#generate")
    page.wait(VISIBLE % "#prompt-error")
    page.fill("#prompt", PROMPT)
    refused = page.console()
    check(len(refused) == 2 and all(" 400 " in line for line in refused), f"expected two refusals: {refused}")


def several_pictures_have_their_own_seeds(page):
    page.fill("#count", "2")
    page.click("#generate")
    page.wait("document.querySelectorAll('.run.finished .tile img').length === 2")
    seed = int(page.value("#seed"))
    shown = page.run("[...document.querySelectorAll('.card .copy')].slice(0, 2).map(e => Number(e.textContent))")
    check(shown == [seed, seed + 1], f"seeds {shown}, expected {seed} and the next")
    page.fill("#count", "1")


def cancel_stops(page):
    width, height = page.value("#width"), page.value("#height")
    page.fill("#width", "256")                 # seconds, so that it is still under way when the key arrives
    page.fill("#height", "256")
    page.fill("#count", "6")
    page.click("label[for=generator-teacher]")
    page.click("#generate")
    page.wait("document.querySelector('.leap.done') !== null")
    page.type("#cancel", ESCAPE)
    started = time.monotonic()
    page.wait("document.querySelector('.run.ended') !== null")
    check(time.monotonic() - started < 5, "cancelling took more than 5 s")
    check(page.text(".run-status") == "Cancelled", page.text(".run-status"))
    check(page.count(".leap.done") < page.count(".leap"), "it was cancelled after its end")
    page.fill("#width", width)
    page.fill("#height", height)
    page.fill("#count", "1")


def all_generators_compare(page):
    generators = page.count("[name=generator]") - 1
    check(generators >= 2, f"{generators} generators are offered")
    page.click("label[for=generator-beside]")
    check(page.count(".lane") == generators, "the axis has no lane for each generator")
    page.click("#generate")
    page.wait(f"document.querySelectorAll('.run.finished').length === {generators}", 180)
    check("Same prompt, same seed" in page.text("#verdict"), "the latencies are not compared")
    seeds = page.run(f"[...document.querySelectorAll('.card .copy')].slice(0, {generators}).map(e => e.textContent)")
    check(len(set(seeds)) == 1, f"seeds differ: {seeds}")


def a_clip_plays(page):
    page.click("label[for=generator-student]")
    page.click(".chip[data-kind=video]")
    check(not page.run(VISIBLE % "#count") and page.run(VISIBLE % "#frames"), "a clip has frames and no count")
    page.click("#generate")
    page.wait("document.querySelector('.tile video')?.readyState >= 3", 120)
    page.wait("document.querySelector('.tile video').currentTime > 0")
    check(page.run("document.querySelector('.tile video').duration") > 0.5, "the clip has no length")


def the_gallery_outlives_the_page(page, url):
    before = page.count(".card")
    page.open(url)
    page.wait(READY)
    page.wait(f"document.querySelectorAll('.card').length >= {min(before, 24)}")


def try_page(url, screenshot):
    """Prints the seconds of each trial. Raises AssertionError for what does not hold."""
    with Browser(1280, 900) as page:
        page.open(url)
        page.wait(READY)
        for trial in (a_picture_appears_after_previews, the_same_seed_gives_the_same_picture,
                      a_wrong_field_says_so_beside_it, several_pictures_have_their_own_seeds, cancel_stops,
                      all_generators_compare, a_clip_plays):
            started = time.monotonic()
            try:
                trial(page)
            except AssertionError:
                page.picture(screenshot)
                print(f"FAILED  {trial.__name__}, see {screenshot}; console: {page.console()}")
                raise
            print(f"{time.monotonic() - started:6.1f} s  {trial.__name__}", flush=True)
        the_gallery_outlives_the_page(page, url)
        check(page.console() == [], "the console is not empty")
    with Browser(360, 740, still=True) as page:
        page.open(url)
        page.wait(READY)
        page.wait("document.querySelectorAll('.card').length > 0")
        check(page.run("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than a phone")
        check(page.console() == [], "the console is not empty")


@contextlib.contextmanager
def served(phasor, model):
    """The address of a server on a free port, with a state of its own that is removed with it."""
    with tempfile.TemporaryDirectory() as state:
        command = [phasor, "serve", *([model] if model else []), "--port", "0", "--state", state]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            words = server.stdout.readline().split()
            if not words:
                raise SystemExit("the server did not start")
            yield words[-1] + "/"
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tries the web page in Chromium.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", help="a model folder (default: the embedded model)")
    parser.add_argument("--screenshot", default="page-failed.png", help="where to put a picture of what failed")
    arguments = parser.parse_args()
    with served(arguments.phasor, arguments.model) as address:
        try_page(address, Path(arguments.screenshot))
