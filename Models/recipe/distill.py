"""Stage "distill": Phased DMD (arXiv 2510.27684) of the teacher into two experts of two steps each.

    python -m recipe.distill --phase 0 --work WORK --vae VAE --until 19:50       # a common start
    python -m recipe.distill --phase 1 --work WORK --vae VAE --until 20:00
    python -m recipe.distill --phase 2 --work WORK --vae VAE --until 20:10

Phase 0 is no part of the paper: it regresses one network onto the teacher's guided ODE over each of the four steps, from
noised data (piecewise rectified flow, Yan et al. 2024), which takes guidance and most of the step error out at a tenth of
the cost of distribution matching. Both generators start from it, if it was run, and from the teacher otherwise.
Phase 1 owns the steps at sigma 1 and .9 and stops at s = .75; phase 2 rolls out the frozen expert 1, owns the steps at
.75 and .5, and ends at s = 0. The fake starts from the teacher. Run a command again to go on from WORK/distillN.pt.
"""
import argparse
import json
import os
import random
import time

import torch
import torch.multiprocessing as mp

from . import export, objective, sample, scenes, shared, wan
from .teacher import Shards, channel_weights

SIGMAS = sample.STUDENT_SIGMAS
STEPS = {0: (0, 1, 2, 3), 1: (0, 1), 2: (2, 3)}     # of each phase, as indices into SIGMAS
STOP = {0: 0., 1: .75, 2: 0.}
WINDOW_STEPS = (1, 2, 2, 3)                    # teacher steps that a student step stands for


class Networks:
    """The four networks of a phase, and a prompt's context in each."""

    def __init__(self, work, phase, dtype=torch.bfloat16):
        self.phase, self.s = phase, STOP[phase]
        model, self.text, _ = export.load_teacher(work)
        self.text.encoder.requires_grad_(False)
        self.generator_model, self.fake_model = wan.build(), wan.build()
        for m in (self.generator_model, self.fake_model):
            m.load_state_dict(model.state_dict())
        if phase:
            self.generator_model.load_state_dict(export.expert(work, "expert0", model).state_dict())
        self.teacher, self.generator, self.fake = wan.Wan(model).prepare(), wan.Wan(self.generator_model), wan.Wan(self.fake_model)
        self.first = wan.Wan(export.expert(work, "expert1", None)).prepare() if phase == 2 else None
        with torch.no_grad():
            self.empty_rows, self.empty_length = self.encode([""])

    def encode(self, captions):
        ids, lengths = self.text.tokens(captions)
        with torch.no_grad():
            return self.text.encode(ids, lengths), lengths

    def guided(self, x, t, words, scale):
        n = len(x)
        empty = self.teacher.context(self.empty_rows.expand(n, -1, -1), self.empty_length.expand(n))
        return sample.guided(self.teacher, x, t, self.teacher.context(*words), empty, scale)

    def rollout(self, x, words, last):
        """From noise to the sigma of step `last`, without gradient"""
        with torch.no_grad():
            for i in range(last):
                net = self.first if self.phase == 2 and i < 2 else self.generator
                x = x + (SIGMAS[i + 1] - SIGMAS[i]) * net(x, torch.full((len(x),), SIGMAS[i]), net.context(*words))
        return x

    def velocity(self, x, i, words):
        return self.generator(x, torch.full((len(x),), SIGMAS[i]), self.generator.context(*words))

    @torch.no_grad()
    def window(self, x, i, words, scale):
        """The teacher's guided ODE over step i's window, as one velocity"""
        k, y = WINDOW_STEPS[i], x
        grid = [SIGMAS[i] + (SIGMAS[i + 1] - SIGMAS[i]) * j / k for j in range(k + 1)]
        for a, b in zip(grid, grid[1:]):
            y = y + (b - a) * self.guided(y, torch.full((len(x),), a), words, scale)
        return (y - x) / (SIGMAS[i + 1] - SIGMAS[i])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--phase", type=int, choices=STEPS, required=True)
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True)
    p.add_argument("--until", required=True, help="HH:MM, UTC")
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="v0")
    p.add_argument("--clips", type=float, default=.25, help="share of the iterations that see clips")
    p.add_argument("--images-batch", type=int, default=16, help="per process")
    p.add_argument("--clips-batch", type=int, default=4, help="per process")
    p.add_argument("--fake-updates", type=int, default=3)
    p.add_argument("--guidance", type=float, default=3.)
    p.add_argument("--regression-lr", type=float, default=3e-4)
    p.add_argument("--lr", type=float, default=8e-5)
    p.add_argument("--fake-lr", type=float, default=2e-4)
    p.add_argument("--first-step", type=float, default=.05, help="weight of the first-step velocity term")
    p.add_argument("--processes", type=int, default=2)
    a = p.parse_args()
    size = sum(q.numel() for q in wan.build().parameters())
    state, fake = shared.State(size, a.processes), shared.State(size, a.processes)
    progress = {"regression": 0, "generator": 0, "fake": 0, "images": 0, "clips": 0, "minutes": 0.}
    path = os.path.join(a.work, f"distill{a.phase}.pt")
    if os.path.exists(path):
        saved = torch.load(path)
        progress = saved["progress"]
        for vectors, old in ((state.vectors, saved["generator"]), (fake.vectors, saved["fake"])):
            for key in vectors:
                vectors[key].copy_(old[key])
    mp.start_processes(worker, (a, state, fake, progress), nprocs=a.processes, start_method="spawn")


