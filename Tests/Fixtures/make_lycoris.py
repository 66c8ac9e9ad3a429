"""LoHa, LoKr and Tucker's form of LoRA on convolutions, as the modules of LyCORIS compute them.

    pip install torch diffusers==0.42.1 safetensors lycoris-lora==4.1.3 && python make_lycoris.py

`lora/convolutions.safetensors` has a module of each kind and form, `lora/convolutions_golden.safetensors` the weights they are put
on (`kernel1`, `kernel3`), an input and, for each module and stride, what LyCORIS's own forward gives. Each is held against the
formulas of arXiv 2309.14859 in numpy first. `sdxl-tiny/lora/lycoris_*.safetensors` have some of them on a U-Net, whose outputs
become the checks `unet_lora_*` of `sdxl-tiny/manifest.json`.
"""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from lycoris.modules import LoConModule, LohaModule, LokrModule
from safetensors.torch import load_file, save_file

here = Path(__file__).resolve().parent
torch.manual_seed(33)
INPUTS, OUTPUTS = 36, 30


def randomise(module, size):
    """Values that float32 holds exactly."""
    for parameter in module.parameters():
        parameter.data = (torch.randn(parameter.shape) * size).to(parameter.dtype)
    return module


def parts(module):
    return {k: v.detach().float().contiguous() for k, v in module.custom_state_dict().items()}


def delta(p, shape):
    """The change of a weight by the paper's formulas, from what is in a file."""
    p = {k: v.double().numpy() for k, v in p.items()}
    tucker = lambda core, up, down: np.einsum("ij...,ip,jr->pr...", core, up, down)
    if "lora_up.weight" in p:
        rank = len(p["lora_down.weight"])
        up, down = p["lora_up.weight"].reshape(-1, rank), p["lora_down.weight"].reshape(rank, -1)
        whole = tucker(p["lora_mid.weight"], up.T, down) if "lora_mid.weight" in p else up @ down
    elif "hada_w1_a" in p:
        rank = len(p["hada_w1_b"])
        one, two = (
            tucker(p[f"hada_t{i}"], p[f"hada_w{i}_a"], p[f"hada_w{i}_b"]) if f"hada_t{i}" in p else p[f"hada_w{i}_a"] @ p[f"hada_w{i}_b"]
            for i in (1, 2))
        whole = one * two
    else:
        rank = len(p["lokr_w2_b"]) if "lokr_w2_b" in p else len(p["lokr_w1_b"]) if "lokr_w1_b" in p else None
        left = p["lokr_w1"] if "lokr_w1" in p else p["lokr_w1_a"] @ p["lokr_w1_b"]
        if "lokr_w2" in p:
            right = p["lokr_w2"]
        elif "lokr_t2" in p:
            right = tucker(p["lokr_t2"], p["lokr_w2_a"], p["lokr_w2_b"])
        else:
            right = p["lokr_w2_a"] @ p["lokr_w2_b"]
        whole = np.kron(left, right.reshape(len(right), -1))
    return whole.reshape(shape) * (float(p["alpha"]) / rank if rank else 1)


