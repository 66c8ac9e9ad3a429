"""Makes the README's pictures of the page: real generations of the given model, in a real Chromium.

    python3 Tests/Browser/screenshots.py [--phasor .build/release/phasor] [--model FOLDER] [--page public] [--to docs]
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the README's pictures of the page.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", help="a model folder (default: the embedded model)")
    parser.add_argument("--page", help="the page's folder (default: the one the executable finds)")
    parser.add_argument("--to", default="docs", help="the folder for the pictures")
    arguments = parser.parse_args()
    with Server(arguments.phasor, arguments.model, arguments.page) as server:
        main(server.url, Path(arguments.to))
