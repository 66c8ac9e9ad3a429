"""Trials of results beside each other."""

import re
from statistics import NormalDist

from trials import VISIBLE, check, make, open_settings


def one_beside_the_other(page):
    open_settings(page)
    make(page)
    make(page, ".do-compare", runs=2)
    page.wait("document.querySelector('#verdict') !== null")
    check("Same prompt, same seed" in page.text("#verdict"), "the latencies are not compared")
    check(page.count("#axis-small .lane") == 2, "the axis has no lane for each generator")
    page.click(".overlay > summary")
    page.wait("document.querySelectorAll('.wipe img').length === 2")
    before = page.run("getComputedStyle(document.querySelector('.wipe-over')).clipPath")
    page.execute("""const range = document.querySelector('.wipe-range');
        range.value = 20;
        range.dispatchEvent(new Event('input', {bubbles: true}));""")
    after = page.run("getComputedStyle(document.querySelector('.wipe-over')).clipPath")
    check(before != after and "80%" in after, f"the slider moved the border from {before} to {after}")
    clips_play_in_step(page)


def clips_play_in_step(page):
    page.click("label[for=kind-video]")
    make(page, runs=2)
    page.wait("document.querySelector('.player') !== null")
    page.wait("[...document.querySelectorAll('.tile video')].every(clip => !clip.paused && clip.currentTime > 0.2)")
    apart = page.execute("""
        const clips = [...document.querySelectorAll('.tile video')];
        const seen = [];
        return new Promise((done) => {
            const look = () => {
                if (!clips.some((clip) => clip.seeking)) seen.push(Math.abs(clips[0].currentTime - clips[1].currentTime));
                if (seen.length < 90) requestAnimationFrame(look);
                else done(seen.sort((a, b) => a - b)[Math.floor(seen.length * 0.9)]);
            };
            look();
        })""")
    check(apart < 0.125, f"the clips are {apart:.3f} s apart, which is more than a frame")
    page.click(".player button")
    page.wait("[...document.querySelectorAll('.tile video')].every(clip => clip.paused)")
    page.click("label[for=kind-image]")
    page.click("label[for=compare-off]")


def all_generators(page):
    generators = page.count("[name=generator]")
    check(generators >= 2, f"{generators} generators are offered")
    page.click("label[for=compare-all]" if page.count("#compare-all") else "label[for=compare-beside]")
    make(page, runs=generators)
    check("Same prompt, same seed" in page.text("#verdict"), "the latencies are not compared")
    page.click("label[for=compare-off]")
    make(page)
    seeds = page.run(f"[...document.querySelectorAll('.card .copy')].slice(0, {generators}).map(e => e.textContent)")
    check(len(set(seeds)) == 1, f"seeds differ: {seeds}")


def blind(page):
    """Nothing tells who is who before the vote, and the interval is Wilson's."""
    page.click("label[for=compare-blind]")
    page.execute("localStorage.clear()")
    wins, votes = 0, 0
    for letter in ("A", "B", "A"):
        make(page, "#next-pair" if votes else "#generate", runs=2)
        page.wait("document.querySelector('#vote-A') !== null")
        told = page.run("document.querySelector('#stage').innerText.toLowerCase()")
        check(not re.search("student|teacher|evaluation", told), f"the test is not blind: {told!r}")
        check(not page.run(VISIBLE % "#plan"), "the axis tells who is at work")
        page.click(f"#vote-{letter}")
        page.wait("document.querySelector('#tally') !== null")
        votes += 1
        wins += "You chose Student" in page.text("#tally")
        shown = page.run("[...document.querySelectorAll('.run h3')].map(title => title.textContent)")
        check(sorted(re.sub("^[AB] is ", "", title) for title in shown) == ["Student", "Teacher"], f"not named: {shown}")
    z, share = NormalDist().inv_cdf(0.975), wins / votes
    centre = (share + z * z / (2 * votes)) / (1 + z * z / votes)
    half = z / (1 + z * z / votes) * (share * (1 - share) / votes + z * z / (4 * votes * votes)) ** 0.5
    expected = (f"in {wins} of {votes} votes: {100 * share:.0f} %, 95 % interval {100 * max(centre - half, 0):.0f} to "
                f"{100 * min(centre + half, 1):.0f} %")
    check(expected in page.text("#tally"), f"{page.text('#tally')!r}, expected {expected!r}")
    page.click("label[for=compare-off]")
