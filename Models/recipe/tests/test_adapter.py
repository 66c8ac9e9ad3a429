"""LoRA files against the difference they stand for."""
import copy

import torch
from safetensors.torch import load_file

from recipe import adapter, wan


def models():
    torch.manual_seed(1)
    base = wan.build()
    expert = copy.deepcopy(base)
    with torch.no_grad():
        for p in expert.parameters():
            # a few strong directions and much weak noise, as training leaves it
            p.add_(1e-4 * torch.randn_like(p))
            if p.ndim == 2:
                p.add_(1e-2 * torch.randn(p.shape[0], 3) @ torch.randn(3, p.shape[1]))
    return expert, base


def applied(base, path):
    """The base with a file's updates, by the names a reader of LoRA files goes by"""
    state, tensors = {k: v.clone() for k, v in base.state_dict().items()}, {k: v.float() for k, v in load_file(path).items()}
    for key, value in tensors.items():
        module = key.removeprefix("transformer.")
        if key.endswith(".lora_A.weight"):
            target = module.replace(".lora_A", "")
            state[target] += (tensors[key.replace("lora_A", "lora_B")] @ value).view(state[target].shape)
        elif key.endswith(".diff"):
            state[module.removesuffix(".diff") + ".weight"] += value
        elif key.endswith(".diff_b"):
            state[module.removesuffix(".diff_b") + ".bias"] += value
        elif key.endswith(".diff_m"):
            state[(module.removesuffix("diff_m") + "scale_shift_table").removeprefix("head.")] += value
    return state


def left(expert, state):
    return sum((p - state[name]).square().sum().item() for name, p in expert.state_dict().items())


def test_what_is_kept_is_what_the_file_holds(tmp_path):
    expert, base = models()
    whole = left(expert, base.state_dict())
    shares = []
    for size in (200_000, 800_000):
        path = str(tmp_path / "lora.safetensors")
        kept = adapter.write(path, expert, base, size)
        held = sum(t.numel() * t.element_size() for t in load_file(path).values())
        assert size - 6000 < held <= size
        assert abs(1 - left(expert, applied(base, path)) / whole - kept) < 1e-3
        shares.append(kept)
    assert .3 < shares[0] < shares[1] and shares[1] > .95      # three directions a matrix, and all vectors, fit in the second


def test_patches_are_a_matrix_and_the_head_has_a_table(tmp_path):
    expert, base = models()
    path = str(tmp_path / "lora.safetensors")
    adapter.write(path, expert, base, 2_000_000)
    keys = load_file(path)
    assert keys["transformer.patch_embedding.lora_A.weight"].shape[1] == base.patch_embedding.weight[0].numel()
    assert {"transformer.head.diff_m", "transformer.blocks.0.diff_m", "transformer.patch_embedding.diff_b"} <= set(keys)
