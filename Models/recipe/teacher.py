"""Stage "teacher": flow matching (Lipman et al. 2023, Liu et al. 2023) of the transformer, jointly with the text encoder.

    python -m recipe.teacher --work WORK --vae VAE --until 19:35 --cooldown 30 --clips .35

With --start FOLDER the first run begins at the weights of an exported folder, with optimisers that are new.
Run the same command again to go on from WORK/teacher.pt; a new --until moves the end. The learning rate is constant and
falls linearly to zero over the last --cooldown minutes. SIGTERM to the workers (or a kill) stops it: at most 2.5 minutes are lost.
    x_t = (1 - t) x0 + t eps,   the network predicts v = eps - x0
A share of the steps (--given) sees clips whose first latent frame is given, as Wan2.2-TI2V does it: it is clean, its tokens have
time 0, and the error is that of the other frames. The autoencoder is causal, so this frame is what the first picture alone gives.
"""
import argparse
import glob
import json
import math
import os
import random
import signal
import time

import torch
import torch.multiprocessing as mp

from diffusers import WanTransformer3DModel
from transformers import UMT5EncoderModel

from . import heads, scenes, shared, wan
from .text import Text
from .wording import vary


#: clips are few, and their directions are what is learnt last: these are drawn more often; as are pairs, whose two objects each
#: have the other's attributes to keep apart from
MOTION_WEIGHT = {"left": 3, "right": 3, "up": 3, "down": 3, "bounce": 2, "grow": 2, "shrink": 2, "apart": 3} | dict.fromkeys(scenes.CAMERA_TEXT, 2)
PAIR_WEIGHT = 3
#: two colours, one of a thing and one behind it: whose is whose has to be learnt as well
COLORS_WEIGHT = 2


def weight(s, known):
    """How often a scene is drawn, against others: twice as often if it shows an object that the teacher does not know yet"""
    new = any(o.name not in known for o in s.sprites)
    colors = s.background in scenes.COLORS and any(o.tint for o in s.sprites)
    return MOTION_WEIGHT.get(s.motion, 1) * (PAIR_WEIGHT if s.mode == "pair" else COLORS_WEIGHT if colors else 1) * (2 if new else 1)


class Shards:
    """Random batches out of the latent shards, of scenes that show only the wanted objects; captions are drawn anew each time."""

    def __init__(self, work, kind, rank, objects, known=None):
        self.wanted, self.known_objects = set(objects), set(known or objects)
        self.pattern, self.kind, self.random = os.path.join(work, "latents", kind, "*.pt"), kind, random.Random(f"{kind}{rank}{time.time()}")
        self.shards, self.known, self.rows, self.weights = [], set(), [], []
        self.refresh()

    def refresh(self):
        for path in sorted(glob.glob(self.pattern)):
            if path in self.known:
                continue
            self.known.add(path)
            shard = torch.load(path, mmap=True)
            drawn_from = scenes.OBJECT_SETS[shard["objects"]]
            for i, seed in enumerate(shard["seeds"].tolist()):
                s = scenes.scene(seed, self.kind == "clips", objects=drawn_from)
                if all(o.name in self.wanted for o in s.sprites):
                    self.rows.append((len(self.shards), i, s))
                    self.weights.append(weight(s, self.known_objects) + (self.weights[-1] if self.weights else 0))
            self.shards.append(shard)

    def __len__(self):
        return len(self.rows)

    def batch(self, n, given=False):
        """latents f32 [n, 16, T, 16, 16], cover [n, T, 16, 16] in 0..1, captions, scenes; where the first frame is given, half of
        the captions say only how it goes on"""
        z, cover, captions, drawn = [], [], [], []
        for shard, i, s in self.random.choices(self.rows, cum_weights=self.weights, k=n):
            z.append(self.shards[shard]["z"][i])
            cover.append(self.shards[shard]["cover"][i])
            drawn.append(s)
            say = scenes.motion_caption if given and self.random.random() < .5 else scenes.caption
            captions.append(vary(self.random, say(self.random, s)) if self.random.random() > .1 else "")
        return torch.stack(z).float(), torch.stack(cover).float() / 255, captions, drawn


def noise_levels(n, frames, rate):
    """Logit-normal with a part of uniform, so that both ends are learnt too (Esser et al. 2024, section 3.1). n frames say the
    same thing n times: what a clip shows and how it moves is decided at higher noise than what an image shows, by log sqrt(n).
    Detail comes last: the levels fall with the learning rate, from a mean logit of .8 to .3."""
    t = torch.sigmoid(torch.randn(n) + .3 + .5 * rate + .5 * math.log(frames))
    return torch.where(torch.rand(n) < .15, torch.rand(n), t)


