"""Stage "export": write Models/emoji-scenes, a folder that diffusers' WanPipeline loads as it is; and WanImageToVideoPipeline, if
the teacher has learnt from clips whose first frame is given.

    python -m recipe.export --work WORK --vae VAE --out emoji-scenes --adapted phased-4
    python -m recipe.export --work WORK --vae VAE --out WORK/all --compare one-step,dmd2,phased-4

Without distilled experts in WORK the teacher's weights stand in for them (for tests of loaders).
"""
import argparse
import json
import os
import shutil

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanTransformer3DModel

from . import adapter, sample, shared, teacher, wan

#: where a phase that starts at this step of the grid takes over: between two sigmas of it
BOUNDARY = {1: .95, 2: .8, 3: .6}
#: bytes of an expert that is stored as a LoRA: four of them and the rest fit in 60 MB
ADAPTER_BYTES = 430_000


def folders(name):
    """Of a system's experts, from high noise to low noise"""
    if name == sample.SHIPPED:
        return ["transformer", "transformer_2"]
    phases = len(sample.SYSTEMS[name].phases)
    return [name] if phases == 1 else [f"{name}-{k + 1}" for k in range(phases)]


def generator(name):
    """A system's entry in phases.json"""
    system = sample.SYSTEMS[name]
    edges = [1., *(BOUNDARY[steps[0]] for steps in system.phases[1:]), 0.]
    names = ["high noise", "low noise"] if len(system.phases) == 2 else [f"phase {k + 1}" for k in range(len(system.phases))]
    return {"sampler": "euler", "sigmas": list(system.sigmas[:-1]), "phases": [
        {"name": n, "sigma": [low, high], "expert": folder, "guidance_scale": 1.}
        for n, folder, high, low in zip(names, folders(name), edges, edges[1:])]}


def bases(name):
    """The shipped expert that owns the noise each expert of a system starts in"""
    shipped = sample.SYSTEMS[sample.SHIPPED]
    return [folders(sample.SHIPPED)[shipped.owner(steps[0])] for steps in sample.SYSTEMS[name].phases]


def plan(others, adapted):
    """phases.json: the shipped student, its teacher, systems of adapted experts, and for comparison other systems"""
    experts = {folder: {"base": base, "loras": [{"file": f"loras/{folder}.safetensors"}]}
               for name in adapted for folder, base in zip(folders(name), bases(name))}
    return {
        "default": "student",
        "defaults": {"width": 128, "height": 128, "frames": 17, "fps": 8},
        **({"experts": experts} if experts else {}),
        "generators": {
            "student": generator(sample.SHIPPED),
            "teacher": {"sampler": "euler", "steps": sample.TEACHER_STEPS, "shift": sample.TEACHER_SHIFT, "phases": [
                {"name": "teacher", "sigma": [0., 1.], "expert": "teacher", "guidance_scale": sample.TEACHER_GUIDANCE}]},
            **{name: generator(name) for name in (*adapted, *others)}}}


def load_teacher(work, vector="parameters"):
    """-> transformer, text side with the weights of a checkpoint: what the cooldown ended at. The EMA lags by 500 steps, which
    is worse where something was learnt late."""
    model, text, named = teacher.parts(os.path.join(work, "tokenizer"))
    saved = torch.load(os.path.join(work, "teacher.pt"))
    layout = shared.Layout(named, teacher.is_matrix, 2)
    with torch.no_grad():
        for name, p in named:
            p.copy_(layout.view(saved["vectors"][vector], name))
    return model.eval().requires_grad_(False), text, saved["progress"]


def expert(work, name, fallback=None):
    path = os.path.join(work, name + ".pt")
    if fallback is not None and not os.path.exists(path):
        return fallback
    model = wan.build()
    model.load_state_dict(torch.load(path)["ema"])
    return model.eval().requires_grad_(False)


def moved(folder, name, teacher):
    """An expert of an exported folder, moved as far as the folder's teacher has moved by training on to what it is now (task
    arithmetic, Ilharco et al. 2023): what both networks have learnt since they parted"""
    of = lambda name: WanTransformer3DModel.from_pretrained(os.path.join(folder, name), torch_dtype=torch.float32).state_dict()
    model, then, before = wan.build(), of(name), of("teacher")
    model.load_state_dict({key: then[key] + now - before[key] for key, now in teacher.state_dict().items()})
    return model.eval().requires_grad_(False)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--vae", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--compare", default="", help="further systems to write as generators, separated by commas: for evaluation")
    p.add_argument("--adapted", default="", help="systems whose experts are written as LoRAs on the shipped ones")
    a = p.parse_args()
    adapted = [name for name in a.adapted.split(",") if name]
    others = [name for name in a.compare.split(",") if name]
    model, text, progress = load_teacher(a.work)
    at = lambda *names: os.path.join(a.out, *names)
    os.makedirs(a.out, exist_ok=True)
    for name in (sample.SHIPPED, *others):
        for k, folder in enumerate(folders(name)):
            expert(a.work, f"{name}-{k}-expert", model).to(torch.bfloat16).save_pretrained(at(folder))
    for name in adapted:
        os.makedirs(at("loras"), exist_ok=True)
        for k, (folder, base) in enumerate(zip(folders(name), bases(name))):
            on = expert(a.work, f"{sample.SHIPPED}-{folders(sample.SHIPPED).index(base)}-expert", model)
            kept = adapter.write(at("loras", folder + ".safetensors"), expert(a.work, f"{name}-{k}-expert", model), on, ADAPTER_BYTES)
            print(f"{folder} on {base}: {kept:.0%} of the difference")
    model.to(torch.bfloat16).save_pretrained(at("teacher"))
    text.encoder.to(torch.bfloat16).save_pretrained(at("text_encoder"))
    vae = AutoencoderKLWan.from_pretrained(a.vae).to(torch.bfloat16)
    vae.register_to_config(_name_or_path="")           # no path of the training machine
    vae.save_pretrained(at("vae"))
    FlowMatchEulerDiscreteScheduler(shift=sample.TEACHER_SHIFT).save_pretrained(at("scheduler"))
    shutil.copytree(os.path.join(a.work, "tokenizer"), at("tokenizer"), dirs_exist_ok=True)
    index = {"_class_name": "WanPipeline", "_diffusers_version": "0.42.1", "boundary_ratio": .8, "expand_timesteps": progress.get("given", 0) > 0,
             "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "text_encoder": ["transformers", "UMT5EncoderModel"],
             "tokenizer": ["transformers", "T5TokenizerFast"], "transformer": ["diffusers", "WanTransformer3DModel"],
             "transformer_2": ["diffusers", "WanTransformer3DModel"], "vae": ["diffusers", "AutoencoderKLWan"]}
    for name, content in (("model_index.json", index), ("phases.json", plan(others, adapted))):
        with open(at(name), "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
    print("exported", progress)


if __name__ == "__main__":
    main()
