"""Data-parallel training for a few CPU cores: one single-threaded process per core, all state in shared memory.

Parameters are one f32 vector that every process maps; each process writes its gradients to a row of its own, and
updates the part of the vector it owns (Muon or AdamW, then the EMA). Nothing is sent, two barriers a step keep order.
Two such processes beat one process with two OpenMP threads by far as soon as anything else runs on the machine.

Muon: Jordan et al. 2024 (momentum orthogonalised by Newton-Schulz), scaled to AdamW's update size (Liu et al. 2025).
"""
import os
import time

import torch
import torch.multiprocessing as mp

from .arithmetic import LOW

ADAM = dict(betas=(.9, .98), eps=1e-8)


class Layout:
    """Where each parameter lies in the vector: matrices for Muon first (by shape, then by owner; a convolution counts as
    the matrix of its output channels), the rest behind. pace: how large a step a matrix takes, against the others."""

    def __init__(self, named, is_matrix, owners, pace=lambda name: 1.):
        named = dict(named)
        shapes = {}
        for name, p in named.items():
            if is_matrix(name, p):
                shapes.setdefault((p.shape[0], p[0].numel()), []).append(name)
        self.places, self.muon, at = {}, [], 0      # name -> (offset, shape); (owner, offset, paces [count], rows, columns)
        for (rows, columns), names in shapes.items():
            for owner in range(owners):
                mine = names[owner::owners]
                if mine:
                    self.muon.append((owner, at, torch.tensor([pace(name) for name in mine]), rows, columns))
                for name in mine:
                    self.places[name] = (at, tuple(named[name].shape))
                    at += rows * columns
        self.split = at
        for name, p in named.items():
            if name not in self.places:
                self.places[name] = (at, tuple(p.shape))
                at += p.numel()
        self.size = at

    def view(self, vector, name):
        at, shape = self.places[name]
        return vector[at:at + torch.Size(shape).numel()].view(shape)


class State:
    """What the processes share. `vectors` is what a checkpoint holds."""

    def __init__(self, size, processes):
        new = lambda *shape: torch.zeros(*shape).share_memory_()
        self.vectors = {"parameters": new(size), "momentum": new(size), "square": new(size), "ema": new(size)}
        self.gradients = new(processes, size)
        self.norms = new(processes)
        self.losses = new(processes, 8)
        self.barrier = mp.get_context("spawn").Barrier(processes)


class Worker:
    """One process's hold on the shared state: binds a model's parameters to it and steps."""

    def __init__(self, state, layout, named, rank, processes):
        self.state, self.layout, self.rank, self.processes = state, layout, rank, processes
        self.named = dict(named)
        self.step_count = 0

    def bind(self, fresh):
        """fresh: rank 0's current values become the shared ones"""
        p = self.state.vectors["parameters"]
        if fresh and self.rank == 0:
            for name, q in self.named.items():
                self.layout.view(p, name).copy_(q.data)
            self.state.vectors["ema"].copy_(p)
        self.state.barrier.wait()
        for name, q in self.named.items():
            q.data = self.layout.view(p, name)
            q.grad = self.layout.view(self.state.gradients[self.rank], name)

    def zero(self):
        self.state.gradients[self.rank].zero_()

    def _ranges(self):
        """slices of the vector this process owns, with their paces: its matrices, and (None) its share of the rest"""
        for owner, at, paces, rows, columns in self.layout.muon:
            if owner == self.rank:
                yield at, at + len(paces) * rows * columns, paces.view(-1, 1, 1).expand(-1, rows, columns)
        rest = self.layout.size - self.layout.split
        yield (self.layout.split + rest * self.rank // self.processes,
               self.layout.split + rest * (self.rank + 1) // self.processes, None)

    @torch.no_grad()
    def step(self, muon_lr, adam_lr, ema_decay, clip=1., betas=None):
        """Average the gradients, clip them by their global norm, update what is ours. Returns the norm before clipping."""
        s, v = self.state, self.state.vectors
        self.step_count += 1
        s.barrier.wait()
        ranges = list(self._ranges())
        gradients = [s.gradients[:, a:b].mean(0) for a, b, _ in ranges]
        s.norms[self.rank] = sum(g.square().sum() for g in gradients)
        s.barrier.wait()
        norm = s.norms.sum().sqrt()
        scale = min(1., clip / (norm.item() + 1e-9))
        b1, b2 = betas or ADAM["betas"]
        for (a, b, paces), g in zip(ranges, gradients):
            p, m, e = v["parameters"][a:b], v["momentum"][a:b], v["ema"][a:b]
            g.mul_(scale)
            if paces is not None:
                m.lerp_(g, .05)
                update = _orthogonal(g.lerp(m, .95).view(paces.shape)) * paces
                p.mul_(1 - muon_lr * .01 * paces.reshape(-1).gt(0)).add_(update.reshape(-1), alpha=-muon_lr * .2 * max(paces.shape[1:]) ** .5)
            else:
                q = v["square"][a:b]
                m.lerp_(g, 1 - b1)
                q.lerp_(g.square(), 1 - b2)
                n = self.step_count
                p.addcdiv_(m / (1 - b1 ** n), (q / (1 - b2 ** n)).sqrt_().add_(ADAM["eps"]), value=-adam_lr)
            e.lerp_(p, 1 - ema_decay)
        s.barrier.wait()
        return norm.item()


#: Polar Express (Amsel et al. 2025): the best quintic for each iteration; three are enough for an update's direction
POLAR = ((8.2872, -23.5959, 17.3004), (4.1071, -2.9478, .5448), (3.9487, -2.9089, .5518))


def _orthogonal(g):
    """[k, rows, columns] -> roughly the nearest semi-orthogonal matrices (Newton-Schulz iterations)"""
    x = g.to(LOW)
    tall = g.shape[1] > g.shape[2]
    if tall:
        x = x.mT
    x = x / (1.02 * x.float().flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7).to(LOW)
    for a, b, c in POLAR:
        q = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(q, q, q, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()


def save(path, content):
    """Written aside and renamed: a killed run never leaves half a checkpoint."""
    torch.save(content, path + ".part")
    os.replace(path + ".part", path)


def until(clock):
    """"HH:MM" (today, UTC) -> seconds since the epoch"""
    hours, minutes = map(int, clock.split(":"))
    now = time.gmtime()
    return time.time() - (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec) + hours * 3600 + minutes * 60
