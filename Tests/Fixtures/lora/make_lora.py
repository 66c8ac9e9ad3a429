"""Adapters of a small network in the forms that tools write, and the weights that numpy merges them to.

    pip install numpy safetensors && python make_lora.py

`network.safetensors` has the names of diffusers. `merged.safetensors` has, for each file and each layer that it changes,
W + scale * delta in float64 arithmetic, as float32: `FILE/LAYER`. kron and the element-wise product are numpy's own.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

here = Path(__file__).resolve().parent
rng = np.random.default_rng(21)
WIDTH, INNER = 12, 24
LAYERS = {}
for b in range(2):
    for x in ("to_q", "to_k", "to_v", "to_out.0"):
        LAYERS[f"blocks.{b}.attn1.{x}"] = (WIDTH, WIDTH)
    LAYERS[f"blocks.{b}.ffn.net.0.proj"], LAYERS[f"blocks.{b}.ffn.net.2"] = (INNER, WIDTH), (WIDTH, INNER)
LAYERS["patch_embedding"], LAYERS["proj_out"] = (WIDTH, 16), (16, WIDTH)


def f32(*shape):
    return rng.uniform(-1, 1, shape).astype(np.float32)


network = {f"{k}.weight": f32(*s) for k, s in LAYERS.items()} | {f"{k}.bias": f32(s[0]) for k, s in LAYERS.items()}
network["patch_embedding.weight"] = network["patch_embedding.weight"].reshape(WIDTH, 4, 1, 2, 2)
network["blocks.0.norm2.weight"] = f32(WIDTH)
save_file(network, here / "network.safetensors")

# The names of the original repositories.
THEIRS = {"attn1.to_q": "self_attn.q", "attn1.to_k": "self_attn.k", "attn1.to_v": "self_attn.v", "attn1.to_out.0": "self_attn.o",
          "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2"}
merged = {}


def theirs(layer):
    block, part = layer.split(".", 2)[:2], layer.split(".", 2)[2]
    return ".".join(block) + "." + THEIRS[part]


def put(name, tensors, changes, metadata=None, folder=""):
    """changes: layer -> change in float64, or bias or norm key -> change."""
    path = here / folder
    path.mkdir(exist_ok=True)
    save_file(tensors, path / (name + ".safetensors"), metadata)
    for layer, change in changes.items():
        key = layer if layer.endswith((".weight", ".bias")) else layer + ".weight"
        base = network[key].astype(np.float64)
        merged[f"{folder or name}/{layer}"] = (base + np.asarray(change, np.float64).reshape(base.shape)).astype(np.float32)


def wide(x):
    return x.astype(np.float64)


def pairs(layers, rank=3):
    return {k: (f32(rank, LAYERS[k][1]), f32(LAYERS[k][0], rank)) for k in layers}


def product(pair, scale=1.0):
    return scale * (wide(pair[1]) @ wide(pair[0]))


block0 = [f"blocks.0.{x}" for x in THEIRS]

# kohya's underscores, with one alpha for each module.
p = pairs(block0)
for name, prefix in (("kohya", "lora_unet_"), ("two_underscores", "lora_unet__")):
    t = {}
    for k, (down, up) in p.items():
        stem = prefix + theirs(k).replace(".", "_")
        t |= {stem + ".lora_down.weight": down, stem + ".lora_up.weight": up, stem + ".alpha": np.array(1.5, np.float32)}
    put(name, t, {k: product(v, 0.5) for k, v in p.items()})
# The same with diffusers' names, whose to_out.0 also loses its dot.
t = {}
for k, (down, up) in p.items():
    stem = "lora_unet_" + k.replace(".", "_")
    t |= {stem + ".lora_down.weight": down, stem + ".lora_up.weight": up, stem + ".alpha": np.array(1.5, np.float32)}
put("kohya_diffusers", t, {k: product(v, 0.5) for k, v in p.items()})

# Prefixes and endings of PEFT and DiffSynth; no alpha.
for name, prefix, middle in (("peft_keys", "base_model.model.", ""), ("diffsynth", "pipe.dit.", ".default"), ("nested", "base_model.model.diffusion_model.", ".default")):
    t = {}
    for k, (down, up) in p.items():
        t |= {f"{prefix}{theirs(k)}.lora_A{middle}.weight": down, f"{prefix}{theirs(k)}.lora_B{middle}.weight": up}
    put(name, t, {k: product(v) for k, v in p.items()})

# PEFT's folder: ranks and alphas by module, scaled by the root of the rank.
q = pairs(block0) | pairs(["blocks.0.ffn.net.0.proj"], rank=5)
alphas = {k: 8.0 for k in q} | {"blocks.0.attn1.to_k": 3.0, "blocks.0.attn1.to_v": 2.0}
t = {}
for k, (down, up) in q.items():
    t |= {f"base_model.model.{theirs(k)}.lora_A.weight": down, f"base_model.model.{theirs(k)}.lora_B.weight": up}
put("adapter_model", t, {k: product(v, alphas[k] / np.sqrt(v[0].shape[0])) for k, v in q.items()}, folder="peft")
(here / "peft/adapter_config.json").write_text(json.dumps({
    "peft_type": "LORA", "r": 3, "lora_alpha": 8, "use_rslora": True, "use_dora": False, "rank_pattern": {"ffn.0": 5},
    "alpha_pattern": {"self_attn.k": 3, "^blocks.0.self_attn.v": 2}, "target_modules": ["q", "k", "v", "o", "ffn.0", "ffn.2"]}, indent=1))

# LoKr: each factor whole or of two.
lokr, change = {}, {}
def left(): return f32(3, 4)
for i, k in enumerate(["blocks.0.attn1.to_q", "blocks.0.attn1.to_k", "blocks.0.attn1.to_v", "blocks.0.ffn.net.0.proj", "blocks.0.ffn.net.2"]):
    out, inputs = LAYERS[k]
    stem = "lycoris_" + theirs(k).replace(".", "_") if i % 2 else "diffusion_model." + theirs(k)
    w1, w2, scale = f32(3, 4), f32(out // 3, inputs // 4), 1.0
    t = {stem + ".alpha": np.array(4, np.float32)}
    if i in (1, 3):
        a, b = f32(out // 3, 2), f32(2, inputs // 4)
        w2, scale = wide(a) @ wide(b), 4 / 2
        t |= {stem + ".lokr_w2_a": a, stem + ".lokr_w2_b": b}
    else:
        t |= {stem + ".lokr_w2": w2}
    if i in (2, 3):
        a, b = f32(3, 2), f32(2, 4)
        w1, scale = wide(a) @ wide(b), 4 / 2
        t |= {stem + ".lokr_w1_a": a, stem + ".lokr_w1_b": b}
    else:
        t |= {stem + ".lokr_w1": w1}
    lokr |= t
    change[k] = scale * np.kron(wide(w1), wide(w2))
put("lokr", lokr, change)

# LoHa, also of a rank whose square is taken in several parts.
loha, change = {}, {}
for k, rank in (("blocks.0.attn1.to_q", 2), ("blocks.0.ffn.net.0.proj", 13), ("blocks.0.ffn.net.2", 3)):
    out, inputs = LAYERS[k]
    stem = "lora_unet_" + theirs(k).replace(".", "_")
    a1, b1, a2, b2 = f32(out, rank), f32(rank, inputs), f32(out, rank), f32(rank, inputs)
    loha |= {stem + ".hada_w1_a": a1, stem + ".hada_w1_b": b1, stem + ".hada_w2_a": a2, stem + ".hada_w2_b": b2, stem + ".alpha": np.array(1, np.float32)}
    change[k] = (wide(a1) @ wide(b1)) * (wide(a2) @ wide(b2)) / rank
put("loha", loha, change)

# One matrix for queries, keys and values, whose rows lie below each other.
parts = ["to_q", "to_k", "to_v"]
for name, stem in (("fused", "diffusion_model.blocks.1.attention.qkv"), ("fused_kohya", "lora_unet_blocks_1_attention_qkv")):
    down, up = f32(3, WIDTH), f32(3 * WIDTH, 3)
    whole = product((down, up), 2.0)
    put(name, {stem + ".lora_down.weight": down, stem + ".lora_up.weight": up, stem + ".alpha": np.array(6, np.float32)},
        {f"blocks.1.attn1.{x}": whole[i * WIDTH:(i + 1) * WIDTH] for i, x in enumerate(parts)})
w1, w2 = f32(4, 3), f32(9, 4)
whole = np.kron(wide(w1), wide(w2))
put("fused_lokr", {"blocks.1.attention.qkv.lokr_w1": w1, "blocks.1.attention.qkv.lokr_w2": w2},
    {f"blocks.1.attn1.{x}": whole[i * WIDTH:(i + 1) * WIDTH] for i, x in enumerate(parts)})
a1, b1, a2, b2 = f32(3 * WIDTH, 2), f32(2, WIDTH), f32(3 * WIDTH, 2), f32(2, WIDTH)
whole = (wide(a1) @ wide(b1)) * (wide(a2) @ wide(b2))
put("fused_loha", {f"blocks.1.attention.qkv.hada_w{i}": x for i, x in (("1_a", a1), ("1_b", b1), ("2_a", a2), ("2_b", b2))},
    {f"blocks.1.attn1.{x}": whole[i * WIDTH:(i + 1) * WIDTH] for i, x in enumerate(parts)})

# Whole changes of matrices, biases and norms.
d = {"patch_embedding.weight": f32(WIDTH, 4, 1, 2, 2), "proj_out.weight": f32(16, WIDTH), "proj_out.bias": f32(16),
     "blocks.0.norm2.weight": f32(WIDTH)}
qkv = f32(3 * WIDTH, WIDTH)
put("deltas", {"diffusion_model.patch_embedding.diff": d["patch_embedding.weight"], "diffusion_model.head.head.diff": d["proj_out.weight"],
               "diffusion_model.head.head.diff_b": d["proj_out.bias"], "diffusion_model.blocks.0.norm3.diff": d["blocks.0.norm2.weight"],
               "diffusion_model.blocks.1.attention.qkv.diff": qkv},
    d | {f"blocks.1.attn1.{x}": qkv[i * WIDTH:(i + 1) * WIDTH] for i, x in enumerate(parts)})

# Both experts in one file of diffusers, each with an alpha of its own in the metadata; some modules of a text encoder.
first, second = pairs(block0[:2]), pairs(block0[:2])
t = {}
for prefix, group in (("transformer", first), ("transformer_2", second)):
    for k, (down, up) in group.items():
        t |= {f"{prefix}.{k}.lora_A.weight": down, f"{prefix}.{k}.lora_B.weight": up}
settings = {f"{c}.{k}": v for c, alpha in (("transformer_2", 32), ("transformer", 2), ("text_encoder", 64)) for k, v in (("r", 3), ("lora_alpha", alpha))}
put("experts", t | {"text_encoder.layers.0.q.lora_A.weight": f32(2, 4), "text_encoder.layers.0.q.lora_B.weight": f32(4, 2)},
    {k: product(v, 2 / 3) for k, v in first.items()}, {"lora_adapter_metadata": json.dumps(settings)})
merged |= {f"experts_2/{k}": (wide(network[k + ".weight"]) + product(v, 32 / 3)).astype(np.float32) for k, v in second.items()}

save_file(merged, here / "merged.safetensors")
