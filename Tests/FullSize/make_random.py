"""Random weights at the true dimensions of published models, in the files people have on disk.

    pip install gguf numpy diffusers torch && python make_random.py OUT [PART ...]

Parts: wan-high, wan-low, umt5, wan-vae (Wan2.2-T2V-A14B, 23 GB), qwen-image, qwen-text, qwen-vae (Qwen-Image, 16 GB), qwen-vl,
qwen-sight (in place of qwen-text or beside it: Qwen-Image-Edit-2509, 21 or 17 GB), z-image, qwen3, kl-vae (Z-Image-Turbo, 6.2 GB), klein, flux2-vae
(with qwen3: FLUX.2-klein-4B, 4.8 GB), wan-i2v-high, wan-i2v-low (Wan2.2-I2V-A14B, 16 GB, with umt5 and wan-vae), wan-ti2v,
wan22-vae (Wan2.2-TI2V-5B, 4.4 GB, with umt5), sdxl (one checkpoint of everything, float16, 6.9 GB), sana-sprint-1.6b,
sana-sprint-0.6b (diffusers folders, 9.7 and 7.7 GB), taef1, taew2_1, taew2_2 (tiny autoencoders, 70 MB).

Random weights make noise. What they show is that every byte of the real shapes is opened, read and computed, how long
that takes and how much memory. Written in a stream: matrices repeat random blocks from a pool of 16 MB, each from another
place of it. Transformers and Qwen's text encoders are Q4_K, the one with a vision tower scaled fp8, UMT5-XXL Q8_0, VAEs
float32; SANA-Sprint is bfloat16 as it is published.
"""

import json
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np

rng = np.random.default_rng(0)
POOL = 16 << 20


def pool(kind):
    """Random blocks whose values have a deviation of about 0.02 and a mean of zero."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (POOL // size, size), dtype=np.uint8)
    if kind == gguf.GGMLQuantizationType.Q4_K:
        # d * scale * q - dmin * minimum: scale and minimum are about 32, q about 7.5 with a deviation of 4.6.
        d = np.full(len(blocks), 0.02 / (36 * 4.6), np.float16)
        blocks[:, 0:2] = d.view(np.uint8).reshape(-1, 2)
        blocks[:, 2:4] = (d * np.float16(7.5)).view(np.uint8).reshape(-1, 2)
    elif kind == gguf.GGMLQuantizationType.F16:
        blocks = (0.02 * rng.standard_normal(POOL // size)).astype(np.float16).view(np.uint8)
    else:
        d = np.full(len(blocks), 0.02 / 74, np.float16)
        blocks[:, 0:2] = d.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(-1)


class Writer:
    """Collects what a file is to hold, then writes it tensor by tensor."""

    def __init__(self, path, architecture):
        self.gguf = gguf.GGUFWriter(path, architecture)
        self.pools = {}
        self.makers = []

    def matrix(self, name, kind, rows, columns):
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        width = columns // elements * size
        self.gguf.add_tensor_info(name, (rows, width), np.dtype(np.uint8), rows * width, raw_dtype=kind)
        if kind not in self.pools:
            self.pools[kind] = pool(kind)
        source = self.pools[kind]

        def write(out):
            left = rows * width
            while left:
                start = int(rng.integers(0, len(source) // 2 // size)) * size
                part = source[start:start + min(left, (len(source) - start) // size * size)]
                out.write(part.data)
                left -= len(part)
        self.makers.append((rows * width, write))

    def values(self, name, shape, mean=0.0, deviation=0.02):
        data = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)
        if len(shape) > 4:
            self.gguf.add_array(f"comfy.gguf.orig_shape.{name}", list(shape))
            data = data.reshape(shape[0], -1)
        self.gguf.add_tensor_info(name, data.shape, data.dtype, data.nbytes)
        self.makers.append((data.nbytes, lambda out: out.write(data.data)))

    def finish(self):
        self.gguf.write_header_to_file()
        self.gguf.write_kv_data_to_file()
        self.gguf.write_ti_data_to_file()
        out = self.gguf.fout[0]
        self.gguf.write_padding(out, out.tell())
        for count, write in self.makers:
            write(out)
            self.gguf.write_padding(out, count)
        self.gguf.close()


def wan(path, dim=5120, ffn=13824, blocks=40, text=4096, frequencies=256, inputs=16, outputs=16):
    """A network of Wan2.2 under its original names: an expert of T2V-A14B unless told otherwise."""
    q4 = gguf.GGMLQuantizationType.Q4_K
    out = Writer(path, "wan")

    def linear(name, inputs, outputs, kind=q4):
        out.matrix(f"{name}.weight", kind, outputs, inputs)
        out.values(f"{name}.bias", (outputs,))

    out.values("patch_embedding.weight", (dim, inputs, 1, 2, 2))
    out.values("patch_embedding.bias", (dim,))
    linear("text_embedding.0", text, dim)
    linear("text_embedding.2", dim, dim)
    linear("time_embedding.0", frequencies, dim)
    linear("time_embedding.2", dim, dim)
    linear("time_projection.1", dim, 6 * dim)
    for block in range(blocks):
        out.values(f"blocks.{block}.modulation", (1, 6, dim))
        out.values(f"blocks.{block}.norm3.weight", (dim,), mean=1)
        out.values(f"blocks.{block}.norm3.bias", (dim,))
        for attention in ["self_attn", "cross_attn"]:
            for part in "qkvo":
                linear(f"blocks.{block}.{attention}.{part}", dim, dim)
            for part in ["norm_q", "norm_k"]:
                out.values(f"blocks.{block}.{attention}.{part}.weight", (dim,), mean=1)
        linear(f"blocks.{block}.ffn.0", dim, ffn)
        linear(f"blocks.{block}.ffn.2", ffn, dim)
    out.values("head.modulation", (1, 2, dim))
    linear("head.head", dim, 4 * outputs)
    out.finish()


def umt5(path, vocabulary=256384, dim=4096, ffn=10240, heads=64, blocks=24):
    """UMT5-XXL as llama.cpp converts it."""
    q8 = gguf.GGMLQuantizationType.Q8_0
    out = Writer(path, "t5encoder")
    out.matrix("token_embd.weight", q8, vocabulary, dim)
    for block in range(blocks):
        name = f"enc.blk.{block}"
        for part in "qkvo":
            out.matrix(f"{name}.attn_{part}.weight", q8, dim, dim)
        out.values(f"{name}.attn_rel_b.weight", (32, heads))
        out.values(f"{name}.attn_norm.weight", (dim,), mean=0.2)
        out.matrix(f"{name}.ffn_gate.weight", q8, ffn, dim)
        out.matrix(f"{name}.ffn_up.weight", q8, ffn, dim)
        out.matrix(f"{name}.ffn_down.weight", q8, dim, ffn)
        out.values(f"{name}.ffn_norm.weight", (dim,), mean=0.2)
    out.values("enc.output_norm.weight", (dim,), mean=0.2)
    out.finish()


def wan_vae(path):
    """The VAE of Wan2.1 and Wan2.2-A14B in diffusers' layout, whose defaults are its dimensions."""
    from diffusers import AutoencoderKLWan

    AutoencoderKLWan().save_pretrained(path)


