"""Linear heads on the teacher while it learns (not kept): they name the parts of what a caption says and a scene shows.

Motion: nothing is gained by a direction word before the network knows early frames from late ones, nor by that without the
word (and rope tells it only differences of time), so that plain flow matching finds motion very late. The heads teach the
parts: from every row of the text, which way sprite and camera go; half-way through the blocks, from every token of a clip, the
frame's time, which way sprite and camera go, and how far they are by now.

Things: with two colours or two objects in a caption, each sample is mostly right, but whose colour it is comes late. From every
row of the text of an image, the background and the tint that it names; half-way through the blocks, from every token, which
object is there, its tint, and the background.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import scenes

#: nothing there, or nothing named, comes first
OBJECTS, TINTS, GROUNDS = ([None, *names] for names in (scenes.OBJECTS_ALL, scenes.TINTS, scenes.BACKGROUNDS))
PLACES = 8                                     # tokens along a side
THING_WEIGHT = .1


def build():
    return nn.ModuleDict({
        "token": nn.Linear(256, 11), "text": nn.Linear(256, 5),
        "shown": nn.Linear(256, len(OBJECTS) + len(TINTS) + len(GROUNDS)), "said": nn.Linear(256, len(TINTS) + len(GROUNDS))})


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
    sizes = (len(OBJECTS), len(TINTS), len(GROUNDS))
    objects, tints, grounds = heads["shown"](F.layer_norm(middle, middle.shape[-1:])).split(sizes, 2)
    true_objects, true_tints = shown(drawn, cover)
    ground = torch.tensor([GROUNDS.index(s.background) for s in drawn])[:, None]
    there = (F.cross_entropy(objects.mT, true_objects) + F.cross_entropy(tints.mT, true_tints)
             + F.cross_entropy(grounds.mT, ground.expand(-1, middle.shape[1])))
    words = is_word(rows, lengths)
    said_tints, said_grounds = heads["said"](rows)[words].split(sizes[1:], 1)
    tint = torch.tensor([_tint(s) for s in drawn])[:, None].expand_as(words)[words]
    named = torch.tensor([GROUNDS.index(s.background if "background" in s.said else None) for s in drawn])[:, None].expand_as(words)[words]
    said = F.cross_entropy(said_grounds, named) + F.cross_entropy(said_tints, tint, ignore_index=-100, reduction="sum") / len(tint)
    return THING_WEIGHT * (there + said), {"there": there, "said": said}


def _tint(s):
    """The tint that the caption names, of one object; of a pair's two, `said` does not tell which"""
    return -100 if s.mode == "pair" else TINTS.index(s.sprites[0].tint if "tint" in s.said else None)


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
