"""Stage "distill": distribution matching distillation of the teacher into few steps, all systems by one piece of code.

    python -m recipe.distill --system phased-2 --updates 200 --clips .4 --work WORK --vae VAE

A system (sample.SYSTEMS) is a grid of sigmas whose steps are shared out among phases. One-step DMD is one phase of one step;
DMD2 is one phase of four steps with stochastic gradient truncation; Phased DMD (arXiv 2510.27684) has two or four phases.
For phase k, with s the level its last step ends at (objective.py has the equations):

    a step i of the phase is drawn; frozen experts and the generator roll out to sigma_i without gradient
    x_s = x + (s - sigma_i) v(x)         the generator's evaluation, with gradient
    the fake learns to denoise x_s from re-noised levels t in (s, 1); the generator follows fake minus guided teacher

So s > 0 in all phases but the last, and always s = 0 for DMD2, whose one network is judged on its x0 at every step. The
updates are shared out equally among a system's phases: equal budgets of generator updates for all systems.

Clips with a given first frame are among the samples: that frame is clean at every step, its tokens have time 0 for generator, fake
and teacher, and no loss sees it.

All generators start from WORK/start.pt (start.py) if it is there, from the teacher otherwise. With --start FOLDER, whose teacher
this one was trained on from, the shipped system's experts start from that folder's, moved as its teacher has moved (export.moved),
and other systems' from the shipped experts that own their noise. The fake starts from the teacher in every phase. Run the same command again to go on from WORK/SYSTEM-PHASE.pt; experts are WORK/SYSTEM-PHASE-expert.pt.
"""
import argparse
import collections
import json
import os
import random
import time

import torch
import torch.multiprocessing as mp

from . import export, objective, sample, scenes, shared, wan
from .teacher import Shards, channel_weights, made, with_first

WINDOW_STEPS = 3                               # teacher steps that stand for a student's step
OPEN_PROMPTS = ("a cat", "a red car")          # spread is watched on these


class Teacher:
    """The frozen teacher with its text side: guided velocities, and its ODE over a step."""

    def __init__(self, work, guidance):
        self.guidance = guidance
        self.model, self.text, _ = export.load_teacher(work)
        self.text.encoder.requires_grad_(False)
        self.net = wan.Wan(self.model).prepare()
        self.empty_rows, self.empty_length = self.encode([""])

    @torch.no_grad()
    def encode(self, captions):
        ids, lengths = self.text.tokens(captions)
        return self.text.encode(ids, lengths), lengths

    @torch.no_grad()
    def __call__(self, x, t, words, first=None):
        n = len(x)
        empty = self.net.context(self.empty_rows.expand(n, -1, -1), self.empty_length.expand(n))
        return sample.guided(self.net, x, t, self.net.context(*words), empty, self.guidance, first)

    def window(self, x, a, b, words, first=None):
        """The guided ODE from sigma a to sigma b, as one velocity"""
        y, grid = x, [a + (b - a) * j / WINDOW_STEPS for j in range(WINDOW_STEPS + 1)]
        for p, q in zip(grid, grid[1:]):
            y = y + (q - p) * self(y, torch.full((len(x),), p), words, first)
        return (y - x) / (b - a)


def arguments(description):
    """What distillation and its common start have in common"""
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True)
    p.add_argument("--objects", choices=scenes.OBJECT_SETS, default="common")
    p.add_argument("--updates", type=int, required=True, help="of the generator, over all phases")
    p.add_argument("--clips", type=float, default=.3, help="share of the updates that see clips")
    p.add_argument("--given", type=float, default=0., help="share of the updates that see clips whose first frame is given")
    p.add_argument("--images-batch", type=int, default=16, help="per process")
    p.add_argument("--clips-batch", type=int, default=4, help="per process")
    p.add_argument("--guidance", type=float, default=sample.TEACHER_GUIDANCE)
    p.add_argument("--processes", type=int, default=2)
    return p


def kind_of(a, r):
    """What an update sees: images, clips, or clips whose first frame is given"""
    draw = r.random()
    return "clips" if draw < a.clips else "given" if draw < a.clips + a.given else "images"


def prompts_of(a, rank):
    """(kind) -> latents, the first frame if it is given, and captions of a batch"""
    data = {kind: Shards(a.work, kind, rank, scenes.OBJECT_SETS[a.objects]) for kind in ("images", "clips")}

    def draw(kind):
        given = kind == "given"
        z, _, captions, _ = data["images"].batch(a.images_batch) if kind == "images" else data["clips"].batch(a.clips_batch, given)
        return z, z[:, :, :1] if given else None, captions
    return draw


