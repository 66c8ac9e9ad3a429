"""Trials of pictures that the next one starts from."""

import base64
import hashlib
import json
from pathlib import Path

from between import Between, with_inputs
from settings import SHOWN, drop
from trials import READY, VISIBLE, check, make

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


def a_picture_comes_back_after_a_reload(page):
    """The server gives back what this page has sent before it was loaded again."""
    page.open(page.run("location.href"))
    page.wait(READY)
    page.wait("document.querySelector('.card .again') !== null")
    # The newest of the trial before is one that was changed.
    page.execute("""[...document.querySelectorAll('.card')]
        .find((card) => card.querySelector('.card-prompt').textContent === 'a small pink car in a grassy field')
        .querySelector('.again').click()""")
    page.wait(HELD)
    make(page)
    digest = hashlib.sha256(PICTURE.read_bytes()).hexdigest()
    check(page.run(NEWEST)["image"] == digest, "the picture that came back is another one")
    page.click("#start-remove")


def a_picture_of_the_gallery_is_the_start(page):
    page.execute("document.querySelector('.card .start-change').click()")
    page.wait(HELD)
    prompt = page.run("document.querySelector('.card:has(.start-change) .card-prompt').textContent")
    check(page.value("#prompt") == prompt, f"{page.value('#prompt')!r}, not {prompt!r}")
    check(page.run("document.activeElement.id") == "prompt", "the prompt has no focus")
    page.click("label[for=kind-video]")
    check(page.run(HELD) and page.run("document.querySelector('#start-hint').hidden"), page.text("#start-hint"))
    page.click("label[for=kind-image]")
    page.click("#start-remove")


def a_picture_of_the_gallery_is_moved(page):
    """One click makes a clip that begins with the picture."""
    name = page.run("document.querySelector('.card:has(.start-move) .show img').src")
    make(page, ".card:has(.start-move) .start-move")
    parameters = page.run(NEWEST)
    shown = page.run("""fetch(%r).then(r => r.arrayBuffer()).then(b => crypto.subtle.digest('SHA-256', b))
        .then(d => [...new Uint8Array(d)].map(byte => byte.toString(16).padStart(2, '0')).join(''))""" % name)
    check(parameters["kind"] == "video" and parameters["image"] == shown, f"the clip begins with {parameters.get('image')}")
    check(parameters.get("strength") is None, "a first frame has a strength")
    page.click("#start-remove")


def other_models_read_the_picture(page, url):
    """One that needs a first frame, one that looks at pictures, and one that moves or changes them; the picture is the newest one
    of the gallery."""
    with Between(url, with_inputs([], ["video"], image="required", last_image="optional", images=[0, 0])) as between:
        shown = the_gallery(page, between.url)
        page.fill("#prompt", "a fox")
        page.click("#generate")
        check("starts from a picture" in page.text("#start-error"), page.text("#start-error"))
        check(between.asked == [], "it was asked for without the picture that it needs")
        check(page.count(".start-change") == 0, "a change is offered by a model that makes clips")
        page.execute("document.querySelector('.card .start-move').click()")
        page.wait("document.querySelector('#loras-error').textContent !== ''")          # the refusal of the server in between
        body = json.loads(between.asked[0])
        check(body["kind"] == "video" and "strength" not in body and bytes_of(body["image"]) == shown, "not the clip's start")
    with Between(url, with_inputs(["image"], ["image"], image="strength", last_image="never", images=[0, 4])) as between:
        shown = the_gallery(page, between.url)
        page.execute("document.querySelector('.card .start-change').click()")
        page.wait(HELD)
        check(not page.run(VISIBLE % "#strength-field"), "a strength is offered for a picture that is looked at")
        page.fill("#prompt", "make it blue")
        page.click("#generate")
        page.wait("document.querySelector('#loras-error').textContent !== ''")
        body = json.loads(between.asked[0])
        check([bytes_of(one) for one in body["images"]] == [shown] and "image" not in body, "not the picture to look at")
    with Between(url, with_inputs(["image", "video"], ["image", "video"], image="optional", last_image="never", images=[0, 0])) as between:
        shown = the_gallery(page, between.url)
        check(page.count(".card .start-move") > 0, "a picture cannot be moved by a model that may read a first frame")
        page.execute("document.querySelector('.card .start-change').click()")
        page.wait(HELD)
        check(page.run(VISIBLE % "#strength-field"), "no strength is offered for a picture that is changed by it")
        page.fill("#prompt", "make it blue")
        page.click("#generate")
        page.wait("document.querySelector('#loras-error').textContent !== ''")
        body = json.loads(between.asked[0])
        check(body["kind"] == "image" and "strength" in body and bytes_of(body["image"]) == shown, "not the picture to change")
    page.console()                             # the refusals


def the_gallery(page, url):
    """The bytes of the first picture that is offered as a start."""
    page.open(url)
    page.wait(READY)
    page.wait("document.querySelector('.card .start-change, .card .start-move') !== null")
    return base64.b64decode(page.run("""fetch(document.querySelector('.card:has(.start-change, .start-move) .show img').src)
        .then(r => r.arrayBuffer()).then(b => btoa(Array.from(new Uint8Array(b), (byte) => String.fromCharCode(byte)).join("")))"""))


def bytes_of(data_url):
    return base64.b64decode(data_url.split(",", 1)[1])
