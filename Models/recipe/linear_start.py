"""Start the autoencoder at the linear solution: a hierarchical PCA down to the latents, and the least-squares way back.

Every residual branch ends in zeros, so what is left is linear. silu(x) - silu(-x) = x carries it exactly through the
norm + SiLU at both ends (channels hold +s and -s), and one channel of a constant K makes RMS norm nearly neutral there
(error |x|^2 / 2 K^2). A norm that sees K undoes it (gamma K / sqrt(C), 0 for K itself): otherwise the branches see
almost nothing, and every step of the optimizer moves the output by K times the rate.
"Nearest x2, then a 3x3 convolution" cannot write depth-to-space exactly; each such convolution is therefore the
least-squares map (ridge, closed form) to the encoder's features of its level. In time: down is the mean of a pair, up a
copy, causal taps see only the frame itself.
"""
import math

import torch
import torch.nn.functional as F
from diffusers.models.autoencoders.autoencoder_kl_wan import WanAttentionBlock, WanResidualBlock

from .fast_vae import Fast

K = 64.


@torch.no_grad()
def linear_start(ae, pictures, noise):
    """pictures [n, 3, H, W] in [-1, 1]: what the PCA is taken of; noise: the standard deviation the encoder reports"""
    _silence_branches(ae)
    pixels, levels = _encoder(ae, pictures, noise)
    _decoder(ae, pictures, pixels, levels)


def _silence_branches(ae):
    for m in ae.modules():
        if isinstance(m, torch.nn.Conv3d) and m.weight.shape[2:4] == (3, 3):
            m.weight[:, :, :2] = 0                         # of three taps in time only the frame itself
        if isinstance(m, WanResidualBlock):
            m.conv2.weight.zero_()
            m.conv2.bias.zero_()
            if not isinstance(m.conv_shortcut, torch.nn.Identity):
                w, k = m.conv_shortcut.weight, min(m.conv_shortcut.weight.shape[:2])
                w[:k] = 0
                w[:k, :k, 0, 0, 0] = torch.eye(k)
                w[k:] *= .3
                m.conv_shortcut.bias.zero_()
        if isinstance(m, WanAttentionBlock):
            m.proj.weight.zero_()
            m.proj.bias.zero_()


def _pass_through(conv, k):
    """The first k channels as they are"""
    conv.weight[:k] = 0
    conv.bias.zero_()
    middle = conv.weight.shape[-1] // 2
    conv.weight[:k, :k, -1, middle, middle] = torch.eye(k)


def _neutral(norms, k, value):
    """Norms that see the constant `value` in channel k"""
    for m in norms:
        m.gamma.fill_(value / m.gamma.numel() ** .5)
        m.gamma[k] = 0


