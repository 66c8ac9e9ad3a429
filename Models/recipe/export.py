"""Stage "export": write Models/emoji-scenes, a folder that diffusers' WanPipeline loads as it is.

    python -m recipe.export --work WORK --vae VAE --out ../Models/emoji-scenes
Without distilled experts in WORK the teacher's weights stand in for them (for tests of loaders).
"""
import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler

from . import sample, shared, teacher, wan

PHASES = {
    "default": "student",
    "defaults": {"width": 128, "height": 128, "frames": 17, "fps": 8},
    "generators": {
        "student": {"sampler": "euler", "sigmas": sample.STUDENT_SIGMAS[:-1], "phases": [
            {"name": "high noise", "sigma": [.8, 1.], "expert": "transformer", "guidance_scale": 1.},
            {"name": "low noise", "sigma": [0., .8], "expert": "transformer_2", "guidance_scale": 1.}]},
        "teacher": {"sampler": "euler", "steps": sample.TEACHER_STEPS, "shift": sample.TEACHER_SHIFT, "phases": [
            {"name": "teacher", "sigma": [0., 1.], "expert": "teacher", "guidance_scale": sample.TEACHER_GUIDANCE}]}}}


def load_teacher(work, vector="ema"):
    """-> transformer, text side with the weights of a checkpoint"""
    model, text, named = teacher.parts(os.path.join(work, "tokenizer"))
    saved = torch.load(os.path.join(work, "teacher.pt"))
    layout = shared.Layout(named, teacher.is_matrix, 2)
    with torch.no_grad():
        for name, p in named:
            p.copy_(layout.view(saved["vectors"][vector], name))
    return model.eval().requires_grad_(False), text, saved["progress"]


def expert(work, name, fallback):
    path = os.path.join(work, name + ".pt")
    if not os.path.exists(path):
        return fallback
    model = wan.build()
    model.load_state_dict(torch.load(path)["ema"])
    return model.eval().requires_grad_(False)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True)
    p.add_argument("--out", required=True)
    a = p.parse_args()
    model, text, progress = load_teacher(a.work)
    at = lambda *names: os.path.join(a.out, *names)
    os.makedirs(a.out, exist_ok=True)
    for name, net in (("teacher", model), ("transformer", expert(a.work, "expert1", model)), ("transformer_2", expert(a.work, "expert2", model))):
        net.to(torch.bfloat16).save_pretrained(at(name))
    text.encoder.to(torch.bfloat16).save_pretrained(at("text_encoder"))
    vae = AutoencoderKLWan.from_pretrained(a.vae).to(torch.bfloat16)
    vae.register_to_config(_name_or_path="")           # no path of the training machine
    vae.save_pretrained(at("vae"))
    FlowMatchEulerDiscreteScheduler(shift=sample.TEACHER_SHIFT).save_pretrained(at("scheduler"))
    shutil.copytree(os.path.join(a.work, "tokenizer"), at("tokenizer"), dirs_exist_ok=True)
    index = {"_class_name": "WanPipeline", "_diffusers_version": "0.42.1", "boundary_ratio": .8, "expand_timesteps": False,
             "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "text_encoder": ["transformers", "UMT5EncoderModel"],
             "tokenizer": ["transformers", "T5TokenizerFast"], "transformer": ["diffusers", "WanTransformer3DModel"],
             "transformer_2": ["diffusers", "WanTransformer3DModel"], "vae": ["diffusers", "AutoencoderKLWan"]}
    for name, content in (("model_index.json", index), ("phases.json", PHASES)):
        with open(at(name), "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
    print("exported", progress)


if __name__ == "__main__":
    main()
