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
