"""The transformer, for training: the numbers of diffusers' WanTransformer3DModel, computed several times faster on a CPU.

Parameters live in an ordinary WanTransformer3DModel (so its state dict is what is saved); `Wan` reads them and runs
 * in bf16 (where the CPU has it) with an f32 residual stream, one compiled block (torch.compile fuses norms, modulation, rope and gelu);
 * with q, k and v fused, and the rows of q and k permuted so that rope turns contiguous halves of a head instead of
   adjacent pairs (q.k does not change under a common permutation);
 * with the 512 - n zero rows of a padded prompt folded into one: identical keys with identical values weigh as one key
   with log(512 - n) added to its score;
 * with a time for every token where the first latent frame is given: its tokens have time 0, the others the clip's (two
   modulations, of which each token takes one).
"""
import math

import torch
import torch.nn.functional as F
from diffusers import WanTransformer3DModel

from .arithmetic import LOW

TEXT_ROWS = 512
torch._dynamo.config.recompile_limit = 32      # batch shapes x training or not


def build(dim=256, layers=6, ffn=1024, text_dim=256, heads=4):
    return WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=heads, attention_head_dim=dim // heads, in_channels=16, out_channels=16,
        text_dim=text_dim, freq_dim=256, ffn_dim=ffn, num_layers=layers, cross_attn_norm=True, qk_norm="rms_norm_across_heads",
        rope_max_seq_len=64)


@torch.no_grad()
def initialise(model):
    """Start with the padded rows of a prompt almost invisible to the cross-attention.

    They are ~495 of 512 keys, so under plain initial weights a prompt's words would get 3 % of the attention (and of the
    gradient). The padding's context is zero at the start; its key is then the bias of to_k alone, which the RMS norm
    blows up to full length: pointing against the bias of to_q it scores about -7, while words stay near 0.
    """
    embed = model.condition_embedder.text_embedder
    for linear in (embed.linear_1, embed.linear_2):
        torch.nn.init.normal_(linear.weight, std=1.4 / math.sqrt(linear.in_features))
        linear.bias.zero_()
    for block in model.blocks:
        attention = block.attn2
        direction = torch.randn_like(attention.to_q.bias).sign()
        attention.to_q.bias.copy_(direction * .8)
        attention.to_k.bias.copy_(direction * -.05)
        for linear in (attention.to_q, attention.to_k, attention.to_v):
            torch.nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features) * (.7 if linear is attention.to_q else 1))
        attention.to_out[0].weight.mul_(.5)
    model.proj_out.weight.zero_()
    model.proj_out.bias.zero_()


def pad_bias(lengths, rows):
    """[B] prompt lengths -> [B, rows + 1]: 0 for words, -inf behind them, log(512 - n) for the one row of padding, which is last"""
    words = torch.arange(rows)[None] < lengths[:, None]
    bias = torch.zeros(len(lengths), rows).masked_fill(~words, -1e4)
    return torch.cat([bias, (TEXT_ROWS - lengths).float().log()[:, None]], 1)


def _norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def _rms(x, weight):
    x = x.float()
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * weight


def _rope(x, cos, sin):                        # x [B, N, H, D], halves of D rotate against each other
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def _attend(q, k, v, bias):                    # [B, H, N, D]; written out: its backward pass is faster than the fused kernel's
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -.5
    if bias is not None:
        scores = scores + bias
    return scores.softmax(-1).to(v.dtype) @ v


def _for_tokens(modulation, tokens, given):
    """[B, 1, d] as it is; [B, 2, d]: the first for the first `given` tokens, the second for the others -> [B, tokens, d]"""
    if not given:
        return modulation
    first = (torch.arange(tokens) < given)[:, None]
    return torch.where(first, modulation[:, :1], modulation[:, 1:])


def _block(x, mod, context, bias, cos, sin, w, heads, given):
    """x f32 [B, N, d]; mod f32 [B, times, 6, d]; context [B, L, d]; bias [B, 1, 1, L]; given: how many tokens have the first
    of two times"""
    (qkv, qkv_b, nq, nk, out, out_b, n2, n2_b, q2, q2_b, kv2, kv2_b, nq2, nk2, out2, out2_b, up, up_b, down, down_b) = w
    B, N, d = x.shape
    D, L, half = d // heads, context.shape[1], x.dtype
    shift1, scale1, gate1, shift2, scale2, gate2 = (_for_tokens(m, N, given) for m in mod.unbind(2))
    low = torch.bfloat16 if qkv.dtype == torch.bfloat16 else half

    h = (_norm(x) * (1 + scale1) + shift1).to(low)
    q, k, v = F.linear(h, qkv, qkv_b).chunk(3, -1)
    q = _rope(_rms(q, nq).view(B, N, heads, D), cos, sin).to(low).transpose(1, 2)
    k = _rope(_rms(k, nk).view(B, N, heads, D), cos, sin).to(low).transpose(1, 2)
    h = _attend(q, k, v.reshape(B, N, heads, D).transpose(1, 2), None).transpose(1, 2).reshape(B, N, d)
    x = x + gate1 * F.linear(h, out, out_b)

    h = (_norm(x) * n2 + n2_b).to(low)
    q = _rms(F.linear(h, q2, q2_b), nq2).to(low).view(B, N, heads, D).transpose(1, 2)
    k, v = F.linear(context, kv2, kv2_b).chunk(2, -1)
    k = _rms(k, nk2).to(low).view(B, L, heads, D).transpose(1, 2)
    h = _attend(q, k, v.reshape(B, L, heads, D).transpose(1, 2), bias)
    x = x + F.linear(h.transpose(1, 2).reshape(B, N, d), out2, out2_b)

    h = (_norm(x) * (1 + scale2) + shift2).to(low)
    h = F.gelu(F.linear(h, up, up_b), approximate="tanh")
    return x + gate2 * F.linear(h, down, down_b)


