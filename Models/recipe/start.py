"""Stage "start": a common start for all students, before distribution matching. No part of the paper.

    python -m recipe.start --updates 450 --clips .4 --work WORK --vae VAE

One network is regressed onto the teacher's guided ODE over each step of the four-step grid, from noised data (piecewise
rectified flow, Yan et al. 2024). That takes guidance and most of the step error out at a tenth of the cost of distribution
matching. Clips with a given first frame are among the data: that frame stays clean in all of it.
Run the same command again to go on from WORK/start-state.pt; the result is WORK/start.pt.
"""
import os
import random
import time

import torch
import torch.multiprocessing as mp

from . import sample, shared, wan
from .distill import Log, Teacher, arguments, bind, channels_of, kind_of, prompts_of, save_expert
from .teacher import made, with_first


def main():
    p = arguments(__doc__.splitlines()[0])
    p.add_argument("--lr", type=float, default=3e-4)
    a = p.parse_args()
    state = shared.State(sum(q.numel() for q in wan.build().parameters()), a.processes)
    progress = {"updates": 0, "images": 0, "clips": 0, "given": 0, "minutes": 0.}
    path = os.path.join(a.work, "start-state.pt")
    if os.path.exists(path):
        saved = torch.load(path)
        progress = saved["progress"]
        for key, vector in state.vectors.items():
            vector.copy_(saved["vectors"][key])
    if progress["updates"] < a.updates:
        mp.start_processes(worker, (a, state, progress), nprocs=a.processes, start_method="spawn")


def worker(rank, a, state, progress):
    torch.set_num_threads(1)
    torch.manual_seed(1 + rank + 2 * progress["updates"])
    teacher, channels, draw = Teacher(a.work, a.guidance), channels_of(a), prompts_of(a, rank)
    model = wan.build()
    model.load_state_dict(teacher.model.state_dict())
    student = bind(state, model, rank, a, fresh=progress["updates"] == 0)
    student.step_count = progress["updates"]
    net, kinds, log = wan.Wan(model).prepare(), random.Random(progress["updates"]), Log(os.path.join(a.work, "distill.jsonl"))
    start, before, saved_at, grid = time.time(), progress["minutes"], time.time(), sample.GRID
    while progress["updates"] < a.updates:
        kind, i = kind_of(a, kinds), kinds.randrange(len(grid) - 1)
        z, first, captions = draw(kind)
        words = teacher.encode(captions)
        x = with_first((1 - grid[i]) * z + grid[i] * torch.randn_like(z), first)
        target = teacher.window(x, grid[i], grid[i + 1], words, first)
        student.zero()
        v = net(x, torch.full((len(x),), grid[i]), net.context(*words), first=first)
        loss = (made(v - target, first).square() * channels).mean()
        loss.backward()
        n, left = progress["updates"], 1 - progress["updates"] / a.updates
        student.step(0., a.lr * min(1, (n + 1) / 10, 1.5 * left + .05), min(.97, (n + 1) / (n + 10)))
        net.prepare()
        progress["updates"] += 1
        progress[kind] += len(z) * a.processes
        progress["minutes"] = before + (time.time() - start) / 60
        log.note("loss_regression", loss.item())
        if rank == 0 and progress["updates"] % 10 == 0:
            log.write(system="start", **progress)
        if rank == 0 and (time.time() - saved_at > 100 or progress["updates"] == a.updates):
            saved_at = time.time()
            shared.save(os.path.join(a.work, "start-state.pt"), {"vectors": state.vectors, "progress": progress})
            save_expert(os.path.join(a.work, "start.pt"), state, student, progress)


if __name__ == "__main__":
    main()
