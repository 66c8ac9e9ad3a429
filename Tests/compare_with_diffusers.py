"""Runs the same generation in Phasor and in diffusers' WanPipeline, or WanImageToVideoPipeline with a first frame, and compares
the final latents, in float32.

    pip install torch diffusers transformers safetensors
    python Tests/compare_with_diffusers.py "a red balloon on a blue background" --frames 17
    python Tests/compare_with_diffusers.py "it moves to the left" --frames 17 --image start.png

Phasor writes the noise it started from; diffusers starts from the same noise, on the sigmas of the folder's
phases.json, and takes the text path of its own. Exits 1 if the latents differ by more than --tolerance.
"""
import argparse, json, os, subprocess, sys, tempfile

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel
from PIL import Image
from safetensors.torch import load_file


class GivenSigmas(FlowMatchEulerDiscreteScheduler):
    """Walks explicit sigmas, whatever number of steps the pipeline asks for."""

    sigmas_to_use = []

    def set_timesteps(self, num_inference_steps=None, device=None, **_):
        super().set_timesteps(sigmas=np.array(self.sigmas_to_use), device=device)


def sigmas_of(generator):
    if "sigmas" in generator:
        return generator["sigmas"]
    n, s = generator["steps"], generator["shift"]
    return [s * u / (1 + (s - 1) * u) for u in np.linspace(1, 1 / n, n)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("prompt")
    arguments.add_argument("--model", default="Models/emoji-scenes")
    arguments.add_argument("--phasor", default=".build/release/phasor")
    arguments.add_argument("--generator", default="student", choices=["student", "teacher"])
    arguments.add_argument("--frames", type=int, default=1)
    arguments.add_argument("--image", help="the first frame of a clip, of the size that the model makes")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--tolerance", type=float, default=1e-3)
    a = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out.mp4" if a.frames > 1 else "out.png")
        latents = os.path.join(folder, "latents.safetensors")
        subprocess.run([a.phasor, "generate", a.prompt, "-o", out, "--model", a.model, "--generator", a.generator,
                        "--frames", str(a.frames), "--seed", str(a.seed), "--latents", latents,
                        *(["--image", a.image] if a.image else [])], check=True)
        ours = load_file(latents)

    phases = json.load(open(os.path.join(a.model, "phases.json")))
    generator = phases["generators"][a.generator]
    kind = WanImageToVideoPipeline if a.image else WanPipeline
    pipe = kind.from_pretrained(a.model, torch_dtype=torch.float32)
    if a.generator == "teacher":
        pipe.transformer = WanTransformer3DModel.from_pretrained(a.model, subfolder="teacher", torch_dtype=torch.float32)
        pipe.register_to_config(boundary_ratio=None)
    scheduler = GivenSigmas(shift=1.0)
    scheduler.sigmas_to_use = sigmas_of(generator)
    pipe.scheduler = scheduler
    pipe.set_progress_bar_config(disable=True)
    scales = [phase["guidance_scale"] for phase in generator["phases"]]
    noise = ours["initial"][None]
    factor = pipe.vae_scale_factor_spatial
    theirs = pipe(
        **({"image": Image.open(a.image).convert("RGB")} if a.image else {}), prompt=a.prompt, negative_prompt="", height=noise.shape[3] * factor, width=noise.shape[4] * factor,
        num_frames=a.frames, num_inference_steps=len(scheduler.sigmas_to_use), guidance_scale=scales[0],
        guidance_scale_2=scales[1] if len(scales) > 1 else None, latents=noise, output_type="latent").frames[0]
    difference = (theirs - ours["final"]).abs().max().item()
    print(f"{a.generator}, {a.frames} frame(s), {len(scheduler.sigmas_to_use)} steps: latents of absmax "
          f"{theirs.abs().max().item():.3f} differ by at most {difference:.2e} (tolerance {a.tolerance:g})")
    sys.exit(difference > a.tolerance)


if __name__ == "__main__":
    main()
