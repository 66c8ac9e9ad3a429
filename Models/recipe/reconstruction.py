"""How well an autoencoder gives back scenes that it was not trained on.

    python -m recipe.reconstruction --vae FOLDER [--vae FOLDER ...] [--classifier FILE]

PSNR in dB of the pooled error of 400 images, and of 96 clips of 17 frames: all, still, moving, and by motion. The scenes are
the same for every folder; they show all 107 objects. With a classifier: the share of objects that it names in reconstructions,
beside what it names in the renders; of clips that move, in their middle frame.
"""
import argparse
import json
import math

import numpy as np
import torch

from . import classifier, scenes
from .latents import Latents
from .vae import HELD_SEEDS, images, tensor

IMAGES, CLIPS, CLIP_SEEDS = 400, 96, HELD_SEEDS + 50_000


def errors(back, real):
    """Mean squared error of each scene, in units of the range of pixels squared"""
    return ((back - real) / 2).square().flatten(1).mean(1).tolist()


def psnr(mse):
    return round(-10 * math.log10(sum(mse) / len(mse)), 2)


def named(net, frames, drawn):
    """The share of [B, 3, 128, 128] in whose scene the classifier names an object that is there"""
    best, truth = classifier.classify(net, frames)[0].argmax(1), classifier.labels(drawn)[0]
    return round(truth.gather(1, best[:, None]).mean().item(), 3)


def measure(folder, net):
    latents = Latents(folder)
    through = lambda pixels: (latents.decode(latents.encode(pixels)), tensor(pixels))
    stills = [through(images(HELD_SEEDS + i, 16)) for i in range(0, IMAGES, 16)]
    drawn = [scenes.scene(CLIP_SEEDS + i, True, objects=scenes.OBJECTS_ALL) for i in range(CLIPS)]
    moved = [through(np.stack([scenes.clip(s) for s in drawn[i:i + 4]])) for i in range(0, CLIPS, 4)]
    moving = [e for pair in moved for e in errors(*pair)]
    of = lambda wanted: psnr([e for e, s in zip(moving, drawn) if wanted(s.motion)])
    result = {
        "images": psnr([e for pair in stills for e in errors(*pair)]), "clips": psnr(moving),
        "still clips": of(lambda m: m == "still"), "moving clips": of(lambda m: m != "still"),
        **{name: of(lambda m, name=name: m == name) for name in scenes.MOTIONS if name != "still" and any(s.motion == name for s in drawn)}}
    if net:
        shown = [scenes.scene(HELD_SEEDS + i, True, objects=scenes.OBJECTS_ALL) for i in range(IMAGES)]
        swift = [i for i, s in enumerate(drawn) if s.motion != "still"]
        for name, side in (("reconstructions", 0), ("renders", 1)):
            result[f"objects named in {name}"] = {
                "images": named(net, torch.cat([pair[side][:, :, 0] for pair in stills]), shown),
                "moving clips": named(net, torch.cat([pair[side][:, :, 8] for pair in moved])[swift], [drawn[i] for i in swift])}
    return result


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--vae", action="append", required=True)
    p.add_argument("--classifier")
    a = p.parse_args()
    net = classifier.load(a.classifier) if a.classifier else None
    for folder in a.vae:
        print(folder, json.dumps(measure(folder, net)), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
