import argparse

import pytest
import torch

from recipe import scenes, vae
from recipe.fast_vae import Fast, make
from recipe.linear_start import linear_start


@pytest.mark.parametrize("frames", [1, 5])
def test_the_fast_autoencoder_is_diffusers(frames):
    torch.manual_seed(0)
    ae = make(base=16).eval().requires_grad_(False)
    fast, x = Fast(ae, compiled=False), torch.randn(2, 3, frames, 32, 32) * .5
    z = ae.encode(x).latent_dist.mean
    assert torch.allclose(fast.encode(x), z, atol=1e-4 * z.abs().max())
    y = ae.decode(z).sample
    assert torch.allclose(fast.decode(z).clamp(-1, 1), y, atol=1e-4)


def test_the_linear_start_reconstructs():
    torch.manual_seed(0)
    ae = make()
    linear_start(ae, vae.tensor(vae.images(1, 64))[:, :, 0], .02)
    fast, x = Fast(ae, compiled=False), vae.tensor(vae.images(1000, 16))
    with torch.no_grad():
        assert vae.psnr(fast.decode(fast.encode(x)).clamp(-1, 1), x) > 24      # random weights: about 5


def test_what_looks_back_learns_and_images_keep_their_latents():
    torch.manual_seed(0)
    ae = make(base=16)
    vae.keep_encoder(ae, earlier_frames=True)
    fast, x = Fast(ae, compiled=False), torch.randn(1, 3, 5, 32, 32) * .5
    before, image = fast.encode(x).detach(), fast.encode(x[:, :, :1]).detach()
    fast.decode(fast.encode(x)).square().mean().backward()
    learnt = dict(vae.trained(ae, argparse.Namespace(start="folder", earlier_frames=True)))
    assert all(p.requires_grad and p.grad.abs().max() > 0 for p in learnt.values())
    with torch.no_grad():
        for p in learnt.values():
            p -= p.grad.sign() * .01
    after = fast.encode(x)
    assert torch.equal(fast.encode(x[:, :, :1]), image) and torch.equal(after[:, :, :1], before[:, :, :1])
    assert (after[:, :, 1:] - before[:, :, 1:]).abs().max() > .01
    assert not any(p.requires_grad for n, p in ae.named_parameters() if n not in learnt)
