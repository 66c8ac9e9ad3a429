"""Stage "evaluate": what the exported folder draws, measured; on seeds and combinations that were never trained.

    python -m recipe.evaluate --folder ../Models/emoji-scenes --classifier WORK/classifier.pt --json runs/v0.json --sheets DIR

Adherence: attributes a caption names, read back by a classifier that has only seen renders. Diversity: entropy (nats) of
the background over seeds when the caption does not name one. Motion: the path of the foreground's centroid, and its area.
Renders and their reconstructions by the VAE are measured beside, as ceilings.
"""
import argparse
import json
import os

import numpy as np
import torch
from diffusers import WanTransformer3DModel
from PIL import Image, ImageDraw, ImageFont
from transformers import UMT5EncoderModel

from . import classifier, sample, scenes, wan
from .latents import HELD_SEEDS, Latents
from .text import Text


class Folder:
    """The exported folder, run by the recipe's fast forms."""

    def __init__(self, path):
        load = lambda name: wan.Wan(WanTransformer3DModel.from_pretrained(os.path.join(path, name)).float().eval().requires_grad_(False)).prepare()
        self.teacher, self.high, self.low = load("teacher"), load("transformer"), load("transformer_2")
        encoder = UMT5EncoderModel.from_pretrained(os.path.join(path, "text_encoder")).float().eval().requires_grad_(False)
        self.text = Text(os.path.join(path, "tokenizer"), encoder)
        self.vae = Latents(os.path.join(path, "vae"))

    @torch.no_grad()
    def latents(self, kind, captions, clip=False, seed=0, batch=16):
        out, x = [], sample.noise(len(captions), clip, seed)
        batch = 4 if clip else batch
        for i in range(0, len(captions), batch):
            part = list(captions[i:i + batch])
            part += [""] * (batch - len(part))             # fixed shapes: compiled once
            words = self._encode(part)
            noise = torch.zeros(batch, *x.shape[1:])
            noise[:len(x[i:i + batch])] = x[i:i + batch]
            if kind == "student":
                z = sample.student(self.high, self.low, noise, self.high.context(*words), self.low.context(*words))
            else:
                empty = self._encode([""] * batch)
                z = sample.teacher(self.teacher, noise, self.teacher.context(*words), self.teacher.context(*empty),
                                   **({"guidance": 1., "sigmas": sample.STUDENT_SIGMAS} if kind == "teacher, 4 steps, no guidance" else {}))
            out.append(z[:len(x[i:i + batch])])
        return torch.cat(out)

    def pictures(self, *args, **kwargs):
        return self.vae.decode(self.latents(*args, **kwargs), batch=4 if kwargs.get("clip") else 16)

    def _encode(self, captions):
        ids, lengths = self.text.tokens(captions)
        return self.text.encode(ids, lengths), lengths


def share(hits):
    return {"share": round(float(np.mean(hits)), 3), "of": len(hits)} if len(hits) else None


def adherence(net, pictures, batch):
    """Over what the captions name"""
    objects, backgrounds, xy = classifier.classify(net, pictures)
    truth, true_background, true_xy, one = classifier.labels(batch)
    said = lambda attribute: [i for i, s in enumerate(batch) if attribute in s.said]
    best = objects.argmax(1)
    names = [scenes.BACKGROUNDS[i] for i in backgrounds.argmax(1)]
    several = [i for i, s in enumerate(batch) if s.mode == "pair"]
    return {
        "object": share([bool(truth[i, best[i]]) for i, s in enumerate(batch) if s.mode == "one"]),
        "object of a counted group": share([bool(truth[i, best[i]]) for i, s in enumerate(batch) if s.mode == "count"]),
        "both objects of a pair": share([set(objects[i].topk(2).indices.tolist()) == set(truth[i].nonzero()[:, 0].tolist()) for i in several]),
        "background": share([names[i] == batch[i].background for i in said("background")]),
        "tint": share([classifier.tint_of(pictures[i], names[i]) == batch[i].sprites[0].tint for i in said("tint") if batch[i].mode != "pair"]),
        "position": share([bool((xy[i] - true_xy[i]).abs().max() < .12) for i in said("position")]),
        "backgrounds' entropy": None}


def entropy(net, pictures):
    counts = np.bincount(classifier.classify(net, pictures)[1].argmax(1).numpy(), minlength=len(scenes.BACKGROUNDS))
    p = counts[counts > 0] / counts.sum()
    return round(float(-(p * np.log(p)).sum()), 2)


def path_of(clip, background):
    """[3, T, H, W] -> centroid x, y (frame widths) and area of what differs from the background, first and last frame"""
    plain = torch.from_numpy(scenes.background(background, clip.shape[-1]).copy()).permute(2, 0, 1)[:, None] / 127.5 - 1
    mask = (clip - plain).abs().amax(0) > .35                # [T, H, W]
    out = []
    for frames in (mask[:2], mask[-2:]):
        t, y, x = frames.nonzero(as_tuple=True)
        out.append((x.float().mean() / 128, y.float().mean() / 128, len(x) / 2) if len(x) > 40 else None)
    return out


