"""What the trials of the page share."""

READY = "!document.querySelector('#generate').disabled"
FINISHED = "document.querySelector('.run.finished') !== null && !document.querySelector('#generate').disabled"
VISIBLE = "(e => e !== null && e.checkVisibility())(document.querySelector(%r))"
LOADED = "[...document.querySelectorAll('.tile img')].every(image => image.complete && image.naturalWidth > 0)"


def check(holds, words):
    if not holds:
        raise AssertionError(words)


def make(page, button="#generate", runs=1, seconds=120):
    """Presses the button and waits for what it makes."""
    page.execute("for (const run of document.querySelectorAll('.run')) run.classList.add('old')")
    page.click(button)
    page.wait(f"document.querySelectorAll('.run.finished:not(.old)').length === {runs}", seconds)
    page.wait(READY)
    page.wait(LOADED)


def open_settings(page):
    page.execute("document.querySelector('#settings').open = true")
