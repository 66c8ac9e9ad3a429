"""How well an autoencoder gives back scenes that it was not trained on.

    python -m recipe.reconstruction --vae FOLDER [--vae FOLDER ...]

PSNR in dB of the pooled error of 400 images, and of 96 clips of 17 frames: all, still, moving, and by motion. The scenes are
the same for every folder; they show all 107 objects.
"""
import argparse
import json
import math

import numpy as np
import torch

from . import scenes
from .latents import Latents
from .vae import HELD_SEEDS, images, tensor

IMAGES, CLIPS, CLIP_SEEDS = 400, 96, HELD_SEEDS + 50_000


def errors(latents, pixels):
    """Mean squared error of each scene, in units of the range of pixels squared"""
    return ((latents.decode(latents.encode(pixels)) - tensor(pixels)) / 2).square().flatten(1).mean(1).tolist()


def psnr(mse):
    return round(-10 * math.log10(sum(mse) / len(mse)), 2)


def measure(folder):
    latents = Latents(folder)
    still = [e for i in range(0, IMAGES, 16) for e in errors(latents, images(HELD_SEEDS + i, 16))]
    drawn, moving = [scenes.scene(CLIP_SEEDS + i, True, objects=scenes.OBJECTS_ALL) for i in range(CLIPS)], []
    for i in range(0, CLIPS, 4):
        moving += errors(latents, np.stack([scenes.clip(s) for s in drawn[i:i + 4]]))
    of = lambda wanted: psnr([e for e, s in zip(moving, drawn) if wanted(s.motion)])
    return {
        "images": psnr(still), "clips": psnr(moving), "still clips": of(lambda m: m == "still"), "moving clips": of(lambda m: m != "still"),
        **{name: of(lambda m, name=name: m == name) for name in scenes.MOTIONS if name != "still" and any(s.motion == name for s in drawn)}}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--vae", action="append", required=True)
    for folder in p.parse_args().vae:
        print(folder, json.dumps(measure(folder)), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
