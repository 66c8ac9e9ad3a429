"""The web page in real browsers, Chromium and Firefox, against servers of its own.

    python3 Tests/Browser/page.py [--phasor .build/release/phasor] [--model FOLDER] [--browser chromium] [--axe FILE]

Needs Debian's chromium, chromium-driver and firefox-esr, and axe.min.js of axe-core (`make test-page` gets them). Makes
some pictures and clips; exits with 1 and says why if something does not hold, and leaves a screenshot.
"""

import argparse
import time
from pathlib import Path

import accessible
import batch
import between
import compared
import failing
import given
import settings
import started
from server import Server
from trials import FINISHED, LOADED, READY, VISIBLE, check, make, open_settings
from webdriver import CONTROL, ENTER, ESCAPE, Browser, Firefox

BROWSERS = {"chromium": Browser, "firefox": Firefox}
PROMPT = "a small pink car in a grassy field"


def samples_are_of_this_model(page):
    """What the page shows as made by the model is what it makes of the same prompt and seed."""
    page.wait("document.querySelectorAll('.sample').length > 0")
    page.wait("[...document.querySelectorAll('.sample img')].every(image => image.complete && image.naturalWidth)")
    check(page.count(".sample") == 8 and page.count(".sample video") >= 2, f"{page.count('.sample')} samples, of them "
          f"{page.count('.sample video')} clips")
    page.wait("[...document.querySelectorAll('.sample video')].every(clip => clip.readyState >= 2)")
    source = page.run("document.querySelector('.sample img').src")
    page.execute("document.querySelector('.sample:has(img)').click()")
    check(page.value("#prompt") == page.run("document.querySelector('.sample:has(img)').title"), "its prompt is not in the form")
    page.click("#generate")
    page.wait(FINISHED)
    page.wait(LOADED)
    # Other instruction sets round differently, so near is enough: another picture of the same scene is at 15 dB or so.
    psnr = page.execute("""
        const pixels = async (source) => {
            const image = new Image();
            image.src = source;
            await image.decode();
            const canvas = Object.assign(document.createElement("canvas"), {width: image.naturalWidth, height: image.naturalHeight});
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        };
        return Promise.all([pixels(arguments[0]), pixels(document.querySelector(".tile img").src)]).then(([a, b]) => {
            let sum = 0;
            for (let at = 0; at < a.length; at += 1) sum += (a[at] - b[at]) ** 2;
            return a.length === b.length ? 10 * Math.log10(255 ** 2 / Math.max(sum / a.length, 1e-6)) : 0;
        })""", [source])
    check(psnr > 30, f"the sample is {psnr:.1f} dB from what the model makes; Tests/Browser/samples.py makes them again")
    check(not page.run(VISIBLE % "#samples-section"), "the samples stay beside what was made")


def a_surprise_takes_one_click(page):
    page.click("#surprise")
    page.wait(FINISHED)
    page.click("#words-toggle")
    known = page.run("[...document.querySelectorAll('.chip')].map(chip => chip.textContent)")
    check(any(word in page.value("#prompt") for word in known), f"{page.value('#prompt')!r} has no word that the model knows")
    page.execute("[...document.querySelectorAll('.chip')].find(chip => chip.textContent === 'on the beach').click()")
    check(page.value("#prompt").endswith(" on the beach"), "a word does not go into the prompt")
    page.click("#words-toggle")


def a_picture_appears_after_previews(page):
    page.fill("#prompt", PROMPT)
    page.type("#prompt", CONTROL + ENTER)
    page.wait(FINISHED)
    page.wait(LOADED)
    shown = page.run("[...document.querySelectorAll('.film img')].map(image => image.alt)")      # in the order they came in
    steps = page.count("#axis-small .leap")
    previews = [f"Predicted after step {i}" for i in range(1, steps)]
    check(shown == [*previews, "Finished"], f"expected a preview after each step but the last, then the picture: {shown}")
    check(page.count("#axis-small .leap.done") == steps, "the axis does not show all steps as done")
    axis, tile = page.run("['.plan', '.tile'].map(name => document.querySelector(name).getBoundingClientRect().top)")
    check(tile < axis, "the axis stands above the picture")
    page.click(".plan > summary")
    page.wait("document.querySelector('#axis .needle-label')?.textContent === 'σ 0'")
    page.click(".plan > summary")
    check(page.text(".run-time").endswith(" s"), "the time is missing")
    check("is done" in page.text("#progress-text"), "a screen reader is not told that it is done")
    source = page.run("document.querySelector('.tile img').src")
    check(page.run("[...document.querySelectorAll('.card img')].every(image => image.src !== arguments[0])", source),
          "the newest picture is on the page twice")