def wan22_vae(path, base=160, decoder=256, latent=48):
    """The VAE of Wan2.2-TI2V-5B in float16, under diffusers' names."""
    from safetensors.numpy import save_file

    tensors = {}

    def convolution(name, inputs, outputs, *kernel):
        deviation = (inputs * np.prod(kernel)) ** -0.5
        weight = deviation * rng.standard_normal((outputs, inputs, *kernel), np.float32)
        tensors[f"{name}.weight"] = weight.astype(np.float16)
        tensors[f"{name}.bias"] = np.zeros(outputs, np.float16)

    def norm(name, width, axes=3):
        tensors[f"{name}.gamma"] = np.ones((width, *[1] * axes), np.float16)

    def resnet(name, inputs, outputs):
        for number, width in [(1, inputs), (2, outputs)]:
            norm(f"{name}.norm{number}", width)
            convolution(f"{name}.conv{number}", width, outputs, 3, 3, 3)
        if inputs != outputs:
            convolution(f"{name}.conv_shortcut", inputs, outputs, 1, 1, 1)

    multiples = [1, 1, 2, 4, 4]
    sides = [("encoder", "down_blocks", "downsampler", [base * m for m in multiples], 2, [False, True, True], 12, 2 * latent),
             ("decoder", "up_blocks", "upsampler", [decoder * m for m in [4, 4, 4, 2, 1]], 3, [True, True, False], latent, 12)]
    for side, levels, sampler, widths, count, times, inputs, outputs in sides:
        convolution(f"{side}.conv_in", inputs, widths[0], 3, 3, 3)
        for level, (before, after) in enumerate(zip(widths, widths[1:])):
            name = f"{side}.{levels}.{level}"
            for index in range(count):
                resnet(f"{name}.resnets.{index}", after if index else before, after)
            if level < 3:
                convolution(f"{name}.{sampler}.resample.1", after, after, 3, 3)
                if times[level]:
                    convolution(f"{name}.{sampler}.time_conv", after, after * (2 if side == "decoder" else 1), 3, 1, 1)
        middle = widths[-1] if side == "encoder" else widths[0]
        for index in range(2):
            resnet(f"{side}.mid_block.resnets.{index}", middle, middle)
        norm(f"{side}.mid_block.attentions.0.norm", middle, 2)
        convolution(f"{side}.mid_block.attentions.0.to_qkv", middle, 3 * middle, 1, 1)
        convolution(f"{side}.mid_block.attentions.0.proj", middle, middle, 1, 1)
        norm(f"{side}.norm_out", widths[-1])
        convolution(f"{side}.conv_out", widths[-1], outputs, 3, 3, 3)
    convolution("quant_conv", 2 * latent, 2 * latent, 1, 1, 1)
    convolution("post_quant_conv", latent, latent, 1, 1, 1)
    save_file(tensors, path)


def qwen_image(path, dim=3072, blocks=60, text=3584, head=128):
    """Qwen-Image's transformer under diffusers' names, as its GGUF files have them."""
    q4 = gguf.GGMLQuantizationType.Q4_K
    out = Writer(path, "qwen_image")

    def linear(name, inputs, outputs, kind=q4):
        out.matrix(f"{name}.weight", kind, outputs, inputs)
        out.values(f"{name}.bias", (outputs,))

    linear("img_in", 64, dim, gguf.GGMLQuantizationType.Q8_0)
    out.values("txt_norm.weight", (text,), mean=1)
    linear("txt_in", text, dim)
    linear("time_text_embed.timestep_embedder.linear_1", 256, dim)
    linear("time_text_embed.timestep_embedder.linear_2", dim, dim)
    for block in range(blocks):
        name = f"transformer_blocks.{block}"
        for stream in ["img", "txt"]:
            linear(f"{name}.{stream}_mod.1", dim, 6 * dim)
            linear(f"{name}.{stream}_mlp.net.0.proj", dim, 4 * dim)
            linear(f"{name}.{stream}_mlp.net.2", 4 * dim, dim)
        for part in ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]:
            linear(f"{name}.attn.{part}", dim, dim)
        for part in ["norm_q", "norm_k", "norm_added_q", "norm_added_k"]:
            out.values(f"{name}.attn.{part}.weight", (head,), mean=1)
    linear("norm_out.linear", dim, 2 * dim)
    linear("proj_out", dim, 64)
    out.finish()