def motion(net, clips, batch):
    """Is the direction right? And the mean displacement along it, as a share of the true one"""
    right, moved, turned = [], [], []
    names = [scenes.BACKGROUNDS[i] for i in classifier.classify(net, clips[:, :, 0])[1].argmax(1)]
    for clip, s, name in zip(clips, batch, names):
        first, last = path_of(clip, name)
        if first is None or last is None:
            right.append(False)
            continue
        dx, dy, growth = float(last[0] - first[0]), float(last[1] - first[1]), last[2] / first[2]
        true = scenes.SPEEDS[s.speed]
        if s.motion in ("left", "right", "up", "down"):
            along = {"left": -dx, "right": dx, "up": -dy, "down": dy}[s.motion]
            across = dy if s.motion in ("left", "right") else dx
            right.append(along > .03 and along > abs(across))
            moved.append(along / true)
        elif s.motion in ("grow", "shrink"):
            right.append(growth > 1.15 if s.motion == "grow" else growth < .87)
    return {"direction right": share(right), "displacement / true": round(float(np.mean(moved)), 2) if moved else None}


def sheet(rows, captions, path):
    """rows: name -> pictures [B, 3, 128, 128] in [-1, 1]; one column per caption"""
    columns, font = len(captions), ImageFont.load_default(10)
    image = Image.new("RGB", (columns * 132, len(rows) * 132 + 52), "white")
    draw = ImageDraw.Draw(image)
    for r, pictures in enumerate(rows.values()):
        for i, p in enumerate(pictures):
            pixels = ((p.permute(1, 2, 0).numpy() + 1) * 127.5).clip(0, 255).astype(np.uint8)
            image.paste(Image.fromarray(pixels), (i * 132, r * 132))
    for i, caption in enumerate(captions):
        for line in range(0, len(caption), 24):
            draw.text((i * 132 + 2, len(rows) * 132 + line // 24 * 12), caption[line:line + 24], fill="black", font=font)
    image.save(path)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--folder", required=True)
    p.add_argument("--classifier", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="v0")
    p.add_argument("--kinds", default="teacher;student;teacher, 4 steps, no guidance")
    p.add_argument("--images", type=int, default=160)
    p.add_argument("--held", type=int, default=64)
    p.add_argument("--clips", type=int, default=24)
    p.add_argument("--seeds", type=int, default=32, help="of each prompt whose background is not named")
    p.add_argument("--json")
    p.add_argument("--sheets")
    a = p.parse_args()
    torch.set_num_threads(1)
    folder, net, objects = Folder(a.folder), classifier.load(a.classifier), scenes.OBJECT_SETS[a.objects]
    images = [scenes.scene(HELD_SEEDS + i, objects=objects) for i in range(a.images)]
    held = [scenes.scene(HELD_SEEDS + 100_000 + i, split="held", objects=objects) for i in range(a.held)]
    wanted = ("left", "right", "up", "down", "grow", "shrink")
    clips = [s for s in (scenes.scene(HELD_SEEDS + 200_000 + i, True, objects=objects) for i in range(4000)) if s.mode == "one" and s.motion in wanted][:a.clips]
    open_prompts = ["a cat"] * a.seeds + ["a red car"] * a.seeds
    result, rows, strips = {}, {}, {}
    caption = lambda batch: [s.caption for s in batch]

    def record(name, pictures, held_pictures, open_pictures, moving):
        r = adherence(net, pictures, images)
        if open_pictures is not None:
            r["backgrounds' entropy"] = [entropy(net, half) for half in open_pictures.chunk(2)]
        r["never trained combinations"] = {k: v for k, v in adherence(net, held_pictures, held).items() if k in ("object", "background", "tint")}
        if moving is not None:
            r["motion"] = motion(net, moving, clips)
        result[name] = r
        print(name, json.dumps(r), flush=True)

    real = classifier.to_tensor([scenes.frame(s) for s in images])
    real_held = classifier.to_tensor([scenes.frame(s) for s in held])
    real_clips = [scenes.clip(s) for s in clips]
    as_video = lambda c: torch.from_numpy(np.stack(c)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1
    record("renders", real, real_held, None, as_video(real_clips) if clips else None)
    through = lambda x: folder.vae.decode(folder.vae.encode(((x[:, :, None].permute(0, 2, 3, 4, 1) + 1) * 127.5)))[:, :, 0]
    back = folder.vae.decode(torch.cat([folder.vae.encode(c[None]) for c in real_clips]), 2) if clips else None
    record("renders through the VAE", torch.cat([through(x) for x in real.split(16)]), torch.cat([through(x) for x in real_held.split(16)]), None, back)
    for kind in a.kinds.split(";"):
        pictures = folder.pictures(kind, caption(images), seed=1)[:, :, 0]
        moving = folder.pictures(kind, caption(clips), clip=True, seed=4) if clips else None
        record(kind, pictures, folder.pictures(kind, caption(held), seed=2)[:, :, 0], folder.pictures(kind, open_prompts, seed=3)[:, :, 0], moving)
        rows[kind], strips[kind] = pictures, moving
    if a.json:
        with open(a.json, "w") as file:
            json.dump(result, file, indent=1)
    if a.sheets:
        os.makedirs(a.sheets, exist_ok=True)
        for part in range(0, min(48, a.images), 12):
            sheet({k: v[part:part + 12] for k, v in rows.items()}, caption(images)[part:part + 12], os.path.join(a.sheets, f"images{part // 12}.png"))
        for i, s in enumerate(clips[:6]):
            sheet({k: v[i].transpose(0, 1)[::2] for k, v in strips.items()}, [s.caption] + [""] * 8, os.path.join(a.sheets, f"clip{i}.png"))


if __name__ == "__main__":
    main()
