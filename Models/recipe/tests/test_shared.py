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