def qwen_text(path, vocabulary=152064, dim=3584, ffn=18944, kv=512, blocks=28):
    """The text path of Qwen2.5-VL-7B as llama.cpp converts it."""
    q4 = gguf.GGMLQuantizationType.Q4_K
    out = Writer(path, "qwen2vl")
    out.matrix("token_embd.weight", q4, vocabulary, dim)
    for block in range(blocks):
        name = f"blk.{block}"
        out.values(f"{name}.attn_norm.weight", (dim,), mean=1)
        for part, width in [("q", dim), ("k", kv), ("v", kv)]:
            out.matrix(f"{name}.attn_{part}.weight", q4, width, dim)
            out.values(f"{name}.attn_{part}.bias", (width,))
        out.matrix(f"{name}.attn_output.weight", q4, dim, dim)
        out.values(f"{name}.ffn_norm.weight", (dim,), mean=1)
        out.matrix(f"{name}.ffn_gate.weight", q4, ffn, dim)
        out.matrix(f"{name}.ffn_up.weight", q4, ffn, dim)
        out.matrix(f"{name}.ffn_down.weight", q4, dim, ffn)
    out.values("output_norm.weight", (dim,), mean=1)
    out.finish()


def qwen_sight(path, dim=1280, ffn=3420, depth=32, rows=3584):
    """The vision tower of Qwen2.5-VL-7B as llama.cpp converts it, into a file of its own."""
    f16 = gguf.GGMLQuantizationType.F16
    out = Writer(path, "clip")

    def linear(name, inputs, outputs):
        out.matrix(f"{name}.weight", f16, outputs, inputs)
        out.values(f"{name}.bias", (outputs,))

    for frame in ["", ".1"]:
        out.values(f"v.patch_embd.weight{frame}", (dim, 3, 14, 14))
    for block in range(depth):
        name = f"v.blk.{block}"
        for norm in ["ln1", "ln2"]:
            out.values(f"{name}.{norm}.weight", (dim,), mean=1)
        for part in ["attn_q", "attn_k", "attn_v", "attn_out"]:
            linear(f"{name}.{part}", dim, dim)
        for part, inputs, outputs in [("ffn_gate", dim, ffn), ("ffn_up", dim, ffn), ("ffn_down", ffn, dim)]:
            linear(f"{name}.{part}", inputs, outputs)
    out.values("v.post_ln.weight", (dim,), mean=1)
    linear("mm.0", 4 * dim, 4 * dim)
    linear("mm.2", 4 * dim, rows)
    out.finish()


def qwen_vae(path):
    """Qwen-Image's VAE in diffusers' layout, whose defaults are its dimensions."""
    from diffusers import AutoencoderKLQwenImage

    AutoencoderKLQwenImage().save_pretrained(path)


def z_image(path, dim=3840, text=2560, layers=30, refiners=2, head=128, time=256):
    """Z-Image-Turbo's transformer as ComfyUI's GGUF files have it: queries, keys and values in one matrix."""
    q4 = gguf.GGMLQuantizationType.Q4_K
    out = Writer(path, "lumina2")
    ffn = dim // 3 * 8

    def linear(name, inputs, outputs, kind=q4, bias=True):
        out.matrix(f"{name}.weight", kind, outputs, inputs)
        if bias:
            out.values(f"{name}.bias", (outputs,))

    out.values("x_embedder.weight", (dim, 64))
    out.values("x_embedder.bias", (dim,))
    out.values("x_pad_token", (1, dim))
    out.values("cap_pad_token", (1, dim))
    out.values("cap_embedder.0.weight", (text,), mean=1)
    linear("cap_embedder.1", text, dim)
    linear("t_embedder.mlp.0", 256, 1024)
    linear("t_embedder.mlp.2", 1024, time)
    stacks = [("layers", layers, True), ("noise_refiner", refiners, True), ("context_refiner", refiners, False)]
    for stack, count, modulated in stacks:
        for block in range(count):
            name = f"{stack}.{block}"
            if modulated:
                linear(f"{name}.adaLN_modulation.0", time, 4 * dim)
            for norm in ["attention_norm1", "attention_norm2", "ffn_norm1", "ffn_norm2"]:
                out.values(f"{name}.{norm}.weight", (dim,), mean=1)
            linear(f"{name}.attention.qkv", dim, 3 * dim, bias=False)
            linear(f"{name}.attention.out", dim, dim, bias=False)
            for norm in ["q_norm", "k_norm"]:
                out.values(f"{name}.attention.{norm}.weight", (head,), mean=1)
            for part, inputs, outputs in [("w1", dim, ffn), ("w2", ffn, dim), ("w3", dim, ffn)]:
                linear(f"{name}.feed_forward.{part}", inputs, outputs, bias=False)
    linear("final_layer.adaLN_modulation.1", time, dim)
    linear("final_layer.linear", dim, 64, gguf.GGMLQuantizationType.Q8_0)
    out.finish()


def tiny_pictures(path, latent=16, width=64):
    """The decoder of taef1 under its original names: numbers, of which the first is the squashing's."""
    from safetensors.numpy import save_file

    tensors = {}

    def convolution(name, inputs, outputs, bias=True):
        weight = (9 * inputs) ** -0.5 * rng.standard_normal((outputs, inputs, 3, 3), np.float32)
        tensors[f"{name}.weight"] = weight.astype(np.float16)
        if bias:
            tensors[f"{name}.bias"] = np.zeros(outputs, np.float16)

    convolution("1", latent, width)
    index = 3
    for level, blocks in enumerate([3, 3, 3, 1]):
        for _ in range(blocks):
            for part in [0, 2, 4]:
                convolution(f"{index}.conv.{part}", width, width)
            index += 1
        if level < 3:
            convolution(str(index + 1), width, width, bias=False)
            index += 2
    convolution(str(index), width, 3)
    save_file(tensors, path)


