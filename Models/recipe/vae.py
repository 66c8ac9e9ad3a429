"""Stage "vae": the small video autoencoder, an AutoencoderKLWan in plain Wan2.1 form with patch_size 2.

    python -m recipe.vae --work WORK --until 12:00 --out WORK/vae

(1 + 4k) x 128 x 128 frames <-> 16 x (1 + k) x 16 x 16 latents. It starts at the linear solution (linear_start.py), so
that minutes on a CPU are enough. Run the same command again to go on from WORK/vae.pt.
Loss: L1 + 2 MSE + half the L1 of image gradients. Rates above 1e-4 / 4e-4 throw the linear start's clips away.

`--start FOLDER` begins at an exported autoencoder instead and trains its decoder alone: latents stay what they are, so what was
trained on them (teacher, students) stays valid. `--earlier-frames` lets the encoder learn too, but only what it does with
the frames before one: latents of images, and of a clip's first frame, stay to the bit.
"""
import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanAttentionBlock, WanResidualBlock

from . import scenes, shared
from .arithmetic import autocast
from .fast_vae import Fast, make
from .linear_start import linear_start

TRAIN_SEEDS, HELD_SEEDS = 60_000_000, 5_500_000
NOISE = .02                                    # of the latents, in training: a decoder that forgives small errors


def images(seed, n):
    """Frames at random moments of moving scenes: [n, 1, 128, 128, 3]"""
    return np.stack([scenes.frame(scenes.scene(seed + i, True, objects=scenes.OBJECTS_ALL), random.Random(seed + i).random()) for i in range(n)])[:, None]


def clips(seed, n, frames):
    """Windows of `frames` of the 17 frames"""
    out = []
    for i in range(n):
        s, first = scenes.scene(seed + i, True, objects=scenes.OBJECTS_ALL), random.Random(seed + i).randint(0, 17 - frames)
        out.append(np.stack([scenes.frame(s, (first + j) / 16) for j in range(frames)]))
    return np.stack(out)


def tensor(pixels):                            # [B, T, H, W, 3] -> [B, 3, T, H, W] in [-1, 1]
    return torch.from_numpy(pixels).permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def gradient_loss(x, y):
    """L1 of the differences between pixels one and two apart"""
    e, loss = y - x, 0.
    for k in (1, 2):
        for axis in (-1, -2):
            n = e.shape[axis] - k
            loss = loss + (e.narrow(axis, k, n) - e.narrow(axis, 0, n)).abs().mean()
    return loss


def psnr(x, y):
    return -10 * math.log10((x - y).square().mean().item() / 4)


def inner_convolutions(ae, a):
    """The weights Muon takes: those of the residual branches and attentions. Ends and resamplers carry the linear start; an
    encoder that is kept for images shares its matrices with what may not change, which Muon's decay would."""
    inner = set()
    for name, module in ae.named_modules():
        if a.start and name.startswith("encoder."):
            continue
        if isinstance(module, WanResidualBlock):
            inner |= {f"{name}.conv1.weight", f"{name}.conv2.weight"}
        elif isinstance(module, WanAttentionBlock):
            inner |= {f"{name}.to_qkv.weight", f"{name}.proj.weight"}
    return inner


def looks_back(name, p):
    """Of the encoder: convolutions over a frame and the two before it, and what halves the frames, which passes by the first"""
    return name.startswith("encoder.") and (".time_conv." in name or p.ndim == 5 and p.shape[2] == 3)


def keep_encoder(ae, earlier_frames):
    """Takes the gradients from the encoder; with earlier_frames only from all that a single frame goes through"""
    ae.encoder.requires_grad_(False)
    ae.quant_conv.requires_grad_(False)
    for name, p in ae.named_parameters():
        if earlier_frames and looks_back(name, p):
            p.requires_grad_(True)
            if ".time_conv." not in name:
                p.register_hook(lambda g: torch.cat([g[:, :, :2], torch.zeros_like(g[:, :, 2:])], 2))


