"""Trials of models that take several pictures, on tiny models of random weights: what the page sends is what the job gets."""

import hashlib
import struct
import tempfile
import zlib
from pathlib import Path

import accessible
from server import Server
from trials import READY, VISIBLE, check, make, open_settings
from webdriver import Browser

FIXTURES = Path(__file__).parent.parent / "Fixtures"
NEWEST = "fetch('v1/jobs?limit=1&order=desc').then(r => r.json()).then(page => page.data[0].parameters)"
HELD = "document.querySelectorAll('#start-held:not([hidden]), #start-more li').length"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour, width=96, height=80):
    """A picture of one colour, large enough for every family to look at."""
    rows = (b"\0" + bytes(colour) * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


# Files have names, and so they need a folder.
SCRATCH = tempfile.TemporaryDirectory(prefix="phasor-given-")
PICTURES = [Path(SCRATCH.name, name) for name in ("red.png", "green.png", "blue.png")]
for picture, colour in zip(PICTURES, ((220, 40, 30), (30, 180, 60), (40, 60, 210))):
    picture.write_bytes(png(colour))
DIGESTS = [hashlib.sha256(picture.read_bytes()).hexdigest() for picture in PICTURES]


def small(page):
    """Random weights make nothing worth waiting for."""
    open_settings(page)
    page.click("label[for=shape-own]")
    page.fill("#width", "64")
    page.fill("#height", "64")
    page.execute("document.querySelector('#more').open = true")
    page.fill("#steps", "2")


def choose(page, picture, selector="#picture"):
    page.type(selector, str(picture.resolve()))


def several_pictures_are_looked_at(page, server, axe, least):
    """Three given one by one, the second taken away again; the same again after a reload."""
    page.open(server.url)
    page.wait(READY)
    page.fill("#prompt", "a red boat")
    if least:
        page.click("#generate")
        check("starts from a picture" in page.text("#start-error"), page.text("#start-error"))
    for count, picture in enumerate(PICTURES, 1):
        choose(page, picture)
        page.wait(f"{HELD} === {count}")
    check(page.text("#start-title") == "Pictures to look at", page.text("#start-title"))
    check(not page.run(VISIBLE % "#strength-field"), "a strength is offered for pictures that are looked at")
    accessible.as_it_is(page, axe, "three pictures to look at")
    small(page)
    make(page)
    check(page.run(NEWEST)["images"] == DIGESTS, f"{page.run(NEWEST)['images']}, not {DIGESTS}")
    check("image" not in page.run(NEWEST), "one of them is to be changed")
    page.click("#start-more li button")
    page.wait(f"{HELD} === 2")
    make(page)
    check(page.run(NEWEST)["images"] == [DIGESTS[0], DIGESTS[2]], "another one than the second was removed")
    page.click("#start-remove")
    page.wait(f"{HELD} === 1")
    check(page.text("#start-name") == PICTURES[2].name, page.text("#start-name"))
    page.open(server.url)
    page.wait(READY)
    page.wait("document.querySelectorAll('.card .again').length === 2")
    page.execute("[...document.querySelectorAll('.card .again')].at(-1).click()")
    page.wait(f"{HELD} === 3")
    make(page)
    check(page.run(NEWEST)["images"] == DIGESTS, "the pictures that came back are others, or in another order")


def a_clip_begins_and_ends(page, server, axe):
    page.open(server.url)
    page.wait(READY)
    page.fill("#prompt", "a red boat")
    check(not page.run(VISIBLE % "#last-way"), "an end is offered before there is a beginning")
    choose(page, PICTURES[0])
    page.wait(VISIBLE % "#start-held")
    small(page)
    page.click("#length label")
    make(page)
    parameters = page.run(NEWEST)
    check(parameters["image"] == DIGESTS[0] and "last_image" not in parameters, f"{parameters}")
    choose(page, PICTURES[1], "#last-picture")
    page.wait(VISIBLE % "#last-held")
    check(page.text("#last-name") == PICTURES[1].name, page.text("#last-name"))
    accessible.as_it_is(page, axe, "a first and a last picture")
    make(page)
    parameters = page.run(NEWEST)
    check((parameters["image"], parameters["last_image"]) == (DIGESTS[0], DIGESTS[1]), f"{parameters}")
    page.click("#last-remove")
    check(not page.run(VISIBLE % "#last-held"), "the last picture stays")
    page.click(".do-use")
    page.wait(VISIBLE % "#last-held")
    make(page)
    parameters = page.run(NEWEST)
    check((parameters["image"], parameters["last_image"]) == (DIGESTS[0], DIGESTS[1]), "the end does not come back")


def in_chromium(attempt, phasor, page_folder, axe, screenshot):
    """`attempt` prints the seconds of a trial, and makes the screenshot of one that fails."""
    for model, trial, more in [
        ("flux2-klein-tiny", several_pictures_are_looked_at, (0,)),
        ("qwen-image-edit-tiny", several_pictures_are_looked_at, (1,)),
        ("wan22-i2v-tiny", a_clip_begins_and_ends, ()),
    ]:
        with Server(phasor, str(FIXTURES / model), page_folder) as server, Browser(1280, 900) as page:
            attempt(page, trial, screenshot, server, axe, *more)
            check(page.console() == [], f"{model}: the console is not empty")
