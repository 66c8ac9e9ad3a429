"""The 1-D toy of the paper: x0 in {-1, 0, 1, 2}, s = 0.5. The true E[v | x_t] is known in closed form."""
import torch

from recipe import objective

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