def tiny_clips(path, latent=16, patch=1, widths=(256, 128, 64, 64), growth=(1, 2, 2)):
    """The decoder of taew2_1, or of taew2_2, under the published names."""
    from safetensors.numpy import save_file

    tensors = {}

    def convolution(name, inputs, outputs, side=3, bias=True):
        weight = (side * side * inputs) ** -0.5 * rng.standard_normal((outputs, inputs, side, side), np.float32)
        tensors[f"{name}.weight"] = weight.astype(np.float16)
        if bias:
            tensors[f"{name}.bias"] = np.zeros(outputs, np.float16)

    convolution("decoder.1", latent, widths[0])
    for level, frames in enumerate(growth):
        width, first = widths[level], 3 + 6 * level
        for index in range(first, first + 3):
            for part, inputs in [(0, 2 * width), (2, width), (4, width)]:
                convolution(f"decoder.{index}.conv.{part}", inputs, width)
        convolution(f"decoder.{first + 4}.conv", width, frames * width, side=1, bias=False)
        convolution(f"decoder.{first + 5}", width, widths[level + 1], bias=False)
    convolution("decoder.22", widths[3], 3 * patch * patch)
    save_file(tensors, path)


def klein(path, dim=3072, text=7680, doubles=5, singles=20, head=128, mlp=9216):
    """FLUX.2-klein-4B's transformer under the authors' names, as its GGUF files have them. No layer has a bias."""
    q4, q8 = gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q8_0
    out = Writer(path, "flux")

    def linear(name, inputs, outputs, kind=q4):
        out.matrix(f"{name}.weight", kind, outputs, inputs)

    linear("img_in", 128, dim, q8)
    linear("txt_in", text, dim)
    linear("time_in.in_layer", 256, dim)
    linear("time_in.out_layer", dim, dim)
    for name, count in [("double_stream_modulation_img", 6), ("double_stream_modulation_txt", 6),
                        ("single_stream_modulation", 3)]:
        linear(f"{name}.lin", dim, count * dim)
    for block in range(doubles):
        for stream in ["img", "txt"]:
            name = f"double_blocks.{block}.{stream}"
            linear(f"{name}_attn.qkv", dim, 3 * dim)
            linear(f"{name}_attn.proj", dim, dim)
            for norm in ["query_norm", "key_norm"]:
                out.values(f"{name}_attn.norm.{norm}.scale", (head,), mean=1)
            linear(f"{name}_mlp.0", dim, 2 * mlp)
            linear(f"{name}_mlp.2", mlp, dim)
    for block in range(singles):
        name = f"single_blocks.{block}"
        linear(f"{name}.linear1", dim, 3 * dim + 2 * mlp)
        linear(f"{name}.linear2", dim + mlp, dim)
        for norm in ["query_norm", "key_norm"]:
            out.values(f"{name}.norm.{norm}.scale", (head,), mean=1)
    linear("final_layer.adaLN_modulation.1", dim, 2 * dim)
    linear("final_layer.linear", dim, 128, q8)
    out.finish()


def qwen3(path, vocabulary=151936, dim=2560, ffn=9728, heads=32, kv=8, head=128, blocks=36):
    """Qwen3-4B as llama.cpp converts it."""
    q4 = gguf.GGMLQuantizationType.Q4_K
    out = Writer(path, "qwen3")
    out.matrix("token_embd.weight", q4, vocabulary, dim)
    for block in range(blocks):
        name = f"blk.{block}"
        out.values(f"{name}.attn_norm.weight", (dim,), mean=1)
        for part, width in [("q", heads * head), ("k", kv * head), ("v", kv * head)]:
            out.matrix(f"{name}.attn_{part}.weight", q4, width, dim)
        for part in ["q", "k"]:
            out.values(f"{name}.attn_{part}_norm.weight", (head,), mean=1)
        out.matrix(f"{name}.attn_output.weight", q4, dim, heads * head)
        out.values(f"{name}.ffn_norm.weight", (dim,), mean=1)
        out.matrix(f"{name}.ffn_gate.weight", q4, ffn, dim)
        out.matrix(f"{name}.ffn_up.weight", q4, ffn, dim)
        out.matrix(f"{name}.ffn_down.weight", q4, dim, ffn)
    out.values("output_norm.weight", (dim,), mean=1)
    out.finish()