def bind(state, model, rank, a, fresh):
    """One process's hold on the shared parameters of a network under AdamW"""
    model.requires_grad_(True)
    named = list(model.named_parameters())
    w = shared.Worker(state, shared.Layout(named, lambda name, p: False, a.processes), named, rank, a.processes)
    w.bind(fresh)
    return w


def channels_of(a):
    with open(os.path.join(a.vae, "config.json")) as file:
        return channel_weights(json.load(file)["latents_std"])


class Log:
    """Means of what was noted, a line every few updates"""

    def __init__(self, path):
        self.path, self.values = path, {}

    def note(self, name, value):
        self.values.setdefault(name, []).append(value)

    def write(self, **line):
        with open(self.path, "a") as file:
            file.write(json.dumps({**line, **{k: round(sum(v) / len(v), 4) for k, v in self.values.items()}}) + "\n")
        self.values = {}


def main():
    p = arguments(__doc__.splitlines()[0])
    p.add_argument("--system", choices=sample.SYSTEMS, required=True)
    p.add_argument("--start", help="an exported folder whose students these begin at")
    p.add_argument("--fake-updates", type=int, default=4, help="for each of the generator's")
    p.add_argument("--lr", type=float, default=8e-5)
    p.add_argument("--fake-lr", type=float, default=2e-4)
    p.add_argument("--first-step", type=float, default=.05, help="weight of the first step's velocity term")
    a = p.parse_args()
    phases = len(sample.SYSTEMS[a.system].phases)
    size = sum(q.numel() for q in wan.build().parameters())
    for phase in range(phases):
        a.phase, a.phase_updates = phase, a.updates // phases
        state, fake = shared.State(size, a.processes), shared.State(size, a.processes)
        progress = {"generator": 0, "fake": 0, "images": 0, "clips": 0, "given": 0, "minutes": 0.}
        path = os.path.join(a.work, f"{a.system}-{phase}.pt")
        if os.path.exists(path):
            saved = torch.load(path)
            progress = saved["progress"]
            for vectors, old in ((state.vectors, saved["generator"]), (fake.vectors, saved["fake"])):
                for key in vectors:
                    vectors[key].copy_(old[key])
        if progress["generator"] < a.phase_updates:
            mp.start_processes(worker, (a, state, fake, progress), nprocs=a.processes, start_method="spawn")


def beginning(a, teacher):
    """The network that the generator of a phase begins at"""
    model, shipped = wan.build(), export.folders(sample.SHIPPED)
    if not a.start:
        begun = export.expert(a.work, "start", teacher)
    elif a.system == sample.SHIPPED:
        begun = export.moved(a.start, shipped[a.phase], teacher)
    else:
        begun = export.expert(a.work, f"{sample.SHIPPED}-{shipped.index(export.bases(a.system)[a.phase])}-expert")
    model.load_state_dict(begun.state_dict())
    return model


