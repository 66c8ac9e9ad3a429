#!/usr/bin/env python3
"""A Wan2.2 folder whose two experts do not fit into memory together, and what serving it in a control group costs.

  two_experts.py make OUT [--layers 4]      experts of random weights at the block dims of Wan2.2-A14B (5120 / 13824),
                                            bf16, 3.2 GB each with 4 layers; text encoder, tokenizer and VAE are those of
                                            Tests/Fixtures/wan22-tiny; 4 steps, two for each expert. Needs numpy.
  two_experts.py run PHASOR [--limit-gb 4.5] -- COMMAND
                                            a command of phasor in a memory control group (version 1, as root) of that size,
                                            with an empty page cache; prints seconds, peak of the group, and what was read.
                                            Eight requests at once, and one alone:
      two_experts.py run phasor -- bench schedule OUT --trace eight.json --size 128x128 --memory 4.1GB --precision bf16
      two_experts.py run phasor -- generate "a cat" --model OUT --size 512x512 --memory 4.1GB --precision bf16
"""
import argparse, json, os, pathlib, resource, shutil, subprocess, sys, time

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "Fixtures/wan22-tiny"
DIM, FFN, HEADS = 5120, 13824, 40


def tensors(layers):
    """Names and shapes in diffusers' layout."""
    def linear(name, outputs, *inputs):
        yield name + ".weight", (outputs, *inputs)
        yield name + ".bias", (outputs,)
    yield from linear("patch_embedding", DIM, 16, 1, 2, 2)
    for part, width in (("time", 256), ("text", 32)):
        yield from linear(f"condition_embedder.{part}_embedder.linear_1", DIM, width)
        yield from linear(f"condition_embedder.{part}_embedder.linear_2", DIM, DIM)
    yield from linear("condition_embedder.time_proj", 6 * DIM, DIM)
    for layer in range(layers):
        block = f"blocks.{layer}."
        for attention in ("attn1", "attn2"):
            for projection in ("to_q", "to_k", "to_v", "to_out.0"):
                yield from linear(f"{block}{attention}.{projection}", DIM, DIM)
            for norm in ("norm_q", "norm_k"):
                yield f"{block}{attention}.{norm}.weight", (DIM,)
        yield block + "norm2.weight", (DIM,)
        yield block + "norm2.bias", (DIM,)
        yield from linear(block + "ffn.net.0.proj", FFN, DIM)
        yield from linear(block + "ffn.net.2", DIM, FFN)
        yield block + "scale_shift_table", (1, 6, DIM)
    yield from linear("proj_out", 64, DIM)
    yield "scale_shift_table", (1, 2, DIM)


def write_expert(folder, layers, seed):
    import numpy
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({
        "num_attention_heads": HEADS, "attention_head_dim": DIM // HEADS, "ffn_dim": FFN, "num_layers": layers,
        "in_channels": 16, "out_channels": 16, "text_dim": 32, "freq_dim": 256, "patch_size": [1, 2, 2], "eps": 1e-6,
        "cross_attn_norm": True, "qk_norm": "rms_norm_across_heads"}))
    header, offset = {}, 0
    for name, shape in tensors(layers):
        count = 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(header).encode()
    # One block of noise over and over: what counts is that every byte is read and computed.
    noise = numpy.random.default_rng(seed).standard_normal(1 << 24, dtype=numpy.float32) * DIM ** -0.5
    noise = (noise.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    with open(folder / "diffusion_pytorch_model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while offset:
            offset -= file.write(noise[:offset])
        os.fsync(file.fileno())


def make(options):
    out = pathlib.Path(options.out)
    for part in ("text_encoder", "tokenizer", "vae", "scheduler"):
        shutil.copytree(FIXTURE / part, out / part, dirs_exist_ok=True)
    shutil.copy(FIXTURE / "model_index.json", out)
    phases = [{"name": "high noise", "sigma": [.875, 1], "expert": "transformer"},
              {"name": "low noise", "sigma": [0, .875], "expert": "transformer_2"}]
    (out / "phases.json").write_text(json.dumps({"default": "student", "generators": {"student": {
        "sampler": "euler", "sigmas": [1, .9375, .8333, .625], "phases": phases}}}))
    (out / "eight.json").write_text(json.dumps(
        [{"at": 0, "kind": "image", "prompt": f"prompt {seed}", "seed": seed} for seed in range(8)]))
    for seed, name in enumerate(("transformer", "transformer_2")):
        write_expert(out / name, options.layers, seed)


def run(options):
    group = pathlib.Path("/sys/fs/cgroup/memory/phasor-two-experts")
    group.mkdir(exist_ok=True)
    try:
        (group / "memory.limit_in_bytes").write_text(str(int(options.limit_gb * 1e9)))
        (group / "memory.max_usage_in_bytes").write_text("0")
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        start = time.time()
        done = subprocess.run(
            [options.phasor, *options.flags],
            preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())), capture_output=True, text=True)
        seconds = time.time() - start
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(done.stdout + done.stderr[-2000:])
        print(json.dumps({
            "exit": done.returncode, "seconds": round(seconds, 2),
            "group_peak_bytes": int((group / "memory.max_usage_in_bytes").read_text()),
            "group_limit_hits": int((group / "memory.failcnt").read_text()),
            "peak_rss_bytes": usage.ru_maxrss * 1024, "read_bytes": usage.ru_inblock * 512,
            "major_faults": usage.ru_majflt}))
    finally:
        group.rmdir()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
commands = parser.add_subparsers(required=True)
command = commands.add_parser("make")
command.add_argument("out")
command.add_argument("--layers", type=int, default=4)
command.set_defaults(call=make)
command = commands.add_parser("run")
command.add_argument("phasor")
command.add_argument("--limit-gb", type=float, default=4.5)
command.set_defaults(call=run)
split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
options = parser.parse_args(sys.argv[1:split])
options.flags = sys.argv[split + 1:]
options.call(options)