class Wan:
    """Runs a WanTransformer3DModel. Call `prepare` after its parameters changed (once a step), then the object itself."""

    def __init__(self, model, dtype=LOW, compiled=True):
        self.model, self.dtype = model, dtype
        self.heads = model.config.num_attention_heads
        self.block = torch.compile(_block, dynamic=False) if compiled else _block
        D = model.config.attention_head_dim
        order = torch.cat([torch.arange(0, D, 2), torch.arange(1, D, 2)])
        self.order = torch.cat([h * D + order for h in range(self.heads)])
        self.tables = {}
        self.weights = None
        self.middle = None                         # [B, tokens, d], what the last call had half-way

    def prepare(self):
        low, order, p = self.dtype, self.order, []
        for b in self.model.blocks:
            a, c, f = b.attn1, b.attn2, b.ffn.net
            qkv = torch.cat([a.to_q.weight[order], a.to_k.weight[order], a.to_v.weight])
            qkv_b = torch.cat([a.to_q.bias[order], a.to_k.bias[order], a.to_v.bias])
            kv2, kv2_b = torch.cat([c.to_k.weight, c.to_v.weight]), torch.cat([c.to_k.bias, c.to_v.bias])
            w = (qkv, qkv_b, a.norm_q.weight[order], a.norm_k.weight[order], a.to_out[0].weight, a.to_out[0].bias,
                 b.norm2.weight, b.norm2.bias, c.to_q.weight, c.to_q.bias, kv2, kv2_b, c.norm_q.weight, c.norm_k.weight,
                 c.to_out[0].weight, c.to_out[0].bias, f[0].proj.weight, f[0].proj.bias, f[2].weight, f[2].bias)
            f32 = {2, 3, 6, 7, 12, 13}             # the norms' weights
            p.append(tuple(t if i in f32 else t.to(low) for i, t in enumerate(w)))
        self.weights = p
        return self

    def rope(self, frames, H, W):
        if (frames, H, W) not in self.tables:
            r = self.model.rope(torch.empty(1, 1, frames[-1] + 1, H * 2, W * 2))
            rows = torch.cat([torch.arange(f * H * W, (f + 1) * H * W) for f in frames])
            self.tables[frames, H, W] = r[0][0][rows, ..., 0::2].contiguous(), r[1][0][rows, ..., 1::2].contiguous()
        return self.tables[frames, H, W]

    def context(self, words, lengths):
        """Encoder output [B, L, text_dim] -> what blocks attend to: (words and one row of padding through the text embedder, bias)"""
        rows = F.pad(words, (0, 0, 0, 1))
        rows[:, :-1] = rows[:, :-1] * (torch.arange(words.shape[1])[None, :, None] < lengths[:, None, None])
        e, low = self.model.condition_embedder.text_embedder, self.dtype
        h = F.gelu(F.linear(rows.to(low), e.linear_1.weight.to(low), e.linear_1.bias.to(low)), approximate="tanh")
        h = F.linear(h, e.linear_2.weight.to(low), e.linear_2.bias.to(low))
        return h, pad_bias(lengths, words.shape[1])[:, None, None]

    def __call__(self, x, sigma, context, frames=None, first=None):
        """Velocity. x f32 [B, 16, T, H, W], sigma [B] in 0..1, context from `context`; frames: which ones x holds, ascending
        (all from 0 on unless named). first [B, 16, 1, H, W]: the first latent frame is given; it is seen clean, whatever x has in
        its place, and its velocity is 0."""
        m, low = self.model, self.dtype
        B, C, T, H, W = x.shape
        h, w = H // 2, W // 2
        given, times = 0, sigma.float()[:, None]
        if first is not None:
            given, times = h * w, torch.cat([torch.zeros_like(times), times], 1)
            x = torch.cat([first, x[:, :, 1:]], 2)
        tokens = x.view(B, C, T, h, 2, w, 2).permute(0, 2, 3, 5, 1, 4, 6).reshape(B, T * h * w, C * 4)
        y = F.linear(tokens.to(low), m.patch_embedding.weight.flatten(1).to(low), m.patch_embedding.bias.to(low)).float()
        e = m.condition_embedder
        temb = e.time_embedder(e.timesteps_proj(times.flatten() * 1000)).view(*times.shape, -1)
        mod = e.time_proj(F.silu(temb)).unflatten(-1, (6, -1))
        cos, sin = self.rope(tuple(frames or range(T)), h, w)
        words, bias = context
        for i, (b, weights) in enumerate(zip(m.blocks, self.weights)):
            if i == len(self.weights) // 2:
                self.middle = y
            y = self.block(y, b.scale_shift_table + mod, words, bias, cos, sin, weights, self.heads, given)
        shift, scale = (_for_tokens(part + temb, y.shape[1], given) for part in m.scale_shift_table.chunk(2, 1))
        y = F.linear((_norm(y) * (1 + scale) + shift).to(low), m.proj_out.weight.to(low), m.proj_out.bias.to(low)).float()
        v = y.view(B, T, h, w, 2, 2, C).permute(0, 6, 1, 2, 4, 3, 5).reshape(B, C, T, H, W)
        return v if first is None else torch.cat([torch.zeros_like(first), v[:, :, 1:]], 2)