def worker(rank, a, state, fake_state, progress):
    torch.set_num_threads(1)
    system = sample.SYSTEMS[a.system]
    sigmas, steps, s = system.sigmas, system.phases[a.phase], system.stop(a.phase)
    fresh = progress["generator"] == 0
    torch.manual_seed(1 + rank + 2 * progress["fake"])
    teacher, channels, draw = Teacher(a.work, a.guidance), channels_of(a), prompts_of(a, rank)
    generator_model, fake_model = beginning(a, teacher.model), wan.build()
    fake_model.load_state_dict(teacher.model.state_dict())
    earlier = [wan.Wan(export.expert(a.work, f"{a.system}-{k}-expert")).prepare() for k in range(a.phase)]
    generator, fake = bind(state, generator_model, rank, a, fresh), bind(fake_state, fake_model, rank, a, fresh)
    generator.step_count, fake.step_count = progress["generator"], progress["fake"]
    nets, fake_net = [*earlier, wan.Wan(generator_model).prepare()], wan.Wan(fake_model).prepare()
    start, before, saved_at = time.time(), progress["minutes"], time.time()
    kinds, log, pool = random.Random(progress["fake"]), Log(os.path.join(a.work, "distill.jsonl")), collections.deque(maxlen=4)

    def velocity(x, i, words, first):
        net = nets[system.owner(i)]
        return net(x, torch.full((len(x),), sigmas[i]), net.context(*words), first=first)

    @torch.no_grad()
    def rollout(x, words, first, last):
        """From noise to the sigma of step `last`; a given frame's velocity is 0, so that it stays what it is"""
        x = with_first(x, first)
        for i in range(last):
            x = x + (sigmas[i + 1] - sigmas[i]) * velocity(x, i, words, first)
        return x

    def generate():
        """-> the step with gradient, where it started, its velocity, the words and the first frame if it is given; what it makes
        goes to the pool"""
        kind, i = kind_of(a, kinds), kinds.choice(steps)
        z, first, captions = draw(kind)
        words = teacher.encode(captions)
        x = rollout(torch.randn_like(z), words, first, i)
        v = velocity(x, i, words, first)
        pool.append(((x + (s - sigmas[i]) * v).detach(), words, first))
        progress[kind] += len(z) * a.processes
        return i, x, v, words, first

    def update_fake():
        """On what the generator made lately: each x_s serves several times, with fresh noise"""
        x_s, words, first = kinds.choice(pool)
        t, eps = objective.sample_levels(len(x_s), s, sample.TEACHER_SHIFT), torch.randn_like(x_s)
        x_t, b = objective.renoise(x_s, s, t, eps)
        fake.zero()
        error = fake_net(x_t, t, fake_net.context(*words), first=first) - objective.fake_target(x_s, s, t, eps, b)
        loss = (objective.fake_weight(b) * made(error, first).square() * channels).mean()
        loss.backward()
        fake.step(0., a.fake_lr, .99, betas=(0., .99))
        fake_net.prepare()
        progress["fake"] += 1
        log.note("loss_fake", loss.item())

    def update_generator(i, x, v, words, first):
        with torch.no_grad():
            x_s = x + (s - sigmas[i]) * v
            t = objective.sample_levels(len(x), s, sample.TEACHER_SHIFT)
            x_t, _ = objective.renoise(x_s, s, t, torch.randn_like(x))
            tb = objective.column(t, x_t)
            x0_fake = x_t - tb * fake_net(x_t, t, fake_net.context(*words), first=first)
            x0_real = x_t - tb * teacher(x_t, t, words, first)
        loss = objective.generator_loss(*(made(y, first) for y in (x - sigmas[i] * v, x0_fake, x0_real)), channels)
        log.note("loss_generator", loss.item())
        if i == 0 and len(sigmas) > 2:                     # keeps the layout, as in the public trainer
            apart = made(v - teacher.window(x, sigmas[0], sigmas[1], words, first), first).square().mean()
            log.note("loss_first_step", apart.item())
            loss = loss + a.first_step * apart
        generator.zero()
        loss.backward()
        n, left = progress["generator"], 1 - progress["generator"] / a.phase_updates
        generator.step(0., a.lr * min(1, (n + 1) / 10, 3 * left + .1), min(.97, (n + 1) / (n + 5)), betas=(0., .99))
        nets[-1].prepare()
        progress["generator"] += 1

    @torch.no_grad()
    def spread():
        """How far the pictures of one open prompt lie apart (standard deviation of x0 over seeds)"""
        words = teacher.encode([OPEN_PROMPTS[rank % len(OPEN_PROMPTS)]] * a.images_batch)
        x = rollout(sample.noise(a.images_batch, False, rank), words, None, steps[-1])
        x0 = x - sigmas[steps[-1]] * velocity(x, steps[-1], words, None)
        state.losses[rank, 0] = (x0.std(0) * channels[0]).mean().item()
        state.barrier.wait()
        return state.losses[:, 0].mean().item()

    while progress["generator"] < a.phase_updates:
        if progress["generator"] % 10 == 0:
            log.note("spread", spread())
            if rank == 0:
                log.write(system=a.system, phase=a.phase, **progress)
        if not pool:                                       # at the start, and after a resume
            for _ in range(pool.maxlen - 1):
                with torch.no_grad():
                    generate()
        step = generate()
        for _ in range(a.fake_updates if progress["fake"] else 3 * a.fake_updates):
            update_fake()
        update_generator(*step)
        progress["minutes"] = before + (time.time() - start) / 60
        if rank == 0 and time.time() - saved_at > 100:
            saved_at = time.time()
            save(a, state, fake_state, progress, generator)
    log.note("spread", spread())
    if rank == 0:
        log.write(system=a.system, phase=a.phase, **progress)
        save(a, state, fake_state, progress, generator)


def save(a, state, fake_state, progress, generator):
    name = os.path.join(a.work, f"{a.system}-{a.phase}")
    shared.save(name + ".pt", {"generator": state.vectors, "fake": fake_state.vectors, "progress": progress})
    save_expert(name + "-expert.pt", state, generator, progress)


def save_expert(path, state, generator, progress):
    ema = {name: generator.layout.view(state.vectors["ema"], name).clone() for name in generator.named}
    shared.save(path, {"ema": ema, "progress": progress})


if __name__ == "__main__":
    main()
