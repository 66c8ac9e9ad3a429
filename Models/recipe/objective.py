"""Phased DMD (arXiv 2510.27684): the equations, and nothing else.

Noise level t = sigma in [0, 1]; x_t = (1 - t) x0 + t eps. A phase stops its rollout at level s and is trained on what it
has there, x_s, re-noised to t in the *reverse nested* interval (s, 1):

    x_t = a x_s + b eps,    a = (1 - t) / (1 - s),    b^2 = t^2 - a^2 s^2

A denoiser of x_s can be trained without clean data, because the velocity of x_t has an unbiased estimate from x_s and
eps alone (`fake_target`). With s = 0 all of it is the DMD2 of Yin et al. 2024 in the Euler form.
"""
import torch


def column(t, x):
    return t.view(-1, *[1] * (x.ndim - 1))


def renoise(x_s, s, t, eps):
    """-> x_t and b [B, 1, ...]"""
    t = column(t, x_s)
    a = (1 - t) / (1 - s)
    b = (t ** 2 - a ** 2 * s ** 2).clamp_min(1e-8).sqrt()
    return a * x_s + b * eps, b


def fake_target(x_s, s, t, eps, b):
    """v = [t + (1 - t) s^2 / (1 - s)^2] / b * eps - x_s / (1 - s): its mean given x_t is that of eps0 - x0."""
    t = column(t, x_s)
    return (t + (1 - t) * s ** 2 / (1 - s) ** 2) / b * eps - x_s / (1 - s)


def fake_weight(b):
    """The paper's clamp: near t = s the target's variance grows without bound, the loss goes with 10 b^2 there."""
    return (10 * b ** 2).clamp(max=1)


def sample_levels(n, s, shift, low=.02, high=.98):
    """t in (s, 1): uniform in raw u, then shifted"""
    u0 = s / (shift - (shift - 1) * s)
    u = u0 + (1 - u0) * torch.rand(n)
    return (shift * u / (1 + (shift - 1) * u)).clamp(s + low, high)


def generator_loss(x0, x0_fake, x0_real, weight=1.):
    """x0: the generator's estimate, with gradient; the others are Euler-to-zero of the fake and of the guided teacher at x_t.
    The gradient of the loss is g = (x0_F - x0_T) / mean |x0 - x0_T| for each sample; weight: of the channels."""
    with torch.no_grad():
        scale = (x0 - x0_real).abs().flatten(1).mean(1).clamp_min(1e-4)
        g = (x0_fake - x0_real) / column(scale, x0)
    return .5 * (weight * (x0 - (x0 - g).detach()).square()).mean()