def worker(rank, a, state, fake_state, progress):
    torch.set_num_threads(1)
    fresh = progress["minutes"] == 0
    torch.manual_seed(1 + rank + 2 * progress["fake"])
    nets = Networks(a.work, a.phase)
    workers = []
    for shared_state, model in ((state, nets.generator_model), (fake_state, nets.fake_model)):
        model.requires_grad_(True)
        named = list(model.named_parameters())
        layout = shared.Layout(named, lambda name, p: False, a.processes)
        w = shared.Worker(shared_state, layout, named, rank, a.processes)
        w.bind(fresh)
        workers.append(w)
    generator, fake = workers
    generator.step_count, fake.step_count = progress["regression"] + progress["generator"], progress["fake"]
    nets.generator.prepare(), nets.fake.prepare()
    with open(os.path.join(a.vae, "config.json")) as file:
        channels = channel_weights(json.load(file)["latents_std"])
    data = {kind: Shards(a.work, kind, rank, scenes.OBJECT_SETS[a.objects]) for kind in ("images", "clips")}
    sizes = {"images": a.images_batch, "clips": a.clips_batch}
    start, before, end = time.time(), progress["minutes"], shared.until(a.until)
    total = (end - start) / 60 + before
    saved_at, kinds, values = time.time(), random.Random(progress["fake"]), {}

    def note(name, value):
        values.setdefault(name, []).append(value)

    def prompts(kind):
        z, _, captions = data[kind].batch(sizes[kind])
        return z, nets.encode(captions)

    def left():
        state.losses[rank, 7] = end - time.time()
        state.barrier.wait()
        seconds = state.losses[0, 7].item()
        state.barrier.wait()
        return seconds

    def regress(kind):
        """Squared distance to the teacher's window velocity, from noised data (from pure noise at sigma 1)"""
        z, words = prompts(kind)
        i = random.choice(STEPS[0])
        x = (1 - SIGMAS[i]) * z + SIGMAS[i] * torch.randn_like(z)
        target = nets.window(x, i, words, a.guidance)
        generator.zero()
        loss = ((nets.velocity(x, i, words) - target).square() * channels).mean()
        loss.backward()
        n, share = progress["regression"], min(1., max(0., remaining / (60 * total)))
        generator.step(0., a.regression_lr * min(1, (n + 1) / 10, 1.5 * share + .05), min(.97, (n + 1) / (n + 10)))
        nets.generator.prepare()
        note("loss_regression", loss.item())

    def exit_step():
        return random.choice(STEPS[a.phase])

    def update_fake(kind):
        z, words = prompts(kind)
        i = exit_step()
        with torch.no_grad():
            x = nets.rollout(torch.randn_like(z), words, i)
            x_s = x + (nets.s - SIGMAS[i]) * nets.velocity(x, i, words)
        t = objective.sample_levels(len(z), nets.s, sample.TEACHER_SHIFT)
        eps = torch.randn_like(z)
        x_t, b = objective.renoise(x_s, nets.s, t, eps)
        target = objective.fake_target(x_s, nets.s, t, eps, b)
        fake.zero()
        loss = (objective.fake_weight(b) * (nets.fake(x_t, t, nets.fake.context(*words)) - target).square() * channels).mean()
        loss.backward()
        fake.step(0., a.fake_lr, .99, betas=(0., .99))
        nets.fake.prepare()
        note("loss_fake", loss.item())

    def update_generator(kind):
        z, words = prompts(kind)
        i = exit_step()
        x = nets.rollout(torch.randn_like(z), words, i)
        generator.zero()
        v = nets.velocity(x, i, words)
        x0 = x - SIGMAS[i] * v
        with torch.no_grad():
            x_s = x + (nets.s - SIGMAS[i]) * v
            t = objective.sample_levels(len(z), nets.s, sample.TEACHER_SHIFT)
            x_t, _ = objective.renoise(x_s, nets.s, t, torch.randn_like(z))
            tb = objective.column(t, x_t)
            x0_fake = x_t - tb * nets.fake(x_t, t, nets.fake.context(*words))
            x0_real = x_t - tb * nets.guided(x_t, t, words, a.guidance)
        loss = objective.generator_loss(x0, x0_fake, x0_real, channels)
        note("loss_generator", loss.item())
        if i == 0 and a.first_step:
            first = (v - nets.window(x, 0, words, a.guidance)).square().mean()
            note("loss_first_step", first.item())
            loss = loss + a.first_step * first
        loss.backward()
        done = 1 - max(0, remaining) / (60 * total)
        n = progress["generator"]
        generator.step(0., a.lr * min(1, (n + 1) / 10) * min(1, 3 * (1 - done) + .1), min(.97, (n + 1) / (n + 5)), betas=(0., .99))
        nets.generator.prepare()

    while (remaining := left()) > 0:
        progress["minutes"] = before + (time.time() - start) / 60
        kind = "clips" if kinds.random() < a.clips and len(data["clips"]) > 200 else "images"
        if a.phase == 0:
            regress(kind)
            progress["regression"] += 1
        else:
            for _ in range(10 if progress["fake"] == 0 else a.fake_updates):
                update_fake(kind if kinds.random() < .7 else "images")
                progress["fake"] += 1
            update_generator(kind)
            progress["generator"] += 1
        progress[kind] += sizes[kind] * a.processes
        if rank == 0 and (progress["regression"] + progress["generator"]) % 10 == 0 and values:
            line = {"phase": a.phase, **progress, **{k: round(sum(v) / len(v), 4) for k, v in values.items()}}
            with open(os.path.join(a.work, "distill.jsonl"), "a") as log:
                log.write(json.dumps(line) + "\n")
            values = {}
        if rank == 0 and time.time() - saved_at > 100:
            saved_at = time.time()
            save(a, state, fake_state, progress, generator)
    if rank == 0:
        save(a, state, fake_state, progress, generator)


def save(a, state, fake_state, progress, generator):
    shared.save(os.path.join(a.work, f"distill{a.phase}.pt"), {"generator": state.vectors, "fake": fake_state.vectors, "progress": progress})
    ema = {name: generator.layout.view(state.vectors["ema"], name).clone() for name in generator.named}
    shared.save(os.path.join(a.work, f"expert{a.phase}.pt"), {"ema": ema, "progress": progress})


if __name__ == "__main__":
    main()