def cell_weights(cover, z, strength):
    """[B, 1, 1, 16, 16]. Background dominates the plain error and small objects vanish: cells under sprites weigh more, the more the smaller they
    are. A cell that a sprite crosses at any time weighs so in all frames: there motion is, and the background it uncovers. So do
    cells of a background that moves with the camera, by how much they change."""
    gain = (.3 / cover.mean((1, 2, 3), keepdim=True).clamp_min(.01)).clamp(1.5, 4)
    crossed = gain * cover.amax(1, keepdim=True)
    if z.shape[2] > 1:
        change = z.diff(dim=2).square().mean(1).amax(1, keepdim=True)
        crossed = crossed.maximum(1.5 * (3 * change).clamp_max(1))
    weight = 1 + strength * crossed
    return (weight / weight.mean())[:, None]


def channel_weights(std):
    """Normalised channels count alike in the plain error, though the last ones carry a thirtieth of the first's energy in pixels.
    A fixed weight per channel does not move the optimum; this one, linear in the channel's size, is a middle way."""
    std = torch.tensor(std)
    return (std / std.mean()).view(1, -1, 1, 1, 1)


def parts(folder, start=None):
    """transformer, text side, and their parameters under one name space; start: an exported folder whose weights they take"""
    text = Text(folder, UMT5EncoderModel.from_pretrained(os.path.join(start, "text_encoder"), dtype=torch.float32) if start else None)
    model = WanTransformer3DModel.from_pretrained(os.path.join(start, "teacher"), torch_dtype=torch.float32) if start else wan.build()
    named = [("transformer." + n, p) for n, p in model.named_parameters()]
    named += [("text_encoder." + n, p) for n, p in text.encoder.named_parameters() if n != "encoder.embed_tokens.weight"]
    return model, text, named


def is_matrix(name, p):
    inner = ".blocks." in name or ".block." in name or "text_embedder" in name
    return p.ndim == 2 and inner and "relative_attention_bias" not in name


def with_first(x, first):
    """x with the given first frame in its place"""
    return x if first is None else torch.cat([first, x[:, :, 1:]], 2)


def made(x, first):
    """The frames that are not given: what a network makes"""
    return x if first is None else x[:, :, 1:]


def pace(name):
    """UMT5 does not divide attention's scores by sqrt(d), its queries are that much smaller instead. Steps as large as other
    matrices' made scores of hundreds of them: words were then read without their places."""
    return .02 if "SelfAttention.q." in name else 1.


def pace_of(a):
    """The same, with none for a text encoder that is held"""
    return lambda name: 0. if a.hold_text and name.startswith("text_encoder.") else pace(name)


def take_up(path, state, layout, progress):
    """Puts what `recipe.reading` made in place of the text encoder that is there, once"""
    if not os.path.exists(path):
        return
    reading = torch.load(path)
    if progress.get("reading") == reading["made"]:
        return
    for name, value in reading["parts"].items():
        for key in ("parameters", "ema"):
            layout.view(state.vectors[key], name).copy_(value)
        layout.view(state.vectors["momentum"], name).zero_()
    progress["reading"] = reading["made"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True, help="folder of the VAE")
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--start", help="an exported folder: the weights to begin with")
    p.add_argument("--known", choices=scenes.OBJECT_SETS, help="the objects that the teacher knows at the start; others are drawn twice as often")
    p.add_argument("--until", required=True, help="HH:MM, UTC")
    p.add_argument("--cooldown", type=float, default=30, help="minutes of falling learning rate at the end")
    p.add_argument("--clips", type=float, default=0., help="share of the steps that see clips")
    p.add_argument("--given", type=float, default=0., help="share of the steps that see clips whose first frame is given")
    p.add_argument("--pairs", type=float, default=.6, help="share of both that sees two latent frames of each clip: many more "
                   "clips for the same work, and direction is learnt from two; falls to none with the learning rate")
    p.add_argument("--hold-text", action="store_true", help="leave the text encoder as it is")
    p.add_argument("--heads", type=float, default=1., help="weight of the heads that name parts; a teacher that knows them all needs none")
    p.add_argument("--images-batch", type=int, default=32, help="per process")
    p.add_argument("--clips-batch", type=int, default=8, help="per process")
    p.add_argument("--pairs-batch", type=int, default=20, help="per process")
    p.add_argument("--muon-lr", type=float, default=2e-3)
    p.add_argument("--adam-lr", type=float, default=1.5e-3)
    p.add_argument("--processes", type=int, default=2)
    a = p.parse_args()
    _, _, named = parts(os.path.join(a.work, "tokenizer"))
    layout = shared.Layout(named + heads.with_names(heads.build()), is_matrix, a.processes, pace_of(a))
    state = shared.State(layout.size, a.processes)
    checkpoint = os.path.join(a.work, "teacher.pt")
    progress = {"step": 0, "images": 0, "clips": 0, "given": 0, "minutes": 0.}
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        for key, vector in state.vectors.items():
            vector[:len(saved["vectors"][key])].copy_(saved["vectors"][key])      # heads may be new to an old checkpoint
        progress = saved["progress"]
    mp.start_processes(worker, (a, state, progress), nprocs=a.processes, start_method="spawn")


