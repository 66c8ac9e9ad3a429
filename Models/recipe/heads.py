"""Linear heads on the teacher while it learns (not kept): they name the parts of what a caption says and a scene shows.

Motion: nothing is gained by a direction word before the network knows early frames from late ones, nor by that without the
word (and rope tells it only differences of time), so that plain flow matching finds motion very late. The heads teach the
parts: from every row of the text, which way sprite and camera go; half-way through the blocks, from every token of a clip, the
frame's time, which way sprite and camera go, and how far they are by now.

Things: a caption with two colours or two objects is soon known by its words, and late by whose colour it is. From every row of the
text of an image, all that it says: background, layout, the objects in the order they are named and the tint of each; half-way
through the blocks, from every token, which object is there, its tint, and the background.
"""
import re

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import scenes

#: nothing there, or nothing named, comes first
OBJECTS, TINTS, GROUNDS, LAYOUTS = ([None, *names] for names in (scenes.OBJECTS_ALL, scenes.TINTS, scenes.BACKGROUNDS, ("left", "above")))
#: what is read of a scene's tokens, and of a caption's rows
SHOWN = OBJECTS, TINTS, GROUNDS
SAID = GROUNDS, LAYOUTS, OBJECTS, TINTS, OBJECTS, TINTS
PLACES = 8                                     # tokens along a side
THING_WEIGHT, SAID_WEIGHT = .1, .2


def build():
    return nn.ModuleDict({
        "token": nn.Linear(256, 11), "text": nn.Linear(256, 5),
        "shown": nn.Linear(256, sum(map(len, SHOWN))), "said": nn.Linear(256, sum(map(len, SAID)))})


def with_names(heads):
    return [("path_heads." + n, p) for n, p in heads.named_parameters()]


def is_word(rows, lengths):
    """[B, rows]: not padding, and not of an empty caption"""
    return (torch.arange(rows.shape[1])[None] < lengths[:, None]) & (lengths[:, None] > 1)


def motion(heads, middle, rows, lengths, drawn, frames):
    """A batch of clips: middle [B, t * 64, 256] of the latent frames -> loss, and its parts"""
    paths = torch.from_numpy(np.stack([scenes.path(s) for s in drawn]))[:, frames or range(5)]
    told = heads["token"](F.layer_norm(middle, middle.shape[-1:])).unflatten(1, (paths.shape[1], -1))
    off = (told - paths[:, :, None]).square().mean((0, 1, 2))
    read = (heads["text"](rows) - paths[:, :1, 1:6]).square().mean(2)[is_word(rows, lengths)].mean()
    return off.mean() + read, {"time": off[0], "way": off[1:6].mean(), "path": off[6:].mean(), "read": read}


def things(heads, middle, rows, lengths, drawn, cover):
    """A batch of images: middle [B, 64, 256], cover [B, 1, 16, 16] -> loss, and its parts"""
    objects, tints, grounds = heads["shown"](F.layer_norm(middle, middle.shape[-1:])).split([len(names) for names in SHOWN], 2)
    true_objects, true_tints = shown(drawn, cover)
    ground = torch.tensor([GROUNDS.index(s.background) for s in drawn])[:, None]
    there = (F.cross_entropy(objects.mT, true_objects) + F.cross_entropy(tints.mT, true_tints)
             + F.cross_entropy(grounds.mT, ground.expand(-1, middle.shape[1])))
    said = reading(heads, rows, lengths, drawn)
    return THING_WEIGHT * there + SAID_WEIGHT * said, {"there": there, "said": said}


def reading(heads, rows, lengths, drawn):
    """Mean over all words of how far each is from knowing what the whole caption says, in nats"""
    words = is_word(rows, lengths)
    parts = heads["said"](rows)[words].split([len(names) for names in SAID], 1)
    truth = torch.tensor([said(s) for s in drawn])[:, None].expand(-1, rows.shape[1], -1)[words]
    return sum(F.cross_entropy(part, truth[:, k]) for k, part in enumerate(parts))


def said(s):
    """What the caption of a scene says, as indices into SAID; objects in the order they are named"""
    names = lambda o: [n for n in (o.name, scenes.SYNONYMS.get(o.name)) if n]
    at = lambda o: min((m.start() for n in names(o) if (m := re.search(rf"\b{n}\b", s.caption))), default=0)
    named = lambda o: o.tint if (any(re.search(rf"\b{o.tint} {n}\b", s.caption) for n in names(o)) if s.mode == "pair" else "tint" in s.said) else None
    first, second = (*sorted(s.sprites, key=at), None)[:2] if s.mode == "pair" else (s.sprites[0], None)
    things = [label for o in (first, second) for label in (OBJECTS.index(o and o.name), TINTS.index(o and named(o)))]
    return [GROUNDS.index(s.background if "background" in s.said else None), LAYOUTS.index(s.layout if "layout" in s.said else None), *things]


def shown(drawn, cover):
    """-> for each token of an image [B, 64], the object there and its tint; cover [B, 1, 16, 16]"""
    covered = F.avg_pool2d(cover[:, 0], 16 // PLACES) > .4
    y, x = np.mgrid[0:PLACES, 0:PLACES] / PLACES + .5 / PLACES
    objects, tints = (torch.zeros(len(drawn), PLACES, PLACES, dtype=torch.long) for _ in range(2))
    for i, s in enumerate(drawn):
        nearest = torch.from_numpy(np.argmin([((x - o.x) ** 2 + (y - o.y) ** 2) / o.size ** 2 for o in s.sprites], 0))
        objects[i] = torch.tensor([OBJECTS.index(o.name) for o in s.sprites])[nearest] * covered[i]
        tints[i] = torch.tensor([TINTS.index(o.tint) for o in s.sprites])[nearest] * covered[i]
    return objects.flatten(1), tints.flatten(1)