def _patches(pictures, p):                     # in patchify's order
    n, c, H, W = pictures.shape
    return pictures.view(n, c, H // p, p, W // p, p).permute(0, 1, 5, 3, 2, 4).reshape(n, c * p * p, H // p, W // p)


def _encoder(ae, pictures, noise):
    """Each strided convolution is the PCA of 2x2 groups, in coordinates scaled by std^-1/2. Returns every level's features."""
    e, z = ae.encoder, ae.z_dim
    pixels = features = _patches(pictures, ae.config.patch_size)
    channels = pixels.shape[1]
    _pass_through(e.conv_in, channels)
    scale, levels = torch.ones(channels), []
    downs = [m for m in e.down_blocks if hasattr(m, "resample")]
    for m in downs:
        last = m is downs[-1]
        conv, k = m.resample[1], features.shape[1]
        w, out = conv.weight, conv.weight.shape[0]
        groups = F.pixel_unshuffle(features, 2)            # channel = (c, dy, dx)
        rows = groups.permute(0, 2, 3, 1).reshape(-1, 4 * k)
        mean = rows.mean(0)
        _, vectors = torch.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
        u = vectors.flip(1).T[:min(out - (z + 1 if last else 0), 4 * k)]       # rows: components, largest first
        features = F.conv2d(groups - mean.view(1, -1, 1, 1), u[..., None, None])
        std = features.std((0, 2, 3)).clamp_min(1e-3)
        s = std ** -.5
        s = s / (std * s)[:z if last else None].square().mean().sqrt()
        full = (u.view(-1, k, 2, 2) / scale.view(1, -1, 1, 1)) * s.view(-1, 1, 1, 1)     # undo the old scale, rotate, scale anew
        bias = -(u @ mean) * s
        w.zero_()
        conv.bias.zero_()
        if last:                                           # +s, -s, the constant, further components for the branches
            w[:z, :k, :2, :2], w[z:2 * z, :k, :2, :2], w[2 * z + 1:z + 1 + len(u), :k, :2, :2] = full[:z], -full[:z], full[z:]
            conv.bias[:z], conv.bias[z:2 * z], conv.bias[2 * z + 1:z + 1 + len(u)] = bias[:z], -bias[:z], bias[z:]
            shortcut = e.down_blocks[-ae.config.num_res_blocks].conv_shortcut
            if isinstance(shortcut, torch.nn.Identity):
                conv.bias[2 * z] = K
            else:                                          # strided and time convolutions see 1; only the branches see K
                conv.bias[2 * z] = 1
                shortcut.weight[2 * z, 2 * z] = K
        else:
            w[:len(u), :k, :2, :2], conv.bias[:len(u)] = full, bias
        if hasattr(m, "time_conv"):
            t = m.time_conv.weight
            t.zero_()
            m.time_conv.bias.zero_()
            t[:, :, 1, 0, 0] = t[:, :, 2, 0, 0] = .5 * torch.eye(len(t))
        scale = s
        levels.append(features * s.view(1, -1, 1, 1))
    first, *tail = list(e.down_blocks)[-ae.config.num_res_blocks:] + list(e.mid_block.resnets)
    _neutral([m.norm1 for m in tail] + [e.mid_block.attentions[0].norm, e.norm_out], 2 * z, K)
    if isinstance(first.conv_shortcut, torch.nn.Identity):
        _neutral([first.norm1], 2 * z, K)
    e.conv_out.weight.zero_()
    e.conv_out.bias.zero_()
    e.conv_out.bias[z:] = 2 * math.log(noise)
    e.conv_out.weight[:z, :z, -1, 1, 1], e.conv_out.weight[:z, z:2 * z, -1, 1, 1] = torch.eye(z), -torch.eye(z)
    _pass_through(ae.quant_conv, 2 * z)
    return pixels, levels


def _least_squares(features, target, conv_channels):
    """The 3x3 convolution behind nearest x2 that comes nearest to the target: weight, bias"""
    A = B = 0
    for x, y in zip(features.split(8), target.split(8)):
        q = F.unfold(F.interpolate(x, scale_factor=2, mode="nearest"), 3, padding=1).transpose(1, 2).reshape(-1, 9 * conv_channels).double()
        q = torch.cat([q, torch.ones(len(q), 1)], 1)
        A = A + q.T @ q
        B = B + q.T @ y.permute(0, 2, 3, 1).reshape(len(q), -1).double()
    A = A + 1e-5 * A.diagonal().mean() * torch.eye(len(A), dtype=A.dtype)
    solution = torch.linalg.solve(A, B).float()
    return solution[:-1].T.reshape(-1, conv_channels, 3, 3), solution[-1]


def _decoder(ae, pictures, pixels, levels):
    d, fast, n = ae.decoder, Fast(ae, False), len(pictures)
    _pass_through(d.conv_in, ae.z_dim)
    _pass_through(ae.post_quant_conv, ae.z_dim)
    x = fast.mid(d.mid_block, fast.conv(d.conv_in, fast.encode(pictures[:, :, None]).squeeze(2), n), n)
    targets = levels[:-1][::-1] + [pixels]
    ups = [u for u in d.up_blocks if u.upsamplers is not None]
    for u, target in zip(ups, targets):
        m = u.upsamplers[0]
        conv = m.resample[1]
        x = fast.run(u.resnets, x, n)
        if hasattr(m, "time_conv"):
            t, c = m.time_conv.weight, m.time_conv.weight.shape[1]
            t.zero_()
            m.time_conv.bias.zero_()
            t[:c, :, 2, 0, 0] = t[c:, :, 2, 0, 0] = torch.eye(c)
        w, b = _least_squares(x, target[:, :conv.weight.shape[0]], x.shape[1])
        k = len(w)
        conv.bias.zero_()
        conv.weight[:k], conv.bias[:k] = w, b
        if u is ups[-1]:
            conv.weight[k:2 * k], conv.bias[k:2 * k] = -w, -b
            conv.weight[2 * k] = 0
            conv.bias[2 * k] = K / 2
        x = fast.up(m, x, n)
    k = pixels.shape[1]
    _neutral([m.norm1 for m in d.up_blocks[-1].resnets] + [d.norm_out], 2 * k, K / 2)
    d.conv_out.weight.zero_()
    d.conv_out.bias.zero_()
    d.conv_out.weight[:, :k, -1, 1, 1], d.conv_out.weight[:, k:2 * k, -1, 1, 1] = torch.eye(k), -torch.eye(k)
