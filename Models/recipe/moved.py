"""Stage "moved": clips that Phasor makes of a given picture, measured; a part of the evaluation.

    python -m recipe.moved --folder WORK/all --phasor ../.build/release/phasor --pictures WORK/pictures \
        --classifier WORK/classifier.pt --kinds "teacher;student" --json WORK/evaluation.json

The pictures are the first frames of clips that were never trained (held-out combinations), and pictures that Phasor drew itself.
The prompt says how it goes on ("it moves to the left") and nothing that the picture shows.
First frame: PSNR against the given picture, beside what the autoencoder alone gives back of it. Direction: as in evaluate.py. Object:
whether the classifier names it on the last frame. Diversity: how far the last frames of one picture and prompt lie apart over
seeds, in the classifier's features, and how much the ways they went differ (standard deviation, in frame widths), where the
prompt names no direction ("it moves").
"""
import argparse
import json
import math
import os
import random

import numpy as np
import torch
from PIL import Image

from . import classifier, scenes
from .evaluate import GENERATORS, HELD_SEEDS, Phasor, as_video, backgrounds_of, motion, path_of, share
from .latents import Latents

WANTED = ("left", "right", "up", "down", "grow", "shrink")
#: what is drawn at a place -> where it may go and stay in the frame
ROOM = {"on the left": ("right",), "on the right": ("left",), "at the top": ("down",), "at the bottom": ("up",),
        "in the center": ("left", "right", "up", "down", "grow", "shrink")}
OPEN_PROMPT = "it moves"


def filmed(count, objects):
    """Scenes of one thing that moves, of combinations that were never trained"""
    drawn = (scenes.scene(HELD_SEEDS + 700_000 + i, True, split="held", objects=objects) for i in range(100 * count))
    return [s for s in drawn if s.mode == "one" and s.motion in WANTED][:count]


def drawn(count, objects):
    """Still scenes of one thing that is told its place, each with a motion that has room"""
    found = (scenes.scene(HELD_SEEDS + 800_000 + i, objects=objects) for i in range(100 * count))
    found = [s for s in found if s.mode == "one" and s.sprites[0].size_name != "huge" and "position" in s.said and s.sprites[0].position in ROOM][:count]
    for i, s in enumerate(found):
        ways = ROOM[s.sprites[0].position]
        s.motion = ways[i % len(ways)]
    return found


def told(s):
    return scenes.motion_caption(random.Random(f"moved{s.seed}"), s)


def psnr(a, b):
    """In dB, of the pooled error of pictures in [-1, 1]"""
    return round(-10 * math.log10((((a - b) / 2).square().mean() + 1e-12).item()), 2)


def still_there(net, clips, batch):
    """Does the classifier name the object on the last frame?"""
    best, truth = classifier.classify(net, clips[:, :, -1])[0].argmax(1), classifier.labels(batch)[0]
    return share([bool(truth[i, k]) for i, k in enumerate(best)])


def spread(net, clips):
    """Over the seeds of one picture and prompt: distance of the last frames' features, deviation of the way that was gone"""
    features, n = torch.nn.functional.normalize(net.features(clips[:, :, -1])[0], dim=1), len(clips)
    ways = []
    for clip, name in zip(clips, backgrounds_of(net, clips)):
        first, last = path_of(clip, name)
        if first is not None and last is not None:
            ways.append((float(last[0] - first[0]), float(last[1] - first[1])))
    return {"distance": float(1 - ((features @ features.T).sum() - n) / (n * (n - 1))),
            "way": float(np.std(ways, 0).mean()) if len(ways) > 1 else 0.}


def measure(net, clips, given, batch):
    return {"first frame": psnr(clips[:, :, 0], given), **motion(net, clips, batch), "object on the last frame": still_there(net, clips, batch)}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--folder", required=True)
    p.add_argument("--phasor", required=True, help="the binary")
    p.add_argument("--pictures", required=True, help="where they are written, and kept")
    p.add_argument("--classifier", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--kinds", default="teacher;student", help="of " + "; ".join(GENERATORS))
    p.add_argument("--clips", type=int, default=48)
    p.add_argument("--drawn", type=int, default=48, help="clips that begin with pictures that the student drew")
    p.add_argument("--open", type=int, default=6, help="pictures that are moved by a prompt without a direction")
    p.add_argument("--seeds", type=int, default=8, help="of each of these")
    p.add_argument("--json", help="what is measured goes into this file, which evaluate.py began")
    a = p.parse_args()
    torch.set_num_threads(1)
    phasor, net, objects = Phasor(a.phasor, a.folder, a.pictures), classifier.load(a.classifier), scenes.OBJECT_SETS[a.objects]
    clips, stills = filmed(a.clips, objects), drawn(a.drawn, objects)
    os.makedirs(a.pictures, exist_ok=True)
    starts = [os.path.join(a.pictures, f"start-{i:03d}.png") for i in range(len(clips))]
    for s, path in zip(clips, starts):
        Image.fromarray(scenes.frame(s, 0)).save(path)
    real, given = as_video([scenes.clip(s) for s in clips]), classifier.to_tensor([scenes.frame(s, 0) for s in clips])
    vae = Latents(os.path.join(a.folder, "vae"))
    back = torch.cat([vae.decode(vae.encode(scenes.clip(s)[None])) for s in clips])
    result = {"renders": {"from renders": measure(net, real, given, clips)},
              "renders through the VAE": {"from renders": measure(net, back, given, clips)}}
    pictures = phasor("student", "starts", [s.caption for s in stills], range(10_000, 10_000 + len(stills)))[:, :, 0]
    own = [os.path.join(a.pictures, "student", "starts", f"{i:03d}-{10_000 + i}.png") for i in range(len(stills))]
    result["renders through the VAE"]["from its own pictures"] = {
        "first frame": psnr(torch.cat([vae.decode(vae.encode(((x + 1) * 127.5).permute(1, 2, 0)[None, None]))[:, :, 0] for x in pictures]), pictures),
        "object in the picture": still_there(net, pictures[:, :, None], stills)}
    for kind in a.kinds.split(";"):
        moving = phasor(kind, "moved", [told(s) for s in clips], range(11_000, 11_000 + len(clips)), True, starts)
        result[kind] = {"from renders": measure(net, moving, given, clips)}
        moving = phasor(kind, "moved-own", [told(s) for s in stills], range(12_000, 12_000 + len(stills)), True, own)
        result[kind]["from its own pictures"] = measure(net, moving, pictures, stills)
        seeds = range(13_000, 13_000 + a.seeds)
        apart = [spread(net, phasor(kind, f"moved-open-{k}", [OPEN_PROMPT] * a.seeds, seeds, True, [path] * a.seeds))
                 for k, path in enumerate(starts[:a.open])]
        if apart:
            result[kind]["over seeds"] = {key: round(float(np.mean([x[key] for x in apart])), 3) for key in apart[0]}
        print(kind, json.dumps(result[kind]), flush=True)
    print(json.dumps({k: v for k, v in result.items() if k.startswith("renders")}))
    if a.json:
        whole = {}
        if os.path.exists(a.json):
            with open(a.json) as file:
                whole = json.load(file)
        for name, measured in result.items():
            whole.setdefault(name, {})["picture given"] = measured
        with open(a.json, "w") as file:
            json.dump(whole, file, indent=1)


if __name__ == "__main__":
    main()
