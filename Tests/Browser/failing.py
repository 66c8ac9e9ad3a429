"""Trials of a server that goes and comes back."""

import time

from trials import READY, VISIBLE, check, open_settings

WATCH = """
    window.clock = [];
    new MutationObserver(() => {
        const seconds = parseFloat(document.querySelector('.run-time')?.textContent);
        if (!Number.isNaN(seconds)) window.clock.push(seconds);
    }).observe(document.querySelector('#runs'), {subtree: true, childList: true, characterData: true});
"""


def a_job_outlives_its_server(page, server):
    """Killed while it computes: the lamp goes out, the same job is finished after the restart, and the clock never
    went back. Then once more with the page closed in between."""
    page.open(server.url)
    page.wait(READY)
    open_settings(page)
    page.click("label[for=kind-video]")
    page.click("label[for=generator-teacher]")
    page.execute("[...document.querySelectorAll('#length label')].at(-1).click()")
    page.fill("#prompt", "a large ghost in the night sky")
    page.execute(WATCH)
    page.click("#generate")
    page.wait("document.querySelector('#axis-small .leap.done') !== null")
    server.kill()
    page.wait("document.querySelector('#lamp').classList.contains('down')", 15)
    check(page.run(VISIBLE % "#banner"), "nothing says that the server is gone")
    page.wait("document.querySelector('.run.lost') !== null", 15)
    time.sleep(1)
    server.start()
    page.wait("document.querySelector('.run.finished') !== null", 120)
    page.wait(READY)
    page.wait("document.querySelector('#lamp').classList.contains('ready')", 15)
    check(not page.run(VISIBLE % "#banner"), "the page still says that the server is gone")
    clock = page.run("window.clock")
    check(len(clock) > 10 and clock == sorted(clock), f"the clock went back: {clock}")
    page.click("#generate")
    page.wait("document.querySelector('#axis-small .leap.done') !== null && document.querySelector('.run.finished') === null")
    page.open(server.url)
    page.wait("document.querySelector('.run') !== null", 15)
    page.wait("document.querySelector('.run.finished video') !== null", 120)
    page.console()                             # what a server that is gone leaves there
