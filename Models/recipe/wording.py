"""How people write what `scenes.caption` says: other case and order, words around it, and a letter that went wrong."""
import random
import re
import string

from .words import COLORS, PLACES_TEXT

LEADS = ("a picture of ", "a photo of ", "an image of ", "please draw ", "draw me ", "I want to see ", "emoji of ", "show me ", "imagine ")
TAILS = (", please", ", high quality", ", emoji style", ", beautiful", ", 4k", ", very detailed", ", cartoon")
_GROUND = re.compile("^(.+?)(?: (" + "|".join(PLACES_TEXT.values()) + ")|(?:,| on an?| against an?) (" + "|".join(COLORS) + ") background)(.*)$")


def reorder(caption):
    """The background first: "a cat on the beach" -> "on the beach, a cat"; as it was where no background is named"""
    match = _GROUND.match(caption)
    if not match:
        return caption
    thing, place, color, rest = match.groups()
    return f"{place or color + ' background'}, {thing}{rest}"


def misspell(r, caption):
    """One letter of one word of four or more is missing, doubled, another, or in its neighbour's place; the first letter stays"""
    words = caption.split(" ")
    long = [i for i, word in enumerate(words) if sum(c.isalpha() for c in word) >= 4 and word.isalpha()]
    if not long:
        return caption
    i = r.choice(long)
    word, at = words[i], r.randrange(1, len(words[i]) - 1)
    words[i] = r.choice([
        word[:at] + word[at + 1:], word[:at] + word[at] + word[at:], word[:at] + r.choice(string.ascii_lowercase) + word[at + 1:],
        word[:at] + word[at + 1] + word[at] + word[at + 2:]])
    return " ".join(words)


def surround(r, caption):
    """Words that say nothing about the scene, before or behind it"""
    return r.choice(LEADS) + caption if r.random() < .6 else caption + r.choice(TAILS)


def capitalise(r, caption):
    """A capital first letter, a full stop, now and then capitals throughout"""
    k = r.random()
    if k < .15: caption = caption[:1].upper() + caption[1:]
    elif k < .16: caption = caption.upper()
    return caption + ("." if caption and r.random() < .1 else "")


def vary(r, caption):
    """A caption as somebody may write it; half stay as they are"""
    if r.random() < .15: caption = reorder(caption)
    if r.random() < .12: caption = misspell(r, caption)
    if r.random() < .12: caption = surround(r, caption)
    return capitalise(r, caption)


#: what the evaluation asks, each of the same captions
WORDINGS = {
    "as it is": lambda r, caption: caption,
    "IN CAPITALS": lambda r, caption: caption.upper(),
    "the background first": lambda r, caption: reorder(caption),
    "one letter wrong": misspell,
    "with idle words": surround,
    "with unknown words": lambda r, caption: f"{caption}, {r.choice(('masterpiece by Vermeer', 'trending on artstation', 'bokeh and lens flare'))}"}