def trained(ae, a):
    """The parameters that are learnt: all; those of the decoder; or with them those of the encoder that look back"""
    return [(name, p) for name, p in ae.named_parameters()
            if not a.start or name.startswith(("decoder.", "post_quant_conv.")) or a.earlier_frames and looks_back(name, p)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--until", required=True, help="HH:MM, UTC")
    p.add_argument("--start", help="folder of an autoencoder whose decoder is trained on")
    p.add_argument("--earlier-frames", action="store_true", help="train also what the encoder does with the frames before one")
    p.add_argument("--cooldown", type=float, default=60., help="minutes of falling learning rate at the end")
    p.add_argument("--clips", type=float, default=.7, help="share of the steps that see clips")
    p.add_argument("--images-batch", type=int, default=8, help="per process")
    p.add_argument("--clips-batch", type=int, default=1, help="per process")
    p.add_argument("--frames", type=int, default=9)
    p.add_argument("--muon-lr", type=float, default=4e-4)
    p.add_argument("--adam-lr", type=float, default=1e-4)
    p.add_argument("--processes", type=int, default=2)
    a = p.parse_args()
    ae = make()
    inner = inner_convolutions(ae, a)
    layout = shared.Layout(trained(ae, a), lambda name, q: name in inner, a.processes)
    state, progress = shared.State(layout.size, a.processes), {"step": 0, "images": 0, "clips": 0, "minutes": 0.}
    path = os.path.join(a.work, "vae.pt")
    if os.path.exists(path):
        saved = torch.load(path)
        progress = saved["progress"]
        for key, vector in state.vectors.items():
            vector.copy_(saved["vectors"][key])
    mp.start_processes(worker, (a, state, progress), nprocs=a.processes, start_method="spawn")


def worker(rank, a, state, progress):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ae = make()
    fast, inner, fresh = Fast(ae), inner_convolutions(ae, a), progress["step"] == 0
    if fresh and rank == 0 and not a.start:
        linear_start(ae, tensor(images(TRAIN_SEEDS - 1000, 192))[:, :, 0], NOISE)
    if a.start:
        kept = AutoencoderKLWan.from_pretrained(a.start)
        ae.register_to_config(latents_mean=kept.config.latents_mean, latents_std=kept.config.latents_std)
        ae.load_state_dict(kept.float().state_dict())
        keep_encoder(ae, a.earlier_frames)
    layout = shared.Layout(trained(ae, a), lambda name, q: name in inner, a.processes)
    w = shared.Worker(state, layout, trained(ae, a), rank, a.processes)
    w.step_count = progress["step"]
    w.bind(fresh)
    torch.manual_seed(1000 * progress["step"] + rank)
    start, before, end, saved_at = time.time(), progress["minutes"], shared.until(a.until), time.time()
    while True:
        state.losses[rank, 7] = end - time.time()
        state.barrier.wait()
        left, step = state.losses[0, 7].item(), progress["step"]
        if left <= 0:
            break
        kind = "clips" if random.Random(step).random() < a.clips else "images"
        size = a.images_batch if kind == "images" else a.clips_batch
        seed = TRAIN_SEEDS + (step * a.processes + rank) * a.images_batch
        x = tensor(images(seed, size) if kind == "images" else clips(seed, size, a.frames))
        rate = min(1., (step + 1) / 100, left / (60 * a.cooldown))
        w.zero()
        with autocast():
            z = fast.encode(x)
            y = fast.decode(z + NOISE * torch.randn_like(z))
        loss = (y - x).abs().mean() + 2 * (y - x).square().mean() + .5 * gradient_loss(x, y) + 1e-3 * F.relu(z.abs() - 5).mean()
        loss.backward()
        w.step(a.muon_lr * rate, a.adam_lr * rate, min(.999, (step + 1) / (step + 10)), clip=.5, betas=(.9, .95))
        progress["step"] += 1
        progress[kind] += size * a.processes
        progress["minutes"] = before + (time.time() - start) / 60
        if rank == 0 and time.time() - saved_at > 150:
            saved_at = time.time()
            report(a, ae, fast, layout, state, progress, loss.item())
            shared.save(os.path.join(a.work, "vae.pt"), {"vectors": state.vectors, "progress": progress})
    if rank == 0:
        shared.save(os.path.join(a.work, "vae.pt"), {"vectors": state.vectors, "progress": progress})
        report(a, ae, fast, layout, state, progress, 0.)
        export(a, ae, fast, layout, state)
    state.barrier.wait()


@torch.no_grad()
def with_ema(ae, layout, state, action):
    """action() with the EMA's weights in place of the trained ones"""
    learnt = {name: p for name, p in ae.named_parameters() if name in layout.places}
    held = {name: p.data for name, p in learnt.items()}
    for name, p in learnt.items():
        p.data = layout.view(state.vectors["ema"], name).clone()
    result = action()
    for name, p in learnt.items():
        p.data = held[name]
    return result


def report(a, ae, fast, layout, state, progress, loss):
    def measure():
        with autocast():
            x, v = tensor(images(HELD_SEEDS, 48)), tensor(clips(HELD_SEEDS + 1000, 6, 17))
            return (psnr(torch.cat([fast.decode(fast.encode(q)).clamp(-1, 1) for q in x.split(16)]), x),
                    psnr(torch.cat([fast.decode(fast.encode(q)).clamp(-1, 1) for q in v.split(2)]), v))
    still, moving = with_ema(ae, layout, state, measure)
    with open(os.path.join(a.work, "vae.jsonl"), "a") as log:
        log.write(json.dumps({**progress, "loss": round(loss, 4), "psnr_images": round(still, 2), "psnr_clips": round(moving, 2)}) + "\n")


def export(a, ae, fast, layout, state):
    """EMA weights in bf16, with the statistics of the latents of images and clips"""
    def write():
        if a.start:                                # its statistics go with the latents that are kept
            ae.to(torch.bfloat16).save_pretrained(a.out)
            return
        with autocast():
            z = [fast.encode(tensor(images(TRAIN_SEEDS - 5000 + 32 * j, 32))) for j in range(16)]
            z += [fast.encode(tensor(clips(TRAIN_SEEDS - 9000 + 4 * j, 4, 17))) for j in range(12)]
        z = torch.cat([q.float().transpose(0, 1).flatten(1) for q in z], 1)
        ae.register_to_config(latents_mean=[round(v, 5) for v in z.mean(1).tolist()], latents_std=[round(v, 5) for v in z.std(1).tolist()])
        ae.to(torch.bfloat16).save_pretrained(a.out)
    with_ema(ae, layout, state, write)


if __name__ == "__main__":
    main()