def the_same_seed_gives_the_same_picture(page):
    bytes_of = """fetch(document.querySelector('.tile img').src).then(r => r.arrayBuffer())
        .then(b => crypto.subtle.digest('SHA-256', b)).then(d => [...new Uint8Array(d)].join())"""
    first = page.run(bytes_of)
    page.click(".do-use")
    check(page.value("#prompt") == PROMPT, "the prompt was not taken over")
    check(page.run("document.querySelector('#lock').getAttribute('aria-pressed')") == "true", "the seed is not locked")
    make(page)
    check(page.run(bytes_of) == first, "the same prompt and seed gave other bytes")
    make(page, ".do-again")
    check(page.run(bytes_of) != first, "another seed gave the same picture")


def a_wrong_field_says_so_beside_it(page):
    open_settings(page)
    page.click("label[for=shape-own]")
    width = page.value("#width")
    page.fill("#width", "100")
    page.click("#generate")
    page.wait(VISIBLE % "#size-error")
    check("steps of 16" in page.text("#size-error"), page.text("#size-error"))
    check(page.run("document.activeElement.id") == "width", "the wrong field has no focus")
    check(page.run("document.querySelector('#width').getAttribute('aria-invalid')") == "true", "not marked as wrong")
    page.fill("#width", width)
    check(not page.run(VISIBLE % "#size-error"), "the error stays after the field was changed")
    page.click("label[for=shape-0]")
    page.fill("#prompt", " ")
    page.click("#generate")
    page.wait(VISIBLE % "#prompt-error")
    page.fill("#prompt", PROMPT)
    refused = [line for line in page.console() if " 400 " in line]
    check(len(refused) == (page.name == "Chromium"), f"one refusal by the server was expected: {refused}")


def several_pictures_have_their_own_seeds(page):
    page.click("label[for=count-4]")
    page.click("#generate")
    page.wait("document.querySelectorAll('.run.finished .tile img').length === 4")
    page.wait(READY)
    seed = int(page.value("#seed"))
    page.click("label[for=count-1]")
    make(page)
    shown = page.run("[...document.querySelectorAll('.card .copy')].slice(0, 4).map(e => e.textContent)")
    check(shown == [str(seed + i) for i in range(4)], f"seeds {shown}, expected {seed} and the next")


def cancel_stops(page):
    page.click("label[for=shape-own]")
    page.fill("#width", "256")                 # seconds, so that it is still under way when the key arrives
    page.fill("#height", "256")
    page.click("label[for=count-8]")
    page.click("label[for=generator-teacher]")
    page.click("#generate")
    page.wait("document.querySelector('#axis-small .leap.done') !== null")
    page.type("#cancel", ESCAPE)
    started = time.monotonic()
    page.wait("document.querySelector('.run.ended') !== null")
    check(time.monotonic() - started < 5, "cancelling took more than 5 s")
    check(page.text(".run-status") == "Cancelled", page.text(".run-status"))
    check(page.count("#axis-small .leap.done") < page.count("#axis-small .leap"), "it was cancelled after its end")
    page.wait(READY)
    page.click("label[for=shape-0]")
    page.click("label[for=count-1]")
    page.click("label[for=generator-student]")


def a_clip_plays(page):
    make(page)
    make(page, ".do-move")
    page.wait("document.querySelector('.tile video')?.readyState >= 3", 120)
    page.wait("document.querySelector('.tile video').currentTime > 0")
    check(page.run("document.querySelector('.tile video').duration") > 0.5, "the clip has no length")
    check(page.run(VISIBLE % "#length-field") and not page.run(VISIBLE % "#count-field"), "a clip has a length and no count")
    check(page.run(started.HELD), "the clip does not begin with the picture")
    page.click("#start-remove")


def the_gallery_outlives_the_page(page, url):
    before = page.count(".card")
    page.open(url)
    page.wait(READY)
    page.wait(f"document.querySelectorAll('.card').length >= {min(before, 24)}")


