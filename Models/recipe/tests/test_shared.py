import torch

from recipe import shared


def test_layout_keeps_every_parameter():
    named = [("a", torch.randn(4, 8)), ("b", torch.randn(4, 8)), ("c", torch.randn(8, 4)), ("d", torch.randn(5))]
    layout = shared.Layout(named, lambda n, p: p.ndim == 2, owners=2)
    vector = torch.zeros(layout.size)
    for name, p in named:
        layout.view(vector, name).copy_(p)
    assert layout.size == sum(p.numel() for _, p in named) and layout.split == 96
    assert all(torch.equal(layout.view(vector, name), p) for name, p in named)


def test_orthogonal_updates():
    torch.manual_seed(0)
    for shape in ((2, 64, 64), (1, 128, 32), (1, 32, 128)):
        values = torch.linalg.svdvals(shared._orthogonal(torch.randn(shape)))
        assert values.max() < 2 and values.square().mean().sqrt() > .6


def test_a_matrix_takes_steps_at_its_own_pace():
    torch.manual_seed(0)
    named = {"fast": torch.nn.Parameter(torch.zeros(8, 8)), "slow": torch.nn.Parameter(torch.zeros(8, 8))}
    layout = shared.Layout(named.items(), lambda n, p: True, 1, pace=lambda name: .25 if name == "slow" else 1.)
    worker = shared.Worker(shared.State(layout.size, 1), layout, named.items(), 0, 1)
    worker.bind(fresh=True)
    gradient = torch.randn(8, 8)
    for p in named.values():
        p.grad.copy_(gradient)
    worker.step(.1, .1, 0.)
    assert named["fast"].abs().max() > 0 and torch.allclose(named["slow"], .25 * named["fast"], atol=1e-6)
