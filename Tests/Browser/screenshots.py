"""Makes the README's pictures of the page: real generations of the given model, in a real Chromium.

    python3 Tests/Browser/screenshots.py [--phasor .build/release/phasor] [--model FOLDER] [--to docs]
"""

import argparse
from pathlib import Path

from page import FINISHED, LOADED, READY, served
from webdriver import CONTROL, ENTER, Browser

# With their seeds: the same again on every run.
MADE_BEFORE = [
    ("image", "a large house in a grassy field", 3),
    ("image", "a large dog on the beach", 3),
    ("video", "a large ghost moves to the left in the night sky", 3),
    ("image", "a huge mushroom on a blue background", 3),
]
BESIDE = ("a large strawberry on a white background", 3)


def make(page, kind, prompt, seed, generator):
    page.click(f"label[for=kind-{kind}]")
    page.click(f"label[for=generator-{generator}]")
    page.fill("#seed", str(seed))
    page.fill("#prompt", prompt)
    page.type("#prompt", CONTROL + ENTER)
    page.wait(FINISHED, 120)
    page.wait(READY, 120)
    page.wait(LOADED)


def main(url, folder):
    with Browser(1120, 860) as page:
        page.open(url)
        page.wait(READY)
        for kind, prompt, seed in MADE_BEFORE:
            make(page, kind, prompt, seed, "student")
        make(page, "image", *BESIDE, "beside")
        page.run("document.activeElement.blur()")
        page.settle()
        end = page.run("document.querySelector('#verdict').getBoundingClientRect().bottom + scrollY")
        page.picture(folder / "page-desktop.png", height=end + 24)
    with Browser(360, 760, dark=True, scale=2) as page:
        page.open(url)
        page.wait(READY)
        make(page, "image", *BESIDE, "student")
        page.run("document.activeElement.blur()")
        page.settle()
        start = page.run("document.querySelector('.plan').offsetTop - 16")
        page.picture(folder / "page-phone.png", top=start, height=790)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the README's pictures of the page.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", help="a model folder (default: the embedded model)")
    parser.add_argument("--to", default="docs", help="the folder for page-desktop.png and page-phone.png")
    arguments = parser.parse_args()
    with served(arguments.phasor, arguments.model) as address:
        main(address, Path(arguments.to))
