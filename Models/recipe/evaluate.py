"""Stage "evaluate": what Phasor draws from an exported folder, measured; on seeds and combinations that were never trained.

    python -m recipe.evaluate --folder WORK/all --phasor ../.build/release/phasor --pictures WORK/pictures \
        --classifier WORK/classifier.pt --json recipe/runs/NAME.json --sheets WORK/sheets

Pictures are PNG files and clips MP4 files (4:4:4, at a constant rate factor of 1) that `phasor render` wrote; finished ones are
kept, so it resumes by itself. Every generator of the folder is measured with the same prompts and seeds.
Adherence: attributes a caption names, read back by a classifier that has only seen renders. Diversity over seeds, where a
caption leaves things open: entropy (nats) and coverage of the background, and the classifier's features' mean distance.
Wording: the same captions as people write them, in capitals, misspelt, in another order, among other words.
Motion: the path of the foreground's centroid, its area, and its spread where two things move apart; the camera's way by the
background that fits best. Renders and their reconstructions by the VAE are ceilings.
"""
import argparse
import json
import os
import random
import subprocess

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from . import classifier, scenes, wording
from .latents import HELD_SEEDS, Latents

OPEN_PROMPTS = ("a cat", "a red car", "a tree", "a balloon")
#: a name in the table -> what a line of a manifest says
GENERATORS = {
    **{name: {"generator": name} for name in ("teacher", "student", "one-step", "dmd2", "phased-4")},
    "teacher, 4 steps, no guidance": {"generator": "teacher", "steps": 4, "guidance_scale": 1}}


class Phasor:
    """Asks the server's command line for pictures."""

    def __init__(self, binary, folder, pictures):
        self.binary, self.folder, self.pictures = binary, folder, pictures

    def __call__(self, name, kind, captions, seeds, clip=False, images=None):
        """-> [B, 3, T, 128, 128] in [-1, 1]; files are named by part, number and seed. images: files of the pictures that clips
        begin with"""
        out = os.path.join(self.pictures, name.replace(", ", "-").replace(" ", "-"), kind)
        os.makedirs(out, exist_ok=True)
        files = [f"{i:03d}-{seed}" for i, seed in enumerate(seeds)]
        lines = [{"prompt": caption, "seed": seed, "file": file, **GENERATORS[name],
                  **({"kind": "video", "crf": 1, "pixel_format": "yuv444p"} if clip else {})}
                 for caption, seed, file in zip(captions, seeds, files)]
        for line, image in zip(lines, images or []):
            line["image"] = os.path.abspath(image)
        manifest = os.path.join(self.pictures, f"{os.path.basename(os.path.dirname(out))}-{kind}.jsonl")
        with open(manifest, "w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        subprocess.run([self.binary, "render", manifest, "--out", out, "--model", self.folder, "--quiet"], check=True)
        read = lambda path: frames_of(path + ".mp4") if clip else np.asarray(Image.open(path + ".png").convert("RGB"))[None]
        return as_video([read(os.path.join(out, file)) for file in files])


def frames_of(path):
    """uint8 [T, H, W, 3]"""
    raw = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, scenes.SIZE_PX, scenes.SIZE_PX, 3)


def as_video(clips):                           # uint8 [T, H, W, 3] each -> [B, 3, T, H, W] in [-1, 1]
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


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
        "position": share([bool((xy[i] - true_xy[i]).abs().max() < .12) for i in said("position")])}


def diversity(net, pictures):
    """Over the seeds of one prompt"""
    counts = np.bincount(classifier.classify(net, pictures)[1].argmax(1).numpy(), minlength=len(scenes.BACKGROUNDS))
    p = counts[counts > 0] / counts.sum()
    features = torch.nn.functional.normalize(net.features(pictures)[0], dim=1)
    n = len(pictures)
    return {"entropy": float(-(p * np.log(p)).sum()), "coverage": int((counts > 0).sum()),
            "distance": float(1 - ((features @ features.T).sum() - n) / (n * (n - 1)))}


def mean_of(rows):
    return {k: round(float(np.mean([r[k] for r in rows])), 3) for k in rows[0]}


def background(name, side, shift=0., zoom=1.):
    """[3, H, W] in [-1, 1]"""
    return torch.from_numpy(scenes.background(name, side, shift, zoom).copy()).permute(2, 0, 1) / 127.5 - 1


def backgrounds_of(net, clips):
    """Of each clip's first frame, by name"""
    return [scenes.BACKGROUNDS[i] for i in classifier.classify(net, clips[:, :, 0])[1].argmax(1)]


