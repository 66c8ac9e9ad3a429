"""The fast forms against diffusers."""
import pytest
import torch

from recipe import wan

torch.manual_seed(0)


@pytest.fixture
def model():
    m = wan.build(dim=128, layers=2, ffn=256, text_dim=32, heads=2).eval().requires_grad_(False)
    wan.initialise(m)
    m.proj_out.weight.normal_(std=.05)
    return m


@pytest.mark.parametrize("frames", [1, 5])
def test_the_fast_transformer_is_diffusers(model, frames):
    x, sigma = torch.randn(3, 16, frames, 16, 16), torch.tensor([1., .5, .03])
    words, lengths = torch.randn(3, 9, 32), torch.tensor([1, 4, 9])
    padded = torch.zeros(3, wan.TEXT_ROWS, 32)
    for i, n in enumerate(lengths):
        padded[i, :n] = words[i, :n]
    fast = wan.Wan(model, torch.float32, compiled=False).prepare()
    ours = fast(x, sigma, fast.context(words, lengths))
    theirs = model(x, sigma * 1000, padded, return_dict=False)[0]
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


def test_a_given_first_frame_has_time_zero(model):
    """Against diffusers' expand_timesteps: a time for every token, frame by frame"""
    x, first, sigma = torch.randn(2, 16, 3, 16, 16), torch.randn(2, 16, 1, 16, 16), torch.tensor([.9, .3])
    words, lengths = torch.randn(2, 9, 32), torch.tensor([9, 3])
    padded = torch.zeros(2, wan.TEXT_ROWS, 32)
    for i, n in enumerate(lengths):
        padded[i, :n] = words[i, :n]
    times = (sigma * 1000)[:, None].repeat(1, 3 * 64)
    times[:, :64] = 0
    fast = wan.Wan(model, torch.float32, compiled=False).prepare()
    ours = fast(x, sigma, fast.context(words, lengths), first=first)
    theirs = model(torch.cat([first, x[:, :, 1:]], 2), times, padded, return_dict=False)[0]
    assert (ours - theirs)[:, :, 1:].abs().max() < 1e-4 * theirs.abs().max()
    assert not ours[:, :, 0].any()
    assert (ours - fast(x, sigma, fast.context(words, lengths)))[:, :, 1:].abs().max() > .001 * theirs.abs().max()


def test_padding_is_almost_invisible_at_the_start(model):
    attention = model.blocks[0].attn2
    x, context = torch.randn(1, 64, 128), torch.zeros(1, wan.TEXT_ROWS, 128)
    context[:, :10] = torch.randn(10, 128)
    q = attention.norm_q(attention.to_q(x)).view(64, 2, 64).transpose(0, 1)
    k = attention.norm_k(attention.to_k(context)).view(wan.TEXT_ROWS, 2, 64).transpose(0, 1)
    share = (q @ k.transpose(1, 2) / 8).softmax(-1)[..., :10].sum(-1).mean()
    assert share > .5                              # 10 / 512 = .02 under plain weights


def test_chosen_frames_keep_their_places_in_time(model):
    x, sigma = torch.randn(1, 16, 3, 16, 16), torch.tensor([.5])
    fast = wan.Wan(model, torch.float32, compiled=False).prepare()
    words = fast.context(torch.randn(1, 4, 32), torch.tensor([4]))
    cos, sin = fast.rope((0, 1, 2), 8, 8)
    some, other = fast.rope((0, 2), 8, 8)
    assert torch.equal(some, torch.cat([cos[:64], cos[128:]])) and torch.equal(other, torch.cat([sin[:64], sin[128:]]))
    assert torch.equal(fast(x, sigma, words, [0, 1, 2]), fast(x, sigma, words))
    assert not torch.allclose(fast(x[:, :, :2], sigma, words, [0, 2]), fast(x[:, :, :2], sigma, words), atol=1e-3)
