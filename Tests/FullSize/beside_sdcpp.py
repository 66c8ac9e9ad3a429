#!/usr/bin/env python3
"""SDXL's U-Net and autoencoder by Phasor and by stable-diffusion.cpp: the same random weights, the same work, in turn.

    python make_random.py OUT sdxl
    beside_sdcpp.py PHASOR SD_CLI OUT [--side 512] [--threads 2] [--turns 2]

OUT/sdxl-fp16.safetensors has the names of diffusers behind its prefixes. stable-diffusion.cpp wants the original's, and gets the same
bytes under those (OUT/sdxl-ldm.safetensors, written once). Phasor opens that file, too. Told are seconds of one evaluation
without guidance and of one decode, and the most memory: of stable-diffusion.cpp as its log has them, of Phasor by `bench step`.
"""
import argparse, json, os, pathlib, re, shutil, statistics, struct, subprocess

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "add_embedding.linear_1": "label_emb.0.0",
        "add_embedding.linear_2": "label_emb.0.2", "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet(name):
    module, _, parameter = name.rpartition(".")
    if module in UNET:
        return f"{UNET[module]}.{parameter}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        kind, index, rest = found.groups()
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(index)}"
    else:
        way, level, kind, index, rest = re.match(r"(down|up)_blocks\.(\d)\.(\w+)\.(\d)\.(.*)", name).groups()
        level, index = int(level), int(index)
        if kind == "downsamplers":
            return f"input_blocks.{3 * level + 3}.0.{rest.replace('conv', 'op')}"
        if kind == "upsamplers":
            return f"output_blocks.{3 * level + 2}.2.{rest}"
        number = f"input_blocks.{3 * level + index + 1}" if way == "down" else f"output_blocks.{3 * level + index}"
        place = f"{number}.{int(kind == 'attentions')}"
    if kind == "resnets":
        part, _, parameter = rest.rpartition(".")
        rest = f"{RESNET[part]}.{parameter}"
    return f"{place}.{rest}"


def vae(name):
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    if found := re.match(r"(.*)mid_block\.attentions\.0\.(.*)\.(\w+)$", name):
        return f"{found[1]}mid.attn_1.{ATTENTION[found[2]]}.{found[3]}"
    name = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda found: f"up.{3 - int(found[1])}.block.{found[2]}", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", name)


def original(name):
    for prefix, rule in [("model.diffusion_model.", unet), ("first_stage_model.", vae)]:
        if name.startswith(prefix):
            return prefix + rule(name[len(prefix):])
    # Its own loader knows these names of transformers, but not behind the prefix of OpenCLIP's.
    return name.replace("embedders.1.model.", "embedders.1.transformer.")


def rename(source, target):
    """The same bytes under the original's names: only the header is written anew"""
    with open(source, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        renamed = {}
        for name, tensor in header.items():
            new = original(name)
            if ".attn_1." in new and new.endswith(".weight") and len(tensor["shape"]) == 2:
                tensor["shape"] += [1, 1]
            renamed[new] = tensor
        data = json.dumps(renamed).encode()
        data += b" " * (-len(data) % 8)
        part = target.with_suffix(".part")
        with open(part, "wb") as out:
            out.write(struct.pack("<Q", len(data)) + data)
            shutil.copyfileobj(file, out, 1 << 24)
        part.rename(target)


def run(command):
    """Output of a process, and the most memory that it had"""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command[0]} ended with {status}:\n{text[-2000:]}")
    return text, usage.ru_maxrss * 1024


def number(pattern, text):
    return float(re.search(pattern, text)[1])


def by_sdcpp(options):
    text, memory = run([
        options.sd_cli, "-m", options.out / "sdxl-ldm.safetensors", "-p", "A red fox reads a newspaper", "--steps", 1, "--cfg-scale", 1,
        "-W", options.side, "-H", options.side, "-t", options.threads, "--seed", 1, "-o", options.out / "sdcpp.png", "-v",
        *options.flag])
    return [number(r"sampling completed, taking ([\d.]+)s", text), number(r"latent 1 decoded, taking ([\d.]+)s", text),
            memory]


def by_phasor(options):
    text, memory = run([
        options.phasor, "bench", "step", "--model", options.out / "empty", "--expert", options.out / "sdxl-ldm.safetensors", "--vae",
        options.out / "sdxl-ldm.safetensors", "--size", f"{options.side}x{options.side}", "--threads", options.threads, "--precision",
        options.precision, "--rounds", 1])
    return [number(r"([\d.]+) s per step", text), number(r"([\d.]+) s VAE decode", text), memory]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phasor")
    parser.add_argument("sd_cli")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--flag", action="append", default=[], help="of stable-diffusion.cpp, such as --flag=--diffusion-fa")
    options = parser.parse_args()
    (options.out / "empty").mkdir(exist_ok=True)
    target = options.out / "sdxl-ldm.safetensors"
    if not target.exists():
        rename(options.out / "sdxl-fp16.safetensors", target)
    results = {"Phasor": [], "stable-diffusion.cpp": []}
    for turn in range(options.turns):
        results["Phasor"].append(by_phasor(options))
        results["stable-diffusion.cpp"].append(by_sdcpp(options))
        for name, turns in results.items():
            print(f"turn {turn + 1}, {name}: a step {turns[-1][0]:.2f} s, a decode {turns[-1][1]:.2f} s, {turns[-1][2] / 1e9:.1f} GB", flush=True)
    ours, theirs = ([statistics.median(turn[i] for turn in turns) for i in range(2)] for turns in results.values())
    print(f"{options.side}x{options.side}: Phasor's step is {theirs[0] / ours[0]:.2f} times as fast, its decode {theirs[1] / ours[1]:.2f} times")


main()