def foreground(clip, name):
    """[3, T, H, W] -> where it differs from the background, [T, H, W]"""
    return (clip - background(name, clip.shape[-1])[:, None]).abs().amax(0) > .35


def path_of(clip, name):
    """[3, T, H, W] -> centroid x, y (frame widths) and area of what differs from the background, first and last frame"""
    mask = foreground(clip, name)
    out = []
    for frames in (mask[:2], mask[-2:]):
        t, y, x = frames.nonzero(as_tuple=True)
        out.append((x.float().mean() / 128, y.float().mean() / 128, len(x) / 2) if len(x) > 40 else None)
    return out


def motion(net, clips, batch):
    """Is the direction right? And the mean displacement along it, as a share of the true one"""
    right, moved, turned = [], [], []
    names = backgrounds_of(net, clips)
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


def camera_of(frame, name, kind):
    """[3, H, W] -> the camera's shift (frame widths) or zoom: the one whose background differs least from the frame. Large
    differences count alike, so that what stands before the background does not matter."""
    grid = np.linspace(-.4, .4, 65) if kind == "pan" else np.linspace(.4, 1.7, 53)
    view = lambda g: (float(g), 1.) if kind == "pan" else (0., float(g))
    return grid[np.argmin([(frame - background(name, frame.shape[-1], *view(g))).abs().clamp_max(.2).mean().item() for g in grid])]


def camera(net, clips, batch):
    """Does the camera do what it is told, by at least a third of the way? And how far it goes, as a share of the true way"""
    right, moved = [], []
    names = backgrounds_of(net, clips)
    for clip, s, name in zip(clips, batch, names):
        kind = s.motion[:s.motion.index("_")]
        true = np.subtract(scenes.view(s, 1), scenes.view(s, 0))[0 if kind == "pan" else 1]
        moved.append((camera_of(clip[:, -1], name, kind) - camera_of(clip[:, 0], name, kind)) / true)
        right.append(moved[-1] > 1 / 3)
    return {"right": share(right), "distance / true": round(float(np.median(moved)), 2)}


def apart(net, clips, batch):
    """Do two things move apart? The spread of the foreground along their axis grows, by at least a hundredth of the frame"""
    right = []
    names = backgrounds_of(net, clips)
    for clip, s, name in zip(clips, batch, names):
        mask = foreground(clip, name)
        spread = [frame.nonzero()[:, 0 if s.layout == "above" else 1].float().std() / 128 if frame.sum() > 40 else None for frame in (mask[0], mask[-1])]
        right.append(None not in spread and bool(spread[1] - spread[0] > .01))
    return {"right": share(right)}


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