def kl_vae(path, channels=(128, 256, 512, 512), layers=2, latent=16, is_flux2=False):
    """The autoencoder of FLUX.1 and Z-Image, or FLUX.2's, under diffusers' names, in one safetensors file."""
    from safetensors.numpy import save_file

    tensors = {}

    def convolution(name, inputs, outputs, side=3):
        tensors[f"{name}.weight"] = (0.02 * rng.standard_normal((outputs, inputs, side, side))).astype(np.float32)
        tensors[f"{name}.bias"] = np.zeros(outputs, np.float32)

    def norm(name, width):
        tensors[f"{name}.weight"] = np.ones(width, np.float32)
        tensors[f"{name}.bias"] = np.zeros(width, np.float32)

    def resnet(name, inputs, outputs):
        norm(f"{name}.norm1", inputs)
        convolution(f"{name}.conv1", inputs, outputs)
        norm(f"{name}.norm2", outputs)
        convolution(f"{name}.conv2", outputs, outputs)
        if inputs != outputs:
            convolution(f"{name}.conv_shortcut", inputs, outputs, side=1)

    def middle(name, width):
        for index in [0, 1]:
            resnet(f"{name}.resnets.{index}", width, width)
        norm(f"{name}.attentions.0.group_norm", width)
        for part in ["to_q", "to_k", "to_v", "to_out.0"]:
            convolution(f"{name}.attentions.0.{part}", width, width, side=1)
            tensors[f"{name}.attentions.0.{part}.weight"] = tensors[f"{name}.attentions.0.{part}.weight"][:, :, 0, 0]

    for side, levels, count, ends in [
        ("encoder", channels, layers, (3, 2 * latent)), ("decoder", channels[::-1], layers + 1, (latent, 3))]:
        convolution(f"{side}.conv_in", ends[0], levels[0])
        width = levels[0]
        blocks = "down_blocks" if side == "encoder" else "up_blocks"
        for level, outputs in enumerate(levels):
            for index in range(count):
                resnet(f"{side}.{blocks}.{level}.resnets.{index}", width, outputs)
                width = outputs
            if level < len(levels) - 1:
                sampler = "downsamplers" if side == "encoder" else "upsamplers"
                convolution(f"{side}.{blocks}.{level}.{sampler}.0.conv", width, width)
        middle(f"{side}.mid_block", channels[-1])
        norm(f"{side}.conv_norm_out", width)
        convolution(f"{side}.conv_out", width, ends[1])
    if is_flux2:
        convolution("quant_conv", 2 * latent, 2 * latent, side=1)
        convolution("post_quant_conv", latent, latent, side=1)
        tensors["bn.running_mean"] = np.zeros(4 * latent, np.float32)
        tensors["bn.running_var"] = np.ones(4 * latent, np.float32)
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(tensors, path)


