"""Makes the README's pictures of the page: real generations of the given model, in a real Chromium.

    python3 Tests/Browser/screenshots.py [--phasor .build/release/phasor] [--model FOLDER] [--page public] [--to docs]
    python3 Tests/Browser/screenshots.py --states --to FOLDER

--states makes a picture of each state of the page instead, on a desktop, in the dark and on a phone: empty, running, a picture, a
clip, side by side, an error, and the server gone.
"""

import argparse
from pathlib import Path

from server import Server
from trials import READY, make, open_settings
from webdriver import Browser

# With their seeds: the same again on every run.
MADE_BEFORE = [
    ("image", "a large house in a grassy field", 3),
    ("image", "a large dog on the beach", 3),
    ("video", "a large ghost moves to the left in the night sky", 3),
    ("image", "a huge mushroom on a blue background", 3),
]
SHOWN = ("image", "a large sailboat by the ocean", 2)
BESIDE = ("image", "a large strawberry on a white background", 3)


def ask(page, kind, prompt, seed, comparison="off", runs=1):
    page.click(f"label[for=kind-{kind}]")
    page.click(f"label[for=compare-{comparison}]")
    page.fill("#seed", str(seed))
    page.fill("#prompt", prompt)
    make(page, runs=runs)


def still(page):
    page.execute("document.activeElement.blur(); document.querySelector('#toast').hidden = true; scrollTo(0, 0)")
    page.settle()


def main(url, folder):
    with Browser(1440, 900) as page:
        page.open(url)
        page.wait(READY)
        open_settings(page)
        for picture in MADE_BEFORE:
            ask(page, *picture)
        ask(page, *SHOWN)
        still(page)
        page.view(folder / "page-desktop.png")
    with Browser(1440, 900, dark=True) as page:
        page.open(url)
        page.wait(READY)
        open_settings(page)
        ask(page, *BESIDE, comparison="beside", runs=2)
        still(page)
        page.view(folder / "page-beside.png")
    with Browser(390, 844, scale=2, still=True) as page:
        page.open(url)
        page.wait(READY)
        page.fill("#prompt", SHOWN[1])
        open_settings(page)
        page.fill("#seed", str(SHOWN[2]))
        page.execute("document.querySelector('#settings').open = false")
        make(page)
        page.execute("document.activeElement.blur()")
        page.settle()
        page.view(folder / "page-phone.png")


WINDOWS = {
    "desktop": {"width": 1440, "height": 900}, "dark": {"width": 1440, "height": 900, "dark": True},
    "phone": {"width": 390, "height": 844, "scale": 2},
}


def every_state(server, folder):
    for name, window in WINDOWS.items():
        with Browser(still=True, **window) as page:
            def shot(state):
                page.execute("document.querySelector('#toast').hidden = true")
                page.settle()
                page.view(folder / f"{state}-{name}.png")

            page.open(server.url)
            page.wait(READY)
            page.wait("document.querySelectorAll('.sample').length > 0")
            shot("empty")
            page.click("label[for=kind-video]")
            page.fill("#prompt", MADE_BEFORE[2][1])
            page.execute("document.querySelector('#settings').open = true")
            page.fill("#seed", str(MADE_BEFORE[2][2]))
            page.click("label[for=generator-teacher]")
            page.execute("document.querySelector('#settings').open = false")
            page.click("#generate")
            page.wait("document.querySelectorAll('#axis-small .leap.done').length > 2")
            page.execute("document.activeElement.blur()")
            page.view(folder / f"running-{name}.png")        # what moves does not settle
            page.wait(READY, 300)
            for state, asked, comparison, runs in [
                ("clip", MADE_BEFORE[2], "off", 1), ("image", SHOWN, "off", 1), ("beside", BESIDE, "beside", 2),
            ]:
                page.execute("document.querySelector('#settings').open = true")
                page.click("label[for=generator-student]")
                ask(page, *asked, comparison=comparison, runs=runs)
                page.execute("document.querySelector('#settings').open = false")
                still_at_stage(page)
                shot(state)
            page.execute("document.querySelector('#settings').open = true; document.querySelector('#more').open = true")
            page.fill("#steps", "1001")
            page.click("#generate")
            page.wait("!document.querySelector('#steps-error').hidden")
            page.execute("document.querySelector('#steps-error').scrollIntoView({block: 'center'})")
            shot("error")
            server.kill()
            page.wait("document.querySelector('#lamp').classList.contains('down')", 15)
            page.execute("document.querySelector('#settings').open = false; scrollTo(0, 0)")
            shot("gone")
            server.start()


def still_at_stage(page):
    """As the page leaves it: with the result in view."""
    page.execute("document.activeElement.blur(); document.querySelector('#stage').scrollIntoView({block: 'nearest'})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the README's pictures of the page.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", help="a model folder (default: the embedded model)")
    parser.add_argument("--page", help="the page's folder (default: the one the executable finds)")
    parser.add_argument("--to", default="docs", help="the folder for the pictures")
    parser.add_argument("--states", action="store_true", help="a picture of each state in place of the README's")
    arguments = parser.parse_args()
    folder = Path(arguments.to)
    folder.mkdir(parents=True, exist_ok=True)
    with Server(arguments.phasor, arguments.model, arguments.page) as server:
        if arguments.states:
            every_state(server, folder)
        else:
            main(server.url, folder)
