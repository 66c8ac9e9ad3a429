"""Stage "latents": render scenes and encode them once, in shards, so that training never waits for pixels.

    python -m recipe.latents --kind images --count 120000 --work WORK
    python -m recipe.latents --kind clips  --count 8000   --work WORK

Several processes may run side by side (--part 0/2, --part 1/2); finished shards are kept, so it resumes by itself.
A shard holds latents [n, 16, T, 16, 16] (f16, normalised by the VAE's latents_mean and latents_std), the share of each
latent cell that sprites cover [n, T, 16, 16] (u8, 255 = all) and the scenes' seeds; captions are drawn again from these.
"""
import argparse
import os

import numpy as np
import torch
from diffusers import AutoencoderKLWan

from . import scenes
from .arithmetic import autocast
from .fast_vae import Fast

#: seed ranges: nothing is evaluated on a seed it was trained on
IMAGE_SEEDS, CLIP_SEEDS, HELD_SEEDS = 20_000_000, 40_000_000, 5_000_000
SHARD = {"images": 2000, "clips": 250}


class Latents:
    """Pixels to normalised latents and back, with the fast form of the VAE."""

    def __init__(self, folder):
        vae = AutoencoderKLWan.from_pretrained(folder).float().eval().requires_grad_(False)
        self.fast = Fast(vae, compiled=True)
        self.mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1)
        self.std = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1)

    @torch.no_grad()
    def encode(self, pixels):                  # uint8 [B, T, H, W, 3] -> [B, 16, t, H/8, W/8]
        x = torch.as_tensor(pixels).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        with autocast():
            z = self.fast.encode(x)
        return (z.float() - self.mean) / self.std

    @torch.no_grad()
    def decode(self, z, batch=8):              # -> float [B, 3, T, H, W] in [-1, 1]
        out = []
        for part in z.split(batch):
            with autocast():
                out.append(self.fast.decode(part * self.std + self.mean).float().clamp(-1, 1))
        return torch.cat(out)


def cover_cells(cover):
    """[T, 128, 128] in 0..1 -> u8 [t, 16, 16]: the share of each latent cell (8 x 8 pixels, 1 or 4 frames) under a sprite"""
    cells = cover.reshape(len(cover), 16, 8, 16, 8).mean((2, 4))
    if len(cells) > 1:
        cells = np.concatenate([cells[:1], cells[1:].reshape(-1, 4, 16, 16).mean(1)])
    return (cells * 255).round().astype(np.uint8)


def render(seed, kind, objects):
    s = scenes.scene(seed, kind == "clips", objects=objects)
    times = [.5] if kind == "images" else [i / 16 for i in range(17)]
    frames, covers = zip(*(scenes.frame(s, t, mask=True) for t in times))
    return np.stack(frames), cover_cells(np.stack(covers))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--kind", choices=SHARD, required=True)
    p.add_argument("--count", type=int, required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--part", default="0/1")
    a = p.parse_args()
    torch.set_num_threads(1)
    part, parts = map(int, a.part.split("/"))
    folder = os.path.join(a.work, "latents", a.kind)
    os.makedirs(folder, exist_ok=True)
    vae, size, objects = Latents(a.vae), SHARD[a.kind], scenes.OBJECT_SETS[a.objects]
    first = IMAGE_SEEDS if a.kind == "images" else CLIP_SEEDS
    for shard in range(part, a.count // size, parts):
        path = os.path.join(folder, f"{shard:05d}.pt")
        if os.path.exists(path):
            continue
        seeds = range(first + shard * size, first + (shard + 1) * size)
        z, cover = [], []
        step = 25 if a.kind == "images" else 2
        for i in range(0, size, step):
            pixels, cells = zip(*(render(seed, a.kind, objects) for seed in seeds[i:i + step]))
            z.append(vae.encode(np.stack(pixels)).half())
            cover.append(torch.from_numpy(np.stack(cells)))
        torch.save({"z": torch.cat(z), "cover": torch.cat(cover), "seeds": torch.tensor(list(seeds)), "objects": a.objects}, path + ".part")
        os.replace(path + ".part", path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