class HalfFile:
    """A safetensors file of float16, written tensor by tensor from one pool of normal values."""

    def __init__(self):
        self.tensors = []
        self.pool = rng.standard_normal(POOL // 4, np.float32)

    def add(self, name, shape, deviation=0.02, mean=0.0):
        self.tensors.append((name, shape, deviation, mean))

    def linear(self, name, inputs, outputs, bias=True):
        self.add(f"{name}.weight", (outputs, inputs), inputs ** -0.5)
        if bias:
            self.add(f"{name}.bias", (outputs,))

    def convolution(self, name, inputs, outputs, side=3):
        self.add(f"{name}.weight", (outputs, inputs, side, side), (inputs * side * side) ** -0.5)
        self.add(f"{name}.bias", (outputs,))

    def norm(self, name, width):
        self.add(f"{name}.weight", (width,), 0.02, 1.0)
        self.add(f"{name}.bias", (width,))

    def write(self, path):
        header, end = {}, 0
        for name, shape, _, _ in self.tensors:
            start, end = end, end + 2 * int(np.prod(shape))
            header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
        text = json.dumps(header).encode()
        with open(path, "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for _, shape, deviation, mean in self.tensors:
                left = int(np.prod(shape))
                while left:
                    start = int(rng.integers(0, len(self.pool) // 2))
                    part = self.pool[start:start + left]
                    out.write((mean + deviation * part).astype(np.float16).data)
                    left -= len(part)


def sdxl(path, channels=(320, 640, 1280), depths=(0, 2, 10), text=2048, layers=2):
    """SDXL in one file: each part under the original's prefix, the names behind it as diffusers and transformers have them."""
    out = HalfFile()
    time = 4 * channels[0]

    def resnet(name, inputs, outputs, embedding=time):
        out.norm(f"{name}.norm1", inputs)
        out.convolution(f"{name}.conv1", inputs, outputs)
        if embedding:
            out.linear(f"{name}.time_emb_proj", embedding, outputs)
        out.norm(f"{name}.norm2", outputs)
        out.convolution(f"{name}.conv2", outputs, outputs)
        if inputs != outputs:
            out.convolution(f"{name}.conv_shortcut", inputs, outputs, side=1)

    def transformer(name, width, depth):
        if not depth:
            return
        out.norm(f"{name}.norm", width)
        for end in ["proj_in", "proj_out"]:
            out.linear(f"{name}.{end}", width, width)
        for block in range(depth):
            inner = f"{name}.transformer_blocks.{block}"
            for number in [1, 2, 3]:
                out.norm(f"{inner}.norm{number}", width)
            for attention, inputs in [("attn1", width), ("attn2", text)]:
                out.linear(f"{inner}.{attention}.to_q", width, width, bias=False)
                out.linear(f"{inner}.{attention}.to_k", inputs, width, bias=False)
                out.linear(f"{inner}.{attention}.to_v", inputs, width, bias=False)
                out.linear(f"{inner}.{attention}.to_out.0", width, width)
            out.linear(f"{inner}.ff.net.0.proj", width, 8 * width)
            out.linear(f"{inner}.ff.net.2", 4 * width, width)

    unet = "model.diffusion_model"
    for name, inputs in [("time_embedding", channels[0]), ("add_embedding", 2816)]:
        out.linear(f"{unet}.{name}.linear_1", inputs, time)
        out.linear(f"{unet}.{name}.linear_2", time, time)
    out.convolution(f"{unet}.conv_in", 4, channels[0])
    kept = [channels[0]]
    width = channels[0]
    for level, outputs in enumerate(channels):
        name = f"{unet}.down_blocks.{level}"
        for layer in range(layers):
            resnet(f"{name}.resnets.{layer}", width, outputs)
            transformer(f"{name}.attentions.{layer}", outputs, depths[level])
            width = outputs
            kept.append(width)
        if level < len(channels) - 1:
            out.convolution(f"{name}.downsamplers.0.conv", width, width)
            kept.append(width)
    for index in [0, 1]:
        resnet(f"{unet}.mid_block.resnets.{index}", width, width)
    transformer(f"{unet}.mid_block.attentions.0", width, depths[-1])
    for level, outputs in enumerate(channels[::-1]):
        name = f"{unet}.up_blocks.{level}"
        for layer in range(layers + 1):
            resnet(f"{name}.resnets.{layer}", width + kept.pop(), outputs)
            transformer(f"{name}.attentions.{layer}", outputs, depths[::-1][level])
            width = outputs
        if level < len(channels) - 1:
            out.convolution(f"{name}.upsamplers.0.conv", width, width)
    out.norm(f"{unet}.conv_norm_out", width)
    out.convolution(f"{unet}.conv_out", width, 4)

    for prefix, dim, ffn, count in [
        ("conditioner.embedders.0.transformer", 768, 3072, 12), ("conditioner.embedders.1.model", 1280, 5120, 32)]:
        model = f"{prefix}.text_model"
        out.add(f"{model}.embeddings.token_embedding.weight", (49408, dim))
        out.add(f"{model}.embeddings.position_embedding.weight", (77, dim))
        for layer in range(count):
            name = f"{model}.encoder.layers.{layer}"
            for part in ["q_proj", "k_proj", "v_proj", "out_proj"]:
                out.linear(f"{name}.self_attn.{part}", dim, dim)
            out.linear(f"{name}.mlp.fc1", dim, ffn)
            out.linear(f"{name}.mlp.fc2", ffn, dim)
            for number in [1, 2]:
                out.norm(f"{name}.layer_norm{number}", dim)
        out.norm(f"{model}.final_layer_norm", dim)
    out.linear("conditioner.embedders.1.model.text_projection", 1280, 1280, bias=False)

    vae = "first_stage_model"
    widths = (128, 256, 512, 512)
    for side, levels, blocks, count, ends in [
        ("encoder", widths, "down_blocks", 2, (3, 8)), ("decoder", widths[::-1], "up_blocks", 3, (4, 3))]:
        out.convolution(f"{vae}.{side}.conv_in", ends[0], levels[0])
        width = levels[0]
        for level, outputs in enumerate(levels):
            name = f"{vae}.{side}.{blocks}.{level}"
            for index in range(count):
                resnet(f"{name}.resnets.{index}", width, outputs, embedding=None)
                width = outputs
            if level < 3:
                sampler = "downsamplers" if side == "encoder" else "upsamplers"
                out.convolution(f"{name}.{sampler}.0.conv", width, width)
        middle = f"{vae}.{side}.mid_block"
        for index in [0, 1]:
            resnet(f"{middle}.resnets.{index}", 512, 512, embedding=None)
        out.norm(f"{middle}.attentions.0.group_norm", 512)
        for part in ["to_q", "to_k", "to_v", "to_out.0"]:
            out.linear(f"{middle}.attentions.0.{part}", 512, 512)
        out.norm(f"{vae}.{side}.conv_norm_out", width)
        out.convolution(f"{vae}.{side}.conv_out", width, ends[1])
    out.convolution(f"{vae}.quant_conv", 8, 8, side=1)
    out.convolution(f"{vae}.post_quant_conv", 4, 4, side=1)
    out.write(path)


class TensorFile:
    """A safetensors file, written tensor by tensor: matrices with a deviation of one over the root of their inputs, those of fp8
    with a factor beside them as ComfyUI's files have it, vectors of one number."""

    def __init__(self, path):
        self.path = path
        self.tensors = []

    def matrix(self, name, *shape, kind="BF16"):
        deviation = int(np.prod(shape[1:])) ** -0.5
        if kind == "F8_E4M3":
            self.vector(f"{name.removesuffix('weight')}scale_weight", value=deviation, kind="F32")
            deviation = 1
        self.tensors.append((name, kind, shape, (deviation, None)))

    def vector(self, name, *shape, value=0.0, kind="BF16"):
        self.tensors.append((name, kind, shape, (0, value)))

    def finish(self):
        sizes = {"BF16": 2, "F32": 4, "F8_E4M3": 1}
        normal = rng.standard_normal(POOL // 4).astype(np.float32)

        def encoded(values, kind):
            if kind == "F8_E4M3":
                import torch

                return torch.from_numpy(values).to(torch.float8_e4m3fn).view(torch.uint8).numpy().tobytes()
            bits = values.astype(np.float32).view(np.uint32)
            return (bits if kind == "F32" else (bits >> 16).astype(np.uint16)).tobytes()

        header, end = {}, 0
        for name, kind, shape, _ in self.tensors:
            size = int(np.prod(shape)) * sizes[kind]
            header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(self.path, "wb") as out:
            out.write(len(text).to_bytes(8, "little") + text)
            for _, kind, shape, (deviation, value) in self.tensors:
                count = int(np.prod(shape))
                if value is not None:
                    out.write(encoded(np.full(count, value), kind))
                    continue
                pool = encoded(normal * deviation, kind)
                left = count * sizes[kind]
                while left:
                    start = int(rng.integers(0, len(pool) // 8)) * 4
                    part = memoryview(pool)[start:start + left]
                    out.write(part)
                    left -= len(part)


class Folder(TensorFile):
    """A component in diffusers' layout."""

    def __init__(self, path, file, config):
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.json").write_text(json.dumps(config, indent=1))
        super().__init__(path / file)


def qwen_vl(path, vocabulary=152064, dim=3584, ffn=18944, kv=512, layers=28, sight=1280, sight_ffn=3420, depth=32):
    """Qwen2.5-VL-7B with its vision tower, the file of scaled fp8 that ComfyUI reads."""
    out = TensorFile(path)

    def linear(name, inputs, outputs, bias=True):
        out.matrix(f"{name}.weight", outputs, inputs, kind="F8_E4M3")
        if bias:
            out.vector(f"{name}.bias", outputs)

    def mlp(name, width, hidden, bias):
        linear(f"{name}.gate_proj", width, hidden, bias)
        linear(f"{name}.up_proj", width, hidden, bias)
        linear(f"{name}.down_proj", hidden, width, bias)

    out.vector("scaled_fp8", 0, kind="F8_E4M3")
    out.matrix("visual.patch_embed.proj.weight", sight, 3, 2, 14, 14)
    for block in range(depth):
        name = f"visual.blocks.{block}"
        for norm in ["norm1", "norm2"]:
            out.vector(f"{name}.{norm}.weight", sight, value=1)
        linear(f"{name}.attn.qkv", sight, 3 * sight)
        linear(f"{name}.attn.proj", sight, sight)
        mlp(f"{name}.mlp", sight, sight_ffn, bias=True)
    out.vector("visual.merger.ln_q.weight", sight, value=1)
    linear("visual.merger.mlp.0", 4 * sight, 4 * sight)
    linear("visual.merger.mlp.2", 4 * sight, dim)
    out.matrix("model.embed_tokens.weight", vocabulary, dim)
    for layer in range(layers):
        name = f"model.layers.{layer}"
        for norm in ["input_layernorm", "post_attention_layernorm"]:
            out.vector(f"{name}.{norm}.weight", dim, value=1)
        for part, outputs, bias in [("q", dim, True), ("k", kv, True), ("v", kv, True), ("o", dim, False)]:
            linear(f"{name}.self_attn.{part}_proj", dim, outputs, bias)
        mlp(f"{name}.mlp", dim, ffn, bias=False)
    out.vector("model.norm.weight", dim, value=1)
    out.matrix("lm_head.weight", vocabulary, dim)
    out.finish()


def sana_sprint(path, heads, layers, cross, head=32, caption=2304, channels=32):
    """SANA-Sprint as it is published, with the tokenizer of the tiny fixture, whose ids the encoder's table has."""
    fixture = Path(__file__).resolve().parent.parent / "Fixtures/sana-sprint-tiny"
    path.mkdir(parents=True, exist_ok=True)
    for name in ["model_index.json", "scheduler", "tokenizer"]:
        copy = shutil.copytree if (fixture / name).is_dir() else shutil.copy
        copy(fixture / name, path / name, **({"dirs_exist_ok": True} if copy is shutil.copytree else {}))

    def config(part, **fields):
        return json.loads((fixture / part / "config.json").read_text()) | fields

    dim, hidden = heads * head, int(2.5 * heads * head)
    out = Folder(path / "transformer", "diffusion_pytorch_model.safetensors", config(
        "transformer", num_attention_heads=heads, attention_head_dim=head, num_cross_attention_heads=cross,
        cross_attention_head_dim=dim // cross, cross_attention_dim=dim, num_layers=layers, in_channels=channels,
        out_channels=channels, caption_channels=caption))

    def linear(name, inputs, outputs, bias=True, ones=()):
        out.matrix(f"{name}.weight", outputs, inputs, *ones)
        if bias:
            out.vector(f"{name}.bias", outputs)

    linear("patch_embed.proj", channels, dim, ones=(1, 1))
    for embedder in ["timestep_embedder", "guidance_embedder"]:
        linear(f"time_embed.{embedder}.linear_1", 256, dim)
        linear(f"time_embed.{embedder}.linear_2", dim, dim)
    linear("time_embed.linear", dim, 6 * dim)
    linear("caption_projection.linear_1", caption, dim)
    linear("caption_projection.linear_2", dim, dim)
    out.vector("caption_norm.weight", dim, value=1)
    out.vector("scale_shift_table", 2, dim)
    linear("proj_out", dim, channels)
    for block in range(layers):
        name = f"transformer_blocks.{block}"
        out.vector(f"{name}.scale_shift_table", 6, dim)
        for attention, bias in [("attn1", False), ("attn2", True)]:
            for part in ["to_q", "to_k", "to_v"]:
                linear(f"{name}.{attention}.{part}", dim, dim, bias)
            linear(f"{name}.{attention}.to_out.0", dim, dim)
            for norm in ["norm_q", "norm_k"]:
                out.vector(f"{name}.{attention}.{norm}.weight", dim, value=1)
        linear(f"{name}.ff.conv_inverted", dim, 2 * hidden, ones=(1, 1))
        out.matrix(f"{name}.ff.conv_depth.weight", 2 * hidden, 1, 3, 3)
        out.vector(f"{name}.ff.conv_depth.bias", 2 * hidden)
        linear(f"{name}.ff.conv_point", hidden, dim, bias=False, ones=(1, 1))
    out.finish()

    gemma = dict(hidden_size=caption, intermediate_size=9216, num_hidden_layers=26, num_attention_heads=8,
                 num_key_value_heads=4, head_dim=256, query_pre_attn_scalar=256, vocab_size=256000)
    out = Folder(path / "text_encoder", "model.safetensors", config("text_encoder", **gemma))
    out.matrix("embed_tokens.weight", 256000, caption)
    out.vector("norm.weight", caption)
    for layer in range(26):
        name = f"layers.{layer}"
        for norm in ["input", "post_attention", "pre_feedforward", "post_feedforward"]:
            out.vector(f"{name}.{norm}_layernorm.weight", caption)
        for part, inputs, outputs in [
                ("self_attn.q_proj", caption, 2048), ("self_attn.k_proj", caption, 1024),
                ("self_attn.v_proj", caption, 1024), ("self_attn.o_proj", 2048, caption),
                ("mlp.gate_proj", caption, 9216), ("mlp.up_proj", caption, 9216), ("mlp.down_proj", 9216, caption)]:
            out.matrix(f"{name}.{part}.weight", outputs, inputs)
    out.finish()
    dc_ae(path / "vae", config("vae"), channels)


def dc_ae(path, config, latent, widths=(128, 256, 512, 512, 1024, 1024), counts=((2, 2, 2, 3, 3, 3), (3, 3, 3, 3, 3, 3)), head=32):
    """SANA's autoencoder in float32."""
    (encoder, decoder), last = counts, len(widths) - 1
    out = Folder(path, "diffusion_pytorch_model.safetensors", config | dict(
        attention_head_dim=head, latent_channels=latent, encoder_block_out_channels=list(widths),
        decoder_block_out_channels=list(widths), encoder_layers_per_block=list(encoder),
        decoder_layers_per_block=list(decoder)))

    def convolution(name, inputs, outputs, bias=True, side=3):
        out.matrix(f"{name}.weight", outputs, inputs, side, side, kind="F32")
        if bias:
            out.vector(f"{name}.bias", outputs, kind="F32")

    def norm(name, width):
        out.vector(f"{name}.weight", width, value=1, kind="F32")
        out.vector(f"{name}.bias", width, kind="F32")

    def block(name, width, attends):
        if not attends:
            convolution(f"{name}.conv1", width, width)
            convolution(f"{name}.conv2", width, width, bias=False)
            return norm(f"{name}.norm", width)
        for part in ["to_q", "to_k", "to_v"]:
            out.matrix(f"{name}.attn.{part}.weight", width, width, kind="F32")
        scale = f"{name}.attn.to_qkv_multiscale.0"
        out.matrix(f"{scale}.proj_in.weight", 3 * width, 1, 5, 5, kind="F32")
        out.matrix(f"{scale}.proj_out.weight", 3 * width, head, 1, 1, kind="F32")
        out.matrix(f"{name}.attn.to_out.weight", width, 2 * width, kind="F32")
        norm(f"{name}.attn.norm_out", width)
        convolution(f"{name}.conv_out.conv_inverted", width, 8 * width, side=1)
        out.matrix(f"{name}.conv_out.conv_depth.weight", 8 * width, 1, 3, 3, kind="F32")
        out.vector(f"{name}.conv_out.conv_depth.bias", 8 * width, kind="F32")
        convolution(f"{name}.conv_out.conv_point", 4 * width, width, bias=False, side=1)
        norm(f"{name}.conv_out.norm", width)

    convolution("encoder.conv_in", 3, widths[0])
    convolution("encoder.conv_out", widths[last], latent)
    convolution("decoder.conv_in", latent, widths[last])
    norm("decoder.norm_out", widths[0])
    convolution("decoder.conv_out", widths[0], 3)
    for level, width in enumerate(widths):
        down, up = f"encoder.down_blocks.{level}", f"decoder.up_blocks.{level}"
        for index in range(encoder[level]):
            block(f"{down}.{index}", width, level > 2)
        if level < last:
            convolution(f"{down}.{encoder[level]}.conv", width, widths[level + 1])
            convolution(f"{up}.0.conv", widths[level + 1], width)
        for index in range(decoder[level]):
            block(f"{up}.{index + (level < last)}", width, level > 2)
    out.finish()


PARTS = {
    "wan-high": lambda out: wan(out / "Wan2.2-T2V-A14B-HighNoise-Q4_K.gguf"),
    "wan-low": lambda out: wan(out / "Wan2.2-T2V-A14B-LowNoise-Q4_K.gguf"),
    "wan-i2v-high": lambda out: wan(out / "Wan2.2-I2V-A14B-HighNoise-Q4_K.gguf", inputs=36),
    "wan-i2v-low": lambda out: wan(out / "Wan2.2-I2V-A14B-LowNoise-Q4_K.gguf", inputs=36),
    "wan-ti2v": lambda out: wan(
        out / "Wan2.2-TI2V-5B-Q4_K.gguf", dim=3072, ffn=14336, blocks=30, inputs=48, outputs=48),
    "wan22-vae": lambda out: wan22_vae(out / "wan2.2_vae.safetensors"),
    "umt5": lambda out: umt5(out / "umt5-xxl-encoder-Q8_0.gguf"),
    "wan-vae": lambda out: wan_vae(out / "vae"),
    "qwen-image": lambda out: qwen_image(out / "qwen-image-Q4_K.gguf"),
    "qwen-text": lambda out: qwen_text(out / "Qwen2.5-VL-7B-Q4_K.gguf"),
    "qwen-vl": lambda out: qwen_vl(out / "qwen_2.5_vl_7b_fp8_scaled.safetensors"),
    "qwen-sight": lambda out: qwen_sight(out / "mmproj-F16.gguf"),
    "qwen-vae": lambda out: qwen_vae(out / "qwen-vae"),
    "z-image": lambda out: z_image(out / "z-image-turbo-Q4_K.gguf"),
    "qwen3": lambda out: qwen3(out / "Qwen3-4B-Q4_K.gguf"),
    "kl-vae": lambda out: kl_vae(out / "ae.safetensors"),
    "taef1": lambda out: tiny_pictures(out / "taef1_decoder.safetensors"),
    "taew2_1": lambda out: tiny_clips(out / "taew2_1.safetensors"),
    "taew2_2": lambda out: tiny_clips(out / "taew2_2.safetensors", latent=48, patch=2),
    "klein": lambda out: klein(out / "flux-2-klein-4b-Q4_K.gguf"),
    "sdxl": lambda out: sdxl(out / "sdxl-fp16.safetensors"),
    "sana-sprint-1.6b": lambda out: sana_sprint(out / "Sana_Sprint_1.6B", heads=70, layers=20, cross=20),
    "sana-sprint-0.6b": lambda out: sana_sprint(out / "Sana_Sprint_0.6B", heads=36, layers=28, cross=16),
    "flux2-vae": lambda out: kl_vae(out / "flux2-vae.safetensors", latent=32, is_flux2=True),
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for part in sys.argv[2:] or PARTS:
        PARTS[part](folder)
