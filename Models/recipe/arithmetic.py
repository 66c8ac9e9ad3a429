"""Which numbers a CPU multiplies fastest: bf16 where it has instructions for them, f32 elsewhere (there bf16 is six to ten times
slower). What is saved is bf16 in either case."""
import torch

LOW = torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else torch.float32


def autocast():
    """Matrix products and convolutions inside are computed in LOW"""
    return torch.autocast("cpu", torch.bfloat16, enabled=LOW == torch.bfloat16)
