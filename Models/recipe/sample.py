"""Grids of sigmas, the few-step systems that are compared, and guidance. Sampling is deterministic Euler on these sigmas."""
from dataclasses import dataclass

import torch

GRID = (1., .9, .75, .5, 0.)                   # Phased DMD's, with shift 3


@dataclass(frozen=True)
class System:
    """A few-step student: its grid, and which steps each phase (and so each expert) owns."""
    sigmas: tuple
    phases: tuple

    def stop(self, k):
        """The noise level at which phase k ends its rollout and is trained"""
        return self.sigmas[self.phases[k][-1] + 1]

    def owner(self, step):
        return next(k for k, steps in enumerate(self.phases) if step in steps)


#: What distillation compares. DMD2 here is DMD with stochastic gradient truncation: one expert, always judged at s = 0.
SYSTEMS = {
    "one-step": System((1., 0.), ((0,),)),
    "dmd2": System(GRID, ((0, 1, 2, 3),)),
    "phased-2": System(GRID, ((0, 1), (2, 3))),
    "phased-4": System(GRID, ((0,), (1,), (2,), (3,)))}
SHIPPED = "phased-2"
TEACHER_STEPS, TEACHER_SHIFT, TEACHER_GUIDANCE = 30, 3., 3.


def shift(u, s):
    return s * u / (1 + (s - 1) * u)


def teacher_sigmas(steps=TEACHER_STEPS, s=TEACHER_SHIFT):
    return [shift(1 - i / steps, s) for i in range(steps)] + [0.]


def guided(net, x, sigma, context, empty, scale, first=None):
    """Classifier-free guidance (Ho & Salimans 2022); empty is the context of "". Both see the first frame that is given."""
    v = net(x, sigma, context, first=first)
    if scale == 1:
        return v
    u = net(x, sigma, empty, first=first)
    return u + scale * (v - u)


def noise(n, clip, seed):
    return torch.randn(n, 16, 5 if clip else 1, 16, 16, generator=torch.Generator().manual_seed(seed))
