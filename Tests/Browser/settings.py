"""Trials of settings that come from elsewhere: a file, an address, another model."""

import json
import struct
import zlib

from trials import READY, VISIBLE, check, make, open_settings
from webdriver import ESCAPE, LEFT, RIGHT

DROP = """
    const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], arguments[1], {type: arguments[2]}));
    dispatchEvent(new DragEvent("dragover", {dataTransfer: data, bubbles: true, cancelable: true}));
    dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""
SHOWN = """fetch(document.querySelector('.tile img, .tile video').src).then(r => r.arrayBuffer())
    .then(b => btoa(Array.from(new Uint8Array(b), (byte) => String.fromCharCode(byte)).join("")))"""


def drop(page, data, name, kind):
    page.execute("document.querySelector('#toast').textContent = ''")
    page.execute(DROP, [data, name, kind])
    page.wait("document.querySelector('#toast').textContent !== ''")


def of_a_file_come_back(page):
    """A PNG and an MP4 of this server, then a PNG that others wrote, with what they may have in it."""
    import base64
    open_settings(page)
    page.execute("document.querySelector('#more').open = true")
    page.click("label[for=kind-image]")
    page.fill("#prompt", "a large ghost: \"boo\", in the night sky")
    page.fill("#negative", "a tree, green")
    page.click("label[for=shape-2]")
    make(page)
    seed, data = page.value("#seed"), page.run(SHOWN)
    page.click("label[for=shape-0]")
    page.fill("#negative", "")
    page.fill("#prompt", "something else")
    drop(page, data, "ghost.png", "image/png")
    check(page.value("#prompt") == "a large ghost: \"boo\", in the night sky", page.value("#prompt"))
    check(page.value("#negative") == "a tree, green", page.value("#negative"))
    check(page.value("#seed") == seed, f"seed {page.value('#seed')}, not {seed}")
    check(page.run("document.querySelector('#shape-2').checked"), "the shape is not that of the picture")
    make(page)
    check(page.run(SHOWN) == data, "the settings of a picture gave another picture")

    page.fill("#negative", "")
    page.click("label[for=kind-video]")
    page.click("label[for=shape-0]")
    page.click("#length label")
    make(page)
    frames, data = page.run("document.querySelector('[name=length]:checked').value"), page.run(SHOWN)
    page.click("label[for=kind-image]")
    drop(page, data, "ghost.mp4", "video/mp4")
    check(page.run("document.querySelector('#kind-video').checked"), "a clip's settings are those of a picture")
    check(page.run("document.querySelector('[name=length]:checked').value") == frames, "the length is another one")
    page.click("label[for=kind-image]")

    def png(*chunks):
        body = b"".join(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
                        for kind, data in chunks)
        return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()

    head, end = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), (b"IEND", b"")
    words = "雪の中のペンギン, Steps: 3\nNegative prompt: 木\nSteps: 4, Sampler: euler, Seed: 9007199254740993, Size: 128x128"
    drop(page, png(head, (b"iTXt", b"parameters\0\0\0\0\0" + words.encode()), end), "x.png", "image/png")
    check(page.value("#prompt") == "雪の中のペンギン, Steps: 3", page.value("#prompt"))
    check((page.value("#negative"), page.value("#seed")) == ("木", "9007199254740993"), "of a text that is not Latin")
    broken = png(head, (b"tEXt", b"parameters\0x"))
    for data in (broken[:40], broken, png(head, end), base64.b64encode(b"\xff\xd8\xff").decode()):
        drop(page, data, "y.png", "image/png")
        check("does not say how it was made" in page.text("#toast"), page.text("#toast"))
    page.fill("#negative", "")
    page.execute("document.querySelector('#more').open = false")


def large_seeds_are_exact(page):
    seed = "9223372036854775806"
    page.fill("#prompt", "a large star on a blue background")
    page.fill("#seed", seed)
    page.click("label[for=count-2]")
    page.click("#generate")
    page.wait("document.querySelectorAll('.run.finished .tile img').length === 2")
    page.wait(READY)
    page.click("label[for=count-1]")
    make(page)
    check(page.value("#seed") == seed, f"{page.value('#seed')} in the form")
    check(page.text(".run .copy") == seed, f"{page.text('.run .copy')} on the stage")
    shown = page.run("[...document.querySelectorAll('.card .copy')].slice(0, 2).map(e => e.textContent)")
    check(shown == [seed, str(int(seed) + 1)], f"{shown} in the gallery")
    page.click(".card:nth-child(2) .again")
    check(page.value("#seed") == str(int(seed) + 1), f"{page.value('#seed')} from the gallery")
    page.click("#dice")


def the_large_view_goes_through(page):
    """Keys, an address that leads back, and deleting where the server can."""
    viewed = "document.querySelector('.viewer .copy')?.textContent"
    page.click(".tile .show")
    page.wait("document.querySelector('#viewer').open")
    first = page.run(viewed)
    page.type("#viewer", RIGHT)
    page.wait(f"{viewed} !== {json.dumps(first)} || document.querySelector('.viewer-count').textContent.startsWith('2 ')")
    check(page.text(".viewer-count").startswith("2 of "), page.text(".viewer-count"))
    address = page.run("location.href")
    page.type("#viewer", LEFT)
    page.wait("document.querySelector('.viewer-count').textContent.startsWith('1 ')")
    page.type("#viewer", ESCAPE)
    page.wait("!document.querySelector('#viewer').open")
    page.wait("location.hash === ''", 5)
    check("#job=" in address, f"no permalink: {address}")
    page.open("about:blank")
    page.open(address)
    page.wait("document.querySelector('#viewer').open")
    check(page.run("location.href") == address, "the permalink opened another picture")
    page.type("#viewer", ESCAPE)
    page.execute("[...document.querySelectorAll('.card .show:has(video)')][0].click()")
    page.wait("document.querySelector('#viewer .remove') !== null")
    before = page.count(".card")
    job = page.run("location.hash")
    page.click("#viewer .remove")
    check(page.count(".card") == before, "one click deletes")
    page.click("#viewer .remove")
    page.wait(f"document.querySelectorAll('.card').length === {before - 1}")
    check(page.run("fetch('v1/jobs/' + arguments[0].slice(5)).then(r => r.status)", job) == 404, "the server still has it")
    page.type("#viewer", ESCAPE)
    page.console()                             # the 404 that was asked for


def another_model_has_nothing_of_this_one(page, url):
    page.open(url)
    page.wait(READY)
    page.wait("document.querySelector('#prompt').placeholder !== ''")
    check(page.count(".sample") == 0 and not page.run(VISIBLE % "#samples-section"), "another model's samples are shown")
    check(not page.run(VISIBLE % "#words-toggle"), "another model's words are offered")
    check("emoji" not in page.run("document.body.innerText.toLowerCase()"), "another model is named")
    check(page.console() == [], f"the console is not empty: {page.console()}")
