"""The 1-D toy of the paper: x0 in {-1, 0, 1, 2}, s = 0.5. The true E[v | x_t] is known in closed form."""
import pytest
import torch

from recipe import objective, sample

POINTS = torch.tensor([-1., 0., 1., 2.])


def true_velocity(x, t):
    """E[eps - x0 | x_t = x] = (x - E[x0 | x_t]) / t"""
    log = -(x[:, None] - (1 - t[:, None]) * POINTS) ** 2 / (2 * t[:, None] ** 2)
    return (x - (log.softmax(1) * POINTS).sum(1)) / t


def binned_error(target_of, s=.5, n=2_000_000, level=.7):
    """mean |E[target | x_t] - E[v | x_t]| over bins of x_t, at one level t"""
    torch.manual_seed(0)
    x0 = POINTS[torch.randint(4, (n,))]
    x_s = ((1 - s) * x0 + s * torch.randn(n))[:, None]
    t, eps = torch.full((n,), level), torch.randn(n, 1)
    x_t, b = objective.renoise(x_s, s, t, eps)
    difference = target_of(x_s, s, t, eps, b)[:, 0] - true_velocity(x_t[:, 0], t)
    bins = ((x_t[:, 0] + 1.5) / .1).long().clamp(0, 34)
    count = torch.zeros(35).index_add_(0, bins, torch.ones(n))
    mean = torch.zeros(35).index_add_(0, bins, difference) / count.clamp_min(1)
    return (mean.abs() * count).sum().item() / n


def test_the_target_is_unbiased():
    assert binned_error(objective.fake_target) < .03


def test_the_naive_target_is_biased():
    assert binned_error(lambda x_s, s, t, eps, b: eps - x_s) > .2


def test_the_last_phase_is_plain_flow_matching():
    x, eps, t = torch.randn(4, 3), torch.randn(4, 3), torch.rand(4) * .9 + .05
    x_t, b = objective.renoise(x, 0., t, eps)
    assert torch.allclose(x_t, (1 - t[:, None]) * x + t[:, None] * eps, atol=1e-6)
    assert torch.allclose(objective.fake_target(x, 0., t, eps, b), eps - x, atol=1e-5)


def test_levels_stay_in_the_nested_interval():
    for s in (0., .75):
        t = objective.sample_levels(10_000, s, 3.)
        assert t.min() >= s + .019 and t.max() <= .9801


@pytest.mark.parametrize("s", [.5, .75, .9])
def test_renoised_states_have_the_moments_of_the_process(s):
    """x_s of a known x0, brought to t, is N((1 - t) x0, t^2), as if noised in one go"""
    torch.manual_seed(0)
    n, level, x0 = 400_000, s + .6 * (1 - s), 1.7
    x_s = ((1 - s) * x0 + s * torch.randn(n))[:, None]
    x_t, _ = objective.renoise(x_s, s, torch.full((n,), level), torch.randn(n, 1))
    assert abs(x_t.mean().item() - (1 - level) * x0) < .006
    assert abs(x_t.std().item() - level) < .006


def test_the_generator_follows_fake_minus_teacher():
    x0, fake, real = (torch.randn(2, 3, 4) for _ in range(3))
    x0.requires_grad_(True)
    objective.generator_loss(x0, fake, real).backward()
    for i in range(2):
        expected = (fake[i] - real[i]) / (x0[i] - real[i]).abs().mean() / x0.numel()
        assert torch.allclose(x0.grad[i], expected, atol=1e-6)


def test_the_grid_is_the_shifted_one():
    for shift, grid in ((3., sample.GRID[:-1]), (5., (1., .9375, .833333, .625))):
        assert [sample.shift(u, shift) for u in (1., .75, .5, .25)] == pytest.approx(grid, abs=1e-6)
    teacher = sample.teacher_sigmas()
    assert len(teacher) == 31 and teacher[0] == 1 and teacher[-1] == 0 and all(a > b for a, b in zip(teacher, teacher[1:]))


def test_phases_stop_where_the_next_one_starts():
    stops = {name: [system.stop(k) for k in range(len(system.phases))] for name, system in sample.SYSTEMS.items()}
    assert stops == {"one-step": [0.], "dmd2": [0.], "phased-2": [.75, 0.], "phased-4": [.9, .75, .5, 0.]}
    for system in sample.SYSTEMS.values():
        assert [system.owner(i) for i in range(len(system.sigmas) - 1)] == [k for k, steps in enumerate(system.phases) for _ in steps]