def renders(caption, n, objects):
    """n scenes that the data calls by this caption: what its diversity ought to be"""
    out, seed = [], HELD_SEEDS + 300_000
    while len(out) < n:
        s = scenes.scene(seed, objects=objects)
        if s.mode == "one" and caption.endswith(s.sprites[0].name) and any(
                scenes.caption(random.Random(f"{seed}/{j}"), s) == caption for j in range(8)):
            out.append(scenes.frame(s))
        seed += 1
    return classifier.to_tensor(out)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--folder", required=True)
    p.add_argument("--phasor", required=True, help="the binary")
    p.add_argument("--pictures", required=True, help="where they are written, and kept")
    p.add_argument("--classifier", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--kinds", default="teacher;student", help="of " + "; ".join(GENERATORS))
    p.add_argument("--images", type=int, default=160)
    p.add_argument("--held", type=int, default=64)
    p.add_argument("--pairs", type=int, default=100, help="captions of two different objects")
    p.add_argument("--clips", type=int, default=48)
    p.add_argument("--filmed", type=int, default=72, help="clips whose camera moves")
    p.add_argument("--seeds", type=int, default=32, help="of each open prompt")
    p.add_argument("--wordings", type=int, default=40, help="captions that are worded in six ways")
    p.add_argument("--json")
    p.add_argument("--sheets")
    a = p.parse_args()
    torch.set_num_threads(1)
    phasor, net, objects = Phasor(a.phasor, a.folder, a.pictures), classifier.load(a.classifier), scenes.OBJECT_SETS[a.objects]
    images = [scenes.scene(HELD_SEEDS + i, objects=objects) for i in range(a.images)]
    held = [scenes.scene(HELD_SEEDS + 100_000 + i, split="held", objects=objects) for i in range(a.held)]
    wanted = ("left", "right", "up", "down", "grow", "shrink")
    videos = [scenes.scene(HELD_SEEDS + 200_000 + i, True, objects=objects) for i in range(4000)]
    clips = [s for s in videos if s.mode == "one" and s.motion in wanted][:a.clips]
    filmed = [s for s in (scenes.scene(HELD_SEEDS + 600_000 + i, True, objects=objects) for i in range(50 * a.filmed))
              if s.motion in scenes.CAMERA_TEXT][:a.filmed]
    pairs = [s for s in (scenes.scene(HELD_SEEDS + 500_000 + i, objects=objects) for i in range(15 * a.pairs)) if s.mode == "pair"][:a.pairs]
    parting = [s for s in videos if s.motion == "apart"][:a.clips // 2]
    plain = [s for s in (scenes.scene(HELD_SEEDS + 400_000 + i, objects=objects) for i in range(8 * a.wordings))
             if s.mode == "one" and "background" in s.said][:a.wordings]
    result, rows, strips = {}, {}, {}
    caption = lambda batch: [s.caption for s in batch]

    def record(name, pictures, held_pictures, pair_pictures, open_pictures, moving, panned, parted, worded=None):
        r = adherence(net, pictures, images)
        r |= {k: v for k, v in adherence(net, pair_pictures, pairs).items() if k == "both objects of a pair"}
        r["never trained combinations"] = {k: v for k, v in adherence(net, held_pictures, held).items() if k in ("object", "background", "tint")}
        if open_pictures is not None:
            r["diversity"] = mean_of([diversity(net, seeds) for seeds in open_pictures])
        r["motion"], r["camera"], r["apart"] = motion(net, moving, clips), camera(net, panned, filmed), apart(net, parted, parting)
        if worded:
            r["wording"] = {w: {k: v for k, v in adherence(net, p, plain).items() if k in ("object", "background")} for w, p in worded.items()}
        result[name] = r
        print(name, json.dumps(r), flush=True)
        if a.json:
            with open(a.json, "w") as file:
                json.dump(result, file, indent=1)

    real = classifier.to_tensor([scenes.frame(s) for s in images])
    real_held, real_pairs = (classifier.to_tensor([scenes.frame(s) for s in batch]) for batch in (held, pairs))
    real_clips = [[scenes.clip(s) for s in part] for part in (clips, filmed, parting)]
    vae = Latents(os.path.join(a.folder, "vae"))
    record("renders", real, real_held, real_pairs, [renders(text, a.seeds, objects) for text in OPEN_PROMPTS], *map(as_video, real_clips))
    through = lambda stills: torch.cat([vae.decode(vae.encode((x[:, :, None].permute(0, 2, 3, 4, 1) + 1) * 127.5))[:, :, 0] for x in stills.split(16)])
    back = [vae.decode(torch.cat([vae.encode(c[None]) for c in part]), 2) for part in real_clips]
    record("renders through the VAE", *map(through, (real, real_held, real_pairs)), None, *back)
    for kind in a.kinds.split(";"):
        pictures = phasor(kind, "images", caption(images), range(1000, 1000 + len(images)))[:, :, 0]
        combinations = phasor(kind, "held", caption(held), range(2000, 2000 + len(held)))[:, :, 0]
        paired = phasor(kind, "pairs", caption(pairs), range(8000, 8000 + len(pairs)))[:, :, 0]
        several = [phasor(kind, text.replace(" ", "-"), [text] * a.seeds, range(3000, 3000 + a.seeds))[:, :, 0] for text in OPEN_PROMPTS]
        moving, panned, parted = (phasor(kind, part, caption(batch), range(first, first + len(batch)), clip=True)
                                  for part, batch, first in (("clips", clips, 4000), ("film", filmed, 9000), ("apart", parting, 6000)))
        worded = {}
        for number, (name, write) in enumerate(wording.WORDINGS.items()):
            written = [write(random.Random(f"{name}{s.seed}"), s.caption) for s in plain]
            worded[name] = phasor(kind, f"wording-{number}", written, range(7000, 7000 + len(plain)))[:, :, 0]
        record(kind, pictures, combinations, paired, several, moving, panned, parted, worded)
        rows[kind], strips[kind] = pictures, torch.cat([moving[:4], panned[:3], parted[:2]])
    if a.sheets:
        os.makedirs(a.sheets, exist_ok=True)
        for part in range(0, min(48, a.images), 12):
            sheet({k: v[part:part + 12] for k, v in rows.items()}, caption(images)[part:part + 12], os.path.join(a.sheets, f"images{part // 12}.png"))
        for i, s in enumerate([*clips[:4], *filmed[:3], *parting[:2]]):
            sheet({k: v[i].transpose(0, 1)[::2] for k, v in strips.items()}, [s.caption] + [""] * 8, os.path.join(a.sheets, f"clip{i}.png"))


if __name__ == "__main__":
    main()
