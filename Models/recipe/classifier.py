"""What is in a picture? A small convolutional network that names object, background and place, for evaluation only.

    python -m recipe.classifier --minutes 8 --out WORK/classifier.pt

Trained on renders alone, never on generated pictures. Tints are measured without it (`tint_of`).
"""
import argparse
import colorsys
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from . import scenes
from .arithmetic import autocast

SEEDS = 9_000_000                              # training starts here; nothing is evaluated on these


def _block(i, o, stride=1, k=3):
    return nn.Sequential(nn.Conv2d(i, o, k, stride, k // 2, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(_block(3, 32, 2, 5), _block(32, 96, 2), nn.MaxPool2d(2))
        self.b = nn.Sequential(_block(96, 160), nn.MaxPool2d(2))
        self.r = nn.Sequential(_block(160, 160), _block(160, 160))
        self.c = _block(160, 256, 2)
        self.obj = nn.Linear(512, len(scenes.OBJECTS_ALL))
        self.bg = nn.Linear(512 + 48, len(scenes.BACKGROUNDS))
        self.xy = nn.Linear(256 * 16, 2)

    def features(self, x):                     # [B, 3, 128, 128] in [-1, 1] -> pooled features, and those of each place
        h = self.b(self.a(x))
        h = self.c(h + self.r(h))
        return torch.cat([h.mean((2, 3)), h.amax((2, 3))], 1), h

    def forward(self, x):                      # -> object and background logits, x and y
        low = F.adaptive_avg_pool2d(x, 4).flatten(1)
        g, h = self.features(x)
        return self.obj(g), self.bg(torch.cat([g, low], 1)), self.xy(h.flatten(1))


def load(path):
    net = Net()
    net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in torch.load(path).items()})
    return net.eval().requires_grad_(False)


@torch.no_grad()
def classify(net, pictures):                   # [B, 3, 128, 128]
    return [torch.cat(part) for part in zip(*(net(x) for x in pictures.split(64)))]


def tint_of(picture, background):
    """[3, 128, 128] in [-1, 1] -> the tint nearest in hue to the saturated part of what differs from the background, or None"""
    rgb = ((picture.permute(1, 2, 0).numpy() + 1) / 2).clip(0, 1)
    difference = np.abs(rgb - scenes.background(background, rgb.shape[0]) / 255).max(-1)
    high, low = rgb.max(-1), rgb.min(-1)
    mask = (difference > .15) & (high - low > .25 * high) & (high > .2)
    if mask.sum() < 20:
        return None
    targets = np.array([scenes.COLORS[t] for t in scenes.TINTS]) / 255
    hue = lambda c: colorsys.rgb_to_hsv(*c)[:2]
    vectors = np.array([[np.cos(2 * np.pi * h) * s, np.sin(2 * np.pi * h) * s] for h, s in map(hue, targets)])
    pixels = rgb[mask][:: max(1, mask.sum() // 400)]
    votes = np.array([[np.cos(2 * np.pi * h) * s, np.sin(2 * np.pi * h) * s] for h, s in map(hue, pixels)])
    nearest = ((votes[:, None] - vectors) ** 2).sum(-1).argmin(1)
    return scenes.TINTS[np.bincount(nearest, minlength=len(scenes.TINTS)).argmax()]


def labels(batch):
    objects, xy = torch.zeros(len(batch), len(scenes.OBJECTS_ALL)), torch.zeros(len(batch), 2)
    for i, s in enumerate(batch):
        for o in s.sprites:
            objects[i, scenes.OBJECTS_ALL.index(o.name)] = 1
        xy[i] = torch.tensor([s.sprites[0].x, s.sprites[0].y])
    backgrounds = torch.tensor([scenes.BACKGROUNDS.index(s.background) for s in batch])
    return objects, backgrounds, xy, torch.tensor([s.mode == "one" for s in batch])


def to_tensor(frames):                         # uint8 [B, H, W, 3]
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--out", required=True)
    p.add_argument("--minutes", type=float, default=8)
    a = p.parse_args()
    torch.manual_seed(0)
    net = Net().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=.05)
    start, step = time.time(), 0
    while (done := (time.time() - start) / 60 / a.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * min(1, (step + 1) / 60) * max(.01, 1 - done)
        batch = [scenes.scene(SEEDS + step * 64 + i, objects=scenes.OBJECTS_ALL, split="any") for i in range(64)]
        x = to_tensor([scenes.frame(s) for s in batch])
        if random.random() < .2:                           # some blur, so that it does not hang on the last pixel
            x = F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear")
        x = x + torch.randn_like(x) * random.random() * .06
        objects, backgrounds, xy, one = labels(batch)
        with autocast():
            o, b, at = net(x.contiguous(memory_format=torch.channels_last))
        loss = (2 * F.cross_entropy(o.float(), objects / objects.sum(1, keepdim=True), label_smoothing=.02)
                + .5 * F.cross_entropy(b.float(), backgrounds) + 5 * (at.float() - xy).square()[one].mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, round(loss.item(), 3), flush=True)
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in net.state_dict().items()}, a.out)


if __name__ == "__main__":
    main()
