#!/usr/bin/env python3
"""One forward pass of Wan 1.3B by Phasor and by OpenVINO: the same random weights, the same work, in turn on one machine.

    pip install torch diffusers transformers accelerate openvino
    beside_openvino.py PHASOR OUT [--side 512] [--threads 2] [--rounds 3] [--turns 2]

OUT/wan-1.3b is that of beside_torch.py and is made where it is missing. OpenVINO gets the network traced at this one size and computes
in bf16 where the processor does (its default). Told are medians of seconds, and the most memory of the process that only runs it.
"""
import argparse, json, pathlib, resource, statistics, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import beside_torch

CASE = "wan-1.3b"


def convert(folder, side, target):
    """In a process of its own: its memory is given back"""
    import diffusers, openvino, torch

    class Network(torch.nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, latents, time, text):
            return self.inner(latents, time, text, return_dict=False)[0]
    network = diffusers.WanTransformer3DModel.from_pretrained(folder / "transformer", torch_dtype=torch.float32).eval()
    words = beside_torch.inputs(CASE, network, side, torch.float32)
    example = (words["hidden_states"], words["timestep"], words["encoder_hidden_states"])
    start = time.time()
    with torch.no_grad():
        model = openvino.convert_model(Network(network), example_input=example, input=[list(value.shape) for value in example])
    openvino.save_model(model, target, compress_to_fp16=True)
    print(f"converted in {time.time() - start:.0f} s", flush=True)


def run(side, target, options):
    import numpy, openvino
    core = openvino.Core()
    model = core.compile_model(target, "CPU", {"INFERENCE_NUM_THREADS": options.threads, "PERFORMANCE_HINT": "LATENCY"})
    values = [numpy.random.randn(1, 16, 1, side // 8, side // 8).astype("float32"), numpy.array([500.0], "float32"),
              numpy.zeros((1, beside_torch.TEXT_ROWS, 4096), "float32")]
    seconds = []
    for _ in range(options.rounds + 1):
        start = time.time()
        model(values)
        seconds.append(time.time() - start)
    precision = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    print(json.dumps([seconds[1:], precision, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("phasor")
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--side", type=int, default=512)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--turns", type=int, default=2)
    p.add_argument("--part", choices=["convert", "run"], help=argparse.SUPPRESS)
    options = p.parse_args()
    options.precision = "bf16"
    folder, target = options.out / CASE, options.out / f"{CASE}-{options.side}.xml"
    if options.part == "convert":
        return convert(folder, options.side, target)
    if options.part == "run":
        return run(options.side, target, options)
    beside_torch.make(CASE, folder)
    words = [str(options.out), "--side", str(options.side), "--threads", str(options.threads), "--rounds", str(options.rounds)]
    if not target.exists():
        subprocess.run([sys.executable, __file__, options.phasor, *words, "--part", "convert"], check=True)
    ours, theirs = [], []
    for _ in range(options.turns):
        ours.append(beside_torch.by_phasor(folder, options.side, options))
        child = [sys.executable, __file__, options.phasor, *words, "--part", "run"]
        theirs.append(json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
    step = [statistics.median(sum((turn[0] for turn in turns), [])) for turns in (ours, theirs)]
    memory = [max(turn[2] for turn in turns) / 1e9 for turns in (ours, theirs)]
    print(f"| {CASE}, {options.side}x{options.side} | Phasor {step[0]:.2f} s | OpenVINO in {theirs[0][1]} {step[1]:.2f} s "
          f"| {step[1] / step[0]:.2f} | {memory[0]:.1f} GB | {memory[1]:.1f} GB |")


if __name__ == "__main__":
    main()