def a_phone_shows_the_tile(page, url):
    page.open(url)
    page.wait(READY)
    check(page.run("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than a phone")
    page.fill("#prompt", PROMPT)
    page.click("#generate")
    page.wait("document.querySelector('.tile') !== null")
    box = page.run("(r => [r.top, r.bottom, innerHeight])(document.querySelector('.tile').getBoundingClientRect())")
    check(-1 <= box[0] and box[1] <= box[2] + 1, f"the tile is not in view: from {box[0]} to {box[1]} of {box[2]}")
    page.wait(FINISHED)
    check(page.run("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than a phone")


TRIALS = (
    samples_are_of_this_model, a_surprise_takes_one_click, a_picture_appears_after_previews,
    the_same_seed_gives_the_same_picture, a_wrong_field_says_so_beside_it, several_pictures_have_their_own_seeds,
    cancel_stops, compared.one_beside_the_other, compared.all_generators, compared.blind, a_clip_plays,
    started.a_chosen_picture_is_the_start, started.a_picture_comes_back_after_a_reload,
    started.a_picture_of_the_gallery_is_the_start,
    started.a_picture_of_the_gallery_is_moved,
    settings.of_a_file_come_back, settings.large_seeds_are_exact, settings.the_large_view_goes_through,
)


def attempt(page, trial, screenshot, *arguments):
    """Prints the seconds of a trial."""
    started = time.monotonic()
    try:
        trial(page, *arguments)
    except AssertionError:
        page.view(screenshot)
        print(f"FAILED  {trial.__name__}, see {screenshot}; console: {page.console()}")
        raise
    print(f"{time.monotonic() - started:6.1f} s  {trial.__name__}", flush=True)


def try_browser(window, server, axe, screenshot):
    """Raises AssertionError for what does not hold."""
    print(window.name, flush=True)
    with window(1280, 900) as page:
        page.open(server.url)
        page.wait(READY)
        for trial in TRIALS:
            attempt(page, trial, screenshot)
        attempt(page, the_gallery_outlives_the_page, screenshot, server.url)
        check(page.console() == [], "the console is not empty")
        attempt(page, between.several_models_and_what_they_have, screenshot, server.url)
        attempt(page, started.other_models_read_the_picture, screenshot, server.url)
        attempt(page, failing.a_job_outlives_its_server, screenshot, server)
    for dark in (False, True):
        with window(1280, 900, dark=dark, still=True) as page:
            attempt(page, accessible.in_every_state, screenshot, server.url, axe)
    if window is Browser:                      # Firefox makes no window that narrow
        with window(390, 844, still=True) as page:
            attempt(page, a_phone_shows_the_tile, screenshot, server.url)
            attempt(page, accessible.as_it_is, screenshot, axe)
            check(page.console() == [], "the console is not empty")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tries the web page in Chromium and Firefox.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", help="a model folder (default: the embedded model)")
    parser.add_argument("--page", help="the page's folder (default: the one the executable finds)")
    parser.add_argument("--browser", choices=BROWSERS, help="only this one")
    parser.add_argument("--axe", default=".build/axe/axe_playwright_python/axe.min.js", help="axe-core")
    parser.add_argument("--screenshot", default="page-failed.png", help="where to put a picture of what failed")
    parser.add_argument("--reports", type=Path, help="a folder for what axe-core found, a file for each state, scheme and browser")
    arguments = parser.parse_args()
    axe = accessible.Axe(Path(arguments.axe).read_text(), arguments.reports)
    for browser in [arguments.browser] if arguments.browser else BROWSERS:
        with Server(arguments.phasor, arguments.model, arguments.page) as server:
            try_browser(BROWSERS[browser], server, axe, Path(arguments.screenshot))
    with batch.rendered(arguments.phasor, arguments.model) as index, Browser(390, 844) as page:
        attempt(page, batch.the_index_shows_all, Path(arguments.screenshot), index, axe)
    with Server(arguments.phasor, "Tests/Fixtures/wan22-tiny", arguments.page) as server, Browser(1280, 900) as page:
        attempt(page, settings.another_model_has_nothing_of_this_one, Path(arguments.screenshot), server.url)
    given.in_chromium(attempt, arguments.phasor, arguments.page, axe, Path(arguments.screenshot))
    print(axe.table())
    if arguments.reports:
        print(f"What axe-core found is in {arguments.reports}, a file for each state.")
