"""Three tasks on the web page in clicks, keys and seconds, by the shortest way in a real Chromium: a first picture, the same again
with another seed as a clip, and the comparison with the teacher. Prints a table in Markdown.

    python3 Tests/Browser/tasks.py [--phasor .build/release/phasor] [--then FOLDER] [--rounds 3]

--then names the folder of the page as it was before it was rebuilt (`git archive f79a50e~1 public | tar x -C FOLDER`); it is
served by the same program. Seconds go from the first click to the finished result, computing included: they are of the machine.
"""

import argparse
import statistics
import time

from server import Server
from webdriver import Browser

READY = "document.querySelector('#generate') !== null && !document.querySelector('#generate').disabled"


class Hand:
    """Does what a visitor does, and counts it."""

    def __init__(self, page):
        self.page = page
        self.clicks = self.keys = 0
        self.began = None

    def click(self, selector):
        self._begin()
        self.clicks += 1
        self.page.click(selector)

    def type(self, selector, text):
        self._begin()
        self.keys += len(text)
        self.page.type(selector, text)

    def _begin(self):
        self.began = self.began or time.monotonic()


class Today:
    """The page as it is."""

    name = "now"
    finished = "document.querySelectorAll('.run.finished').length === %d && !document.querySelector('#generate').disabled"

    def first_picture(self, hand):
        hand.click("#surprise")
        return 1

    def again_as_a_clip(self, hand):
        hand.click("label[for=kind-video]")
        hand.click("#generate")
        return 1

    def beside_the_teacher(self, hand):
        hand.click(".do-compare")
        return 2


class Then(Today):
    """The page before."""

    name = "before"

    def first_picture(self, hand):
        hand.click("#examples .chip")
        hand.click("#generate")
        return 1

    def beside_the_teacher(self, hand):
        """The seed must be kept, or another picture is compared; side by side were all generators."""
        hand.click("#lock")
        hand.click("label[for=generator-beside]")
        hand.click("#generate")
        return hand.page.count("[name=generator]") - 1


TASKS = [
    ("A first picture", "first_picture", False),
    ("The same again with another seed, as a clip", "again_as_a_clip", True),
    ("The same beside the teacher's", "beside_the_teacher", True),
]


def carry_out(server, steps, task, after_a_picture):
    """What one round of a task took: clicks, keys, seconds."""
    with Browser(1440, 900) as page:
        page.open(server.url)
        page.wait(READY)
        if after_a_picture:
            page.wait(steps.finished % steps.first_picture(Hand(page)))
            before = parameters(page)
        page.execute("for (const run of document.querySelectorAll('.run')) run.classList.add('old')")
        hand = Hand(page)
        runs = getattr(steps, task)(hand)
        done = steps.finished % runs
        page.wait(done.replace(".run.finished", ".run.finished:not(.old)"), 300)
        seconds = time.monotonic() - hand.began
        if after_a_picture:
            require(task, before, parameters(page))
        return hand.clicks, hand.keys, seconds


def parameters(page):
    """What the newest job was asked for."""
    return page.run("fetch('v1/jobs?limit=1&order=desc').then(r => r.json()).then(page => page.data[0].parameters)")


def require(task, before, after):
    """The way counted must lead where the task asks."""
    if before["prompt"] != after["prompt"]:
        raise AssertionError(f"{task}: another prompt")
    same = before["seed"] == after["seed"]
    wanted = (after["kind"] == "video" and not same) if task == "again_as_a_clip" else (after["generator"] == "teacher" and same)
    if not wanted:
        raise AssertionError(f"{task}: {before} became {after}")


def measured(phasor, page, steps, rounds):
    """For each task the clicks, the keys and the median of the seconds."""
    results = {}
    with Server(phasor, None, page) as server:
        for words, task, after_a_picture in TASKS:
            all_rounds = [carry_out(server, steps, task, after_a_picture) for _ in range(rounds)]
            results[words] = (*all_rounds[0][:2], statistics.median(seconds for _, _, seconds in all_rounds))
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Counts what three tasks take on the page.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--page", help="the page's folder (default: the one the executable finds)")
    parser.add_argument("--then", help="the folder of the page before")
    parser.add_argument("--rounds", type=int, default=3, help="of each task; the median of the seconds counts")
    arguments = parser.parse_args()
    pages = [(Then(), arguments.then)] if arguments.then else []
    pages.append((Today(), arguments.page))
    columns = [(steps.name, measured(arguments.phasor, page, steps, arguments.rounds)) for steps, page in pages]
    names = [name for name, _ in columns]
    print("| task | " + " | ".join(f"clicks {name}" for name in names) + " | " + " | ".join(f"keys {name}" for name in names)
          + " | " + " | ".join(f"seconds {name}" for name in names) + " |")
    print("| --- |" + " ---: |" * (3 * len(names)))
    for words, _, _ in TASKS:
        cells = [[results[words] for _, results in columns][index] for index in range(len(columns))]
        print(f"| {words} | " + " | ".join(str(clicks) for clicks, _, _ in cells) + " | "
              + " | ".join(str(keys) for _, keys, _ in cells) + " | " + " | ".join(f"{s:.1f}" for _, _, s in cells) + " |")
