"""Few-step and many-step sampling of the trained parts: deterministic Euler on explicit sigmas, x kept in f32."""
import torch

#: Phased DMD's grid (shift 3) and what each phase stops at
STUDENT_SIGMAS = [1., .9, .75, .5, 0.]
TEACHER_STEPS, TEACHER_SHIFT, TEACHER_GUIDANCE = 30, 3., 3.


def shift(u, s):
    return s * u / (1 + (s - 1) * u)


def teacher_sigmas(steps=TEACHER_STEPS, s=TEACHER_SHIFT):
    return [shift(1 - i / steps, s) for i in range(steps)] + [0.]


def guided(net, x, sigma, context, empty, scale):
    """Classifier-free guidance (Ho & Salimans 2022); empty is the context of "" """
    v = net(x, sigma, context)
    if scale == 1:
        return v
    u = net(x, sigma, empty)
    return u + scale * (v - u)


@torch.no_grad()
def euler(x, sigmas, velocity):
    """velocity(x, sigma [B], step index) -> v"""
    for i, (a, b) in enumerate(zip(sigmas, sigmas[1:])):
        x = x + (b - a) * velocity(x, torch.full((len(x),), a), i)
    return x


def noise(n, clip, seed):
    return torch.randn(n, 16, 5 if clip else 1, 16, 16, generator=torch.Generator().manual_seed(seed))


def teacher(net, x, context, empty, guidance=TEACHER_GUIDANCE, sigmas=None):
    return euler(x, sigmas or teacher_sigmas(), lambda x, t, i: guided(net, x, t, context, empty, guidance))


def student(high, low, x, context_high, context_low):
    """The two experts have text embedders of their own, hence two contexts."""
    return euler(x, STUDENT_SIGMAS, lambda x, t, i: high(x, t, context_high) if i < 2 else low(x, t, context_low))