def single_layers():
    # Whole w1 and w2 (rank 16), w2 of two factors (rank 2), both of two factors (decompose_both).
    cases = {}
    for side in (1, 3):
        cases |= {
            f"locon_{side}": (LoConModule, dict(lora_dim=3, alpha=2)),
            f"loha_{side}": (LohaModule, dict(lora_dim=3, alpha=2)),
            f"lokr_whole_{side}": (LokrModule, dict(lora_dim=16, alpha=2)),
            f"lokr_right_{side}": (LokrModule, dict(lora_dim=2, alpha=3)),
            f"lokr_both_{side}": (LokrModule, dict(lora_dim=2, alpha=3, decompose_both=True)),
        }
    cases |= {
        "locon_tucker_3": (LoConModule, dict(lora_dim=3, alpha=2, use_tucker=True)),
        "loha_tucker_3": (LohaModule, dict(lora_dim=3, alpha=2, use_tucker=True)),
        "lokr_tucker_3": (LokrModule, dict(lora_dim=2, alpha=3, use_tucker=True)),
    }
    x = torch.randn(1, INPUTS, 5, 4)
    bias = torch.randn(OUTPUTS)
    weights = {side: torch.randn(OUTPUTS, INPUTS, side, side) / (INPUTS * side * side) ** 0.5 for side in (1, 3)}
    golden = {"x": x, "bias": bias} | {f"kernel{side}": weight for side, weight in weights.items()}
    file = {}
    for name, (kind, settings) in cases.items():
        side = int(name[-1])
        module = None
        for stride in (1, 2):
            layer = torch.nn.Conv2d(INPUTS, OUTPUTS, side, stride=stride, padding=side // 2).double()
            layer.weight.data, layer.bias.data = weights[side].double(), bias.double()
            known = module and module.state_dict()
            module = kind(name, layer, **settings).double()
            module.load_state_dict(known) if known else randomise(module, 0.5)
            with torch.no_grad():
                y = module(x.double())
                whole = layer.weight + torch.from_numpy(delta(parts(module), layer.weight.shape))
                plain = torch.nn.functional.conv2d(x.double(), whole, layer.bias, stride, side // 2)
            assert (y - plain).abs().max() < 1e-6 * y.abs().max(), name
            golden[f"{name}.stride{stride}"] = y.float().permute(0, 2, 3, 1).contiguous()
        file |= {f"{name}.{k}": v for k, v in parts(module).items()}
    golden["x"] = x.permute(0, 2, 3, 1).contiguous()
    save_file(file, here / "lora/convolutions.safetensors")
    save_file(golden, here / "lora/convolutions_golden.safetensors")


def unet():
    folder = here / "sdxl-tiny"
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    inputs = {k: v for k, v in load_file(folder / "reference/unet_lora_conv_s1.safetensors").items() if k.startswith("in.")}
    template = next(c for c in manifest["checks"] if c["name"] == "unet_lora_conv_s1")
    layers = [
        "down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv", "down_blocks.2.resnets.0.conv_shortcut",
        "up_blocks.0.upsamplers.0.conv", "mid_block.resnets.0.conv2", "conv_out",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"]
    # Sides of the blocks are small: a rank of 2 leaves w2 of a LoKr in two factors.
    variants = {
        "loha": ("lora_unet_", LohaModule, [dict(use_tucker=i % 2 == 1) for i in range(7)], 1.0),
        "lokr": ("lycoris_", LokrModule, [dict(use_tucker=i % 3 == 1, full_matrix=i % 3 == 2) for i in range(7)], 0.5),
        "locon_tucker": ("lora_unet_", LoConModule, [dict(use_tucker=True)] * 7, 1.0),
    }
    manifest["checks"] = [c for c in manifest["checks"] if c["name"] not in {f"unet_lora_{v}" for v in variants}]
    place = manifest["checks"].index(template) + 1
    for variant, (prefix, kind, settings, strength) in variants.items():
        network = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float64)
        before = {k: v.clone() for k, v in network.state_dict().items()}
        file, changes, modules = {}, {}, []
        for name, setting in zip(layers, settings):
            layer = network.get_submodule(name)
            stem = prefix + name.replace(".", "_")
            module = kind(stem, layer, multiplier=strength, lora_dim=2, alpha=1, **setting).double()
            randomise(module, 0.4)
            file |= {f"{stem}.{k}": v for k, v in parts(module).items()}
            changes[name] = strength * torch.from_numpy(delta(parts(module), layer.weight.shape))
            module.apply_to()
            modules.append(module)
        wide = {k.removeprefix("in."): v.double() for k, v in inputs.items()}
        with torch.no_grad():
            sample = network(
                wide["hidden_states"], wide["timestep"], wide["encoder_hidden_states"],
                added_cond_kwargs={k: wide[k] for k in ("text_embeds", "time_ids")}).sample
        outputs = {"sample": sample.float()}
        for name in (layers[0], layers[1], layers[-1]):
            outputs[f"fused.{name}.weight"] = (before[f"{name}.weight"] + changes[name]).float()
        check = f"unet_lora_{variant}"
        path = f"lora/lycoris_{variant}.safetensors"
        save_file(file, folder / path)
        save_file(inputs | {f"out.{k}": v.contiguous() for k, v in outputs.items()}, folder / f"reference/{check}.safetensors")
        manifest["checks"].insert(place, template | {
            "name": check, "file": f"reference/{check}.safetensors",
            "description": "whole network with modules of LyCORIS 4.1.3 on convolutions and a linear layer (make_lycoris.py)",
            "params": {"files": [path], "rank": 2, "alpha": 1.0, "strength": strength},
            "outputs": {
                k: {"shape": list(v.shape), "dtype": "float32", "std": round(float(v.std()), 4), "absmax": round(float(v.abs().max()), 4)}
                for k, v in outputs.items()}})
        place += 1
        print(check, float(sample.std()), sorted({k.rsplit(".", 1)[-1] for k in file}))
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")


single_layers()
unet()