def worker(rank, a, state, progress):
    torch.set_num_threads(1)
    torch.manual_seed(progress["step"] * 1000 + rank)
    model, text, named = parts(os.path.join(a.work, "tokenizer"), a.start if progress["step"] == 0 else None)
    named_parts = heads.build()
    named += heads.with_names(named_parts)
    layout = shared.Layout(named, is_matrix, a.processes, pace_of(a))
    if progress["step"] == 0 and not a.start:
        torch.manual_seed(0)
        wan.initialise(model)
        torch.manual_seed(rank)
    w = shared.Worker(state, layout, named, rank, a.processes)
    w.step_count = progress["step"]
    w.bind(fresh=progress["step"] == 0)
    if rank == 0:
        take_up(os.path.join(a.work, "reading.pt"), state, layout, progress)
    state.barrier.wait()
    net = wan.Wan(model)
    with open(os.path.join(a.vae, "config.json")) as file:
        channels = channel_weights(json.load(file)["latents_std"])
    known = scenes.OBJECT_SETS[a.known or a.objects]
    data = {kind: Shards(a.work, kind, rank, scenes.OBJECT_SETS[a.objects], known) for kind in ("images", "clips")}
    end, start, saved_at, logged_at = shared.until(a.until), time.time(), time.time(), time.time()
    minutes, recent = progress["minutes"], {}
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    while True:
        state.losses[rank, 7] = end - time.time() if not stop else 0
        state.barrier.wait()
        left = state.losses[0, 7].item()               # all processes go by the clock of the first
        step = progress["step"]
        if left <= 0:
            break
        draw = random.Random(step).random()
        kind = "images" if draw >= a.clips + a.given or len(data["clips"]) <= 500 else "clips" if draw < a.clips else "given"
        rate = min(1., (step + 1) / 100, left / (60 * a.cooldown))
        frames = None
        if kind != "images" and random.Random(f"pair{step}").random() < a.pairs * rate:
            some = random.Random(f"frames{step}")
            frames = [0, some.randrange(1, 5)] if kind == "given" else sorted(some.sample(range(5), 2))
        size = a.images_batch if kind == "images" else a.pairs_batch if frames else a.clips_batch
        z, cover, captions, drawn = data["images" if kind == "images" else "clips"].batch(size, kind == "given")
        if frames:
            z, cover = z[:, :, frames], cover[:, frames]
        t = noise_levels(len(z), z.shape[2], rate)
        tb = t.view(-1, 1, 1, 1, 1)
        eps = torch.randn_like(z)
        w.zero()
        ids, lengths = text.tokens(captions)
        net.prepare()
        with torch.set_grad_enabled(not a.hold_text):
            rows = text.encode(ids, lengths)
        first = z[:, :, :1] if kind == "given" else None
        v = net((1 - tb) * z + tb * eps, t, net.context(rows, lengths), frames, first)
        error = made((v - (eps - z)).square(), first)
        loss = (error * channels * cell_weights(cover, z, .25 + .75 * rate)).mean()
        about = {}
        if a.heads:
            told, about = (heads.things(named_parts, net.middle, rows, lengths, drawn, cover) if kind == "images" else
                           heads.motion(named_parts, net.middle, rows, lengths, drawn, frames))
            loss = loss + a.heads * told
        loss.backward()
        for column, value in enumerate([error.mean(), *about.values()]):
            state.losses[rank, column] = value.item()
        w.step(a.muon_lr * rate, a.adam_lr * rate, min(.998, (step + 1) / (step + 10)))
        for column, name in enumerate([kind, *about]):
            recent.setdefault(name, []).append(state.losses[:, column].mean().item())
        progress["step"] += 1
        progress[kind] += len(z) * a.processes
        progress["minutes"] = minutes + (time.time() - start) / 60
        if rank == 0 and progress["step"] % 50 == 0:
            line = {**progress, "rate": round(rate, 3), "seconds_a_step": round((time.time() - logged_at) / 50, 3),
                    **{k: round(sum(r) / len(r), 4) for k, r in (("loss_" + k, r) for k, r in recent.items())}}
            logged_at = time.time()
            recent = {}
            with open(os.path.join(a.work, "teacher.jsonl"), "a") as log:
                log.write(json.dumps(line) + "\n")
        if progress["step"] % 50 == 0:
            for shards in data.values():
                shards.refresh()
        if rank == 0 and time.time() - saved_at > 150:
            saved_at = time.time()
            shared.save(os.path.join(a.work, "teacher.pt"), {"vectors": state.vectors, "progress": progress})
    if rank == 0:
        shared.save(os.path.join(a.work, "teacher.pt"), {"vectors": state.vectors, "progress": progress})


if __name__ == "__main__":
    main()
