"""Trials of pictures that the next one starts from."""

import hashlib
from pathlib import Path

from settings import SHOWN, drop
from trials import VISIBLE, check, make

PICTURE = Path(__file__).parent.parent / "Fixtures" / "pictures" / "444.jpg"
NEWEST = "fetch('v1/jobs?limit=1&order=desc').then(r => r.json()).then(page => page.data[0].parameters)"
HELD = VISIBLE % "#start-held"


def strength(page, value):
    page.execute("""const range = document.querySelector('#strength');
        range.value = arguments[0];
        range.dispatchEvent(new Event('input', {bubbles: true}));""", [value])


def a_chosen_picture_is_the_start(page):
    page.click("label[for=kind-image]")
    page.fill("#prompt", "a small pink car in a grassy field")
    page.fill("#seed", "5")
    make(page)
    without = page.run(SHOWN)
    check(not page.run(HELD), "there is a start before one was chosen")
    page.type("#picture", str(PICTURE.resolve()))
    page.wait(HELD)
    check(page.text("#start-name") == PICTURE.name, page.text("#start-name"))
    check(not page.run("document.querySelector('#shape-0').checked"), "the shape is not that of the picture")
    page.click("label[for=shape-0]")
    strength(page, 0.6)
    check(page.text("#strength-value") == "60 %", page.text("#strength-value"))
    make(page)
    parameters, result = page.run(NEWEST), page.run(SHOWN)
    check(parameters["image"] == hashlib.sha256(PICTURE.read_bytes()).hexdigest(), f"the job names {parameters.get('image')}")
    check(abs(parameters["strength"] - 0.6) < 1e-6, f"a strength of {parameters['strength']}")
    check(result != without, "the picture has changed nothing")

    # The same again from the stage, with the same start; then from its file, which names the picture.
    page.click("#start-remove")
    check(not page.run(HELD) and page.run("document.activeElement.id") == "picture", "it is not removed, or the focus is lost")
    make(page)
    check(page.run(SHOWN) == without, "a picture that was removed still counts")
    drop(page, result, "changed.png", "image/png")
    check(page.run(HELD) and page.value("#strength") == "0.6", "the start of a dropped picture does not come back")
    make(page)
    check(page.run(SHOWN) == result, "the settings of a changed picture gave another picture")

    # A picture that says nothing of its making is the start, and one that does is offered as it.
    page.click("#start-remove")
    drop(page, without, "car.png", "image/png")
    check(not page.run(HELD), "a picture with settings takes the start unasked")
    page.click("#start-offer")
    page.wait(HELD)
    check(page.text("#start-name") == "car.png", page.text("#start-name"))
    page.click("#start-remove")


def a_picture_of_the_gallery_is_the_start(page):
    page.execute("document.querySelector('.card .start-change').click()")
    page.wait(HELD)
    prompt = page.run("document.querySelector('.card:has(.start-change) .card-prompt').textContent")
    check(page.value("#prompt") == prompt, f"{page.value('#prompt')!r}, not {prompt!r}")
    check(page.run("document.activeElement.id") == "prompt", "the prompt has no focus")
    page.click("label[for=kind-video]")
    check("Not used" in page.text("#start-hint"), page.text("#start-hint"))
    page.click("label[for=kind-image]")
    page.click("#start-remove")
