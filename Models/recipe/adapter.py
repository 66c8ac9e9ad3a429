"""An expert as a LoRA on another: what lets a generator of four experts ride on the two that are there already.

Distilled experts are neighbours (100 updates from a common start move a weight by 0.3 %), and most of the difference lies in a
few directions: a truncated singular value decomposition keeps those that explain most of it for their bytes.
"""
import torch
from safetensors.torch import save_file


def vector_key(name):
    """A whole tensor's module and ending in a LoRA file"""
    for suffix, ending in ((".weight", ".diff"), (".bias", ".diff_b")):
        if name.endswith(suffix):
            return name.removesuffix(suffix), ending
    return name.removesuffix("scale_shift_table").removesuffix(".") or "head", ".diff_m"


@torch.no_grad()
def write(path, expert, base, bytes_left):
    """Write `expert - base` (two models of one form, in f32: the rounding of a stored base is not worth a rank) in diffusers'
    LoRA names, of at most `bytes_left` of tensors, and return the share of the difference's energy that is kept.

    Vectors (biases, norms, modulations) go in whole; then singular directions of all matrices, the best first by energy for
    their size, so that ranks differ from matrix to matrix."""
    of_base = base.state_dict()
    tensors, directions, total, kept = {}, [], 0., 0.
    for name, p in expert.state_dict().items():
        delta = p - of_base[name]
        energy = delta.square().sum().item()
        total += energy
        if delta.ndim == 1 or not name.endswith(".weight"):
            module, ending = vector_key(name)
            tensors[f"transformer.{module}{ending}"] = delta.bfloat16()
            bytes_left -= 2 * delta.numel()
            kept += energy
            continue
        u, s, v = torch.linalg.svd(delta.flatten(1), full_matrices=False)
        module = name.removesuffix(".weight")
        directions += [(s[k].square().item() / (u.shape[0] + v.shape[1]), k, module, u, s, v) for k in range(len(s))]
    ranks = {}
    for worth, k, module, u, s, v in sorted(directions, key=lambda d: -d[0]):
        cost = 2 * (u.shape[0] + v.shape[1])
        if cost > bytes_left:
            break
        bytes_left -= cost
        kept += s[k].square().item()
        ranks[module] = (k + 1, u, s, v)
    for module, (rank, u, s, v) in ranks.items():
        root = s[:rank].sqrt()
        tensors[f"transformer.{module}.lora_A.weight"] = (root[:, None] * v[:rank]).bfloat16().contiguous()
        tensors[f"transformer.{module}.lora_B.weight"] = (u[:, :rank] * root).bfloat16().contiguous()
    save_file(tensors, path)
    return kept / total
