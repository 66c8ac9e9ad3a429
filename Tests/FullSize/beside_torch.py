#!/usr/bin/env python3
"""One forward pass of a network and one decode of its autoencoder, by Phasor and by diffusers on torch: the same random weights
(bfloat16 files, true widths), the same work, in turn on one machine.

    pip install torch diffusers transformers accelerate
    beside_torch.py PHASOR OUT [CASE ...] [--precision f32|bf16|int8] [--threads 2] [--rounds 3] [--turns 2]

Cases (default: all): wan-1.3b, klein-4b, z-image, sdxl, sana-sprint-1.6b at 512x512; sdxl-1024 and
sana-sprint-1.6b-1024 at 1024x1024. klein-4b and z-image
have a fifth of their blocks, in their proportions, as torch would not fit beside the file otherwise. OUT keeps the weights (18 GB).
--precision is that of the products of both: f32 on processors without bf16. Where the processor has none, torch's bf16 is slower than its
f32. int8 is Phasor's, beside torch's bf16. Each turn is a process of its own. Told are medians over the rounds of all turns; of decodes
each turn's second, and Phasor's first, which packs the weights. A whole picture is counted from those: the steps of a distilled model,
SDXL's one at 512x512 and four at 1024x1024, SANA-Sprint's two, four elsewhere, and a second decode.
"""
import argparse, json, pathlib, resource, statistics, subprocess, sys, tempfile, time

KL = dict(block_out_channels=[128, 256, 512, 512], down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
          layers_per_block=2, sample_size=1024)
SDXL = dict(
    network=("UNet2DConditionModel", dict(
        addition_embed_type="text_time", addition_time_embed_dim=256, attention_head_dim=[5, 10, 20], block_out_channels=[320, 640, 1280],
        cross_attention_dim=2048, down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], projection_class_embeddings_input_dim=2816,
        sample_size=128, transformer_layers_per_block=[1, 2, 10], use_linear_projection=True, in_channels=4, out_channels=4)),
    vae=("AutoencoderKL", dict(KL, latent_channels=4, scaling_factor=0.13025, force_upcast=True)))
SANA = dict(
    network=("SanaTransformer2DModel", dict(
        attention_head_dim=32, caption_channels=2304, cross_attention_dim=2240, cross_attention_head_dim=112, guidance_embeds=True,
        guidance_embeds_scale=0.1, in_channels=32, mlp_ratio=2.5, norm_elementwise_affine=False, num_attention_heads=70,
        num_cross_attention_heads=20, num_layers=20, out_channels=32, patch_size=1, qk_norm="rms_norm_across_heads", sample_size=32)),
    vae=("AutoencoderDC", dict(
        attention_head_dim=32, decoder_act_fns="silu", decoder_block_out_channels=[128, 256, 512, 512, 1024, 1024],
        decoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3, decoder_layers_per_block=[3] * 6,
        decoder_norm_types="rms_norm", decoder_qkv_multiscales=[[], [], [], [5], [5], [5]], downsample_block_type="Conv",
        encoder_block_out_channels=[128, 256, 512, 512, 1024, 1024], encoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
        encoder_layers_per_block=[2, 2, 2, 3, 3, 3], encoder_qkv_multiscales=[[], [], [], [5], [5], [5]], latent_channels=32,
        scaling_factor=0.41407, upsample_block_type="interpolate")))
CASES = {
    "wan-1.3b": dict(
        network=("WanTransformer3DModel", dict(
            num_attention_heads=12, attention_head_dim=128, in_channels=16, out_channels=16, text_dim=4096, freq_dim=256, ffn_dim=8960,
            num_layers=30, cross_attn_norm=True, qk_norm="rms_norm_across_heads", eps=1e-6)),
        vae=("AutoencoderKLWan", {})),
    "klein-4b": dict(
        network=("Flux2Transformer2DModel", dict(
            attention_head_dim=128, num_attention_heads=24, num_layers=1, num_single_layers=4, in_channels=128, joint_attention_dim=7680,
            guidance_embeds=False, axes_dims_rope=[32, 32, 32, 32], rope_theta=2000, mlp_ratio=3.0, patch_size=1)),
        vae=("AutoencoderKLFlux2", {})),
    "z-image": dict(
        network=("ZImageTransformer2DModel", dict(
            dim=3840, n_heads=30, n_kv_heads=30, n_layers=6, n_refiner_layers=1, in_channels=16, cap_feat_dim=2560,
            axes_dims=[32, 48, 48], axes_lens=[1536, 512, 512], norm_eps=1e-5, qk_norm=True, rope_theta=256.0, t_scale=1000.0)),
        vae=("AutoencoderKL", dict(KL, latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False,
                                   use_post_quant_conv=False))),
    "sdxl": SDXL,
    "sdxl-1024": dict(SDXL, folder="sdxl", side=1024),
    "sana-sprint-1.6b": SANA,
    "sana-sprint-1.6b-1024": dict(SANA, folder="sana-sprint-1.6b", side=1024),
}
TEXT_ROWS = 256
STEPS = {"sdxl": 1, "sana-sprint-1.6b": 2, "sana-sprint-1.6b-1024": 2}


def part(case, name):
    return "vae" if name == "vae" else "unet" if CASES[case][name][0].startswith("UNet") else "transformer"


def make(case, folder):
    import diffusers, torch
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    for name in ("network", "vae"):
        kind, configuration = CASES[case][name]
        place = folder / part(case, name)
        if not (place / "config.json").exists():
            # One file: Phasor's bare folders need no index.
            getattr(diffusers, kind)(**configuration).save_pretrained(place, max_shard_size="100GB")


def inputs(case, network, side, dtype):
    """What the network's forward pass is called with; the text is zeros, as in `phasor bench step`"""
    import torch
    noise = lambda *shape: torch.randn(shape, dtype=dtype)
    text = lambda width: torch.zeros(1, TEXT_ROWS, width, dtype=dtype)
    time, rows = torch.tensor([500.0], dtype=dtype), side // 16
    if case == "wan-1.3b":
        return dict(hidden_states=noise(1, 16, 1, side // 8, side // 8), timestep=time, encoder_hidden_states=text(4096))
    if case == "klein-4b":
        places = torch.cartesian_prod(torch.arange(1), torch.arange(rows), torch.arange(rows), torch.arange(1))
        words = torch.cartesian_prod(torch.arange(1), torch.arange(1), torch.arange(1), torch.arange(TEXT_ROWS))
        return dict(hidden_states=noise(1, rows * rows, 128), timestep=time / 1000, encoder_hidden_states=text(7680),
                    img_ids=places[None], txt_ids=words[None], guidance=None)
    if case == "z-image":
        return dict(x=[noise(16, 1, side // 8, side // 8)], t=time / 1000, cap_feats=[text(2560)[0]])
    if case.startswith("sdxl"):
        conditions = {"text_embeds": torch.zeros(1, 1280, dtype=dtype), "time_ids": torch.zeros(1, 6, dtype=dtype)}
        return dict(sample=noise(1, 4, side // 8, side // 8), timestep=time[0], encoder_hidden_states=text(2048), added_cond_kwargs=conditions)
    return dict(hidden_states=noise(1, 32, side // 32, side // 32), timestep=time / 1000, encoder_hidden_states=text(2304), guidance=time)


def by_torch(case, folder, side, options):
    """In a process of its own: seconds of each round, of a decode, and bytes of memory"""
    import diffusers, torch
    torch.set_num_threads(options.threads)
    dtype = torch.float32 if options.precision == "f32" else torch.bfloat16

    def timed(body):
        start = time.time()
        with torch.no_grad():
            body()
        return time.time() - start
    network = getattr(diffusers, CASES[case]["network"][0]).from_pretrained(folder / part(case, "network"), torch_dtype=dtype)
    words = inputs(case, network, side, dtype)
    steps = [timed(lambda: network(**words, return_dict=False)) for _ in range(options.rounds + 1)][1:]
    del network
    vae = getattr(diffusers, CASES[case]["vae"][0]).from_pretrained(folder / "vae", torch_dtype=dtype)
    shapes = {"wan-1.3b": (16, 1, side // 8, side // 8), "klein-4b": (32, side // 8, side // 8), "z-image": (16, side // 8, side // 8),
              "sana-sprint-1.6b": (32, side // 32, side // 32), "sdxl": (4, side // 8, side // 8)}
    latent = torch.randn(1, *shapes[CASES[case].get("folder", case)], dtype=dtype)
    decode = [timed(lambda: vae.decode(latent, return_dict=False)) for _ in range(2)][1]
    print(json.dumps([steps, decode, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))


def by_phasor(folder, side, options):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run(
            [options.phasor, "bench", "step", "--model", folder, "--size", f"{side}x{side}", "--precision", options.precision,
             "--threads", str(options.threads), "--rounds", str(options.rounds), "--json", file.name],
            check=True, stdout=subprocess.DEVNULL)
        told = json.load(open(file.name))
    return [told["seconds_per_step"]], told["vae_decode_again_seconds"], told["peak_rss_bytes"], told["vae_decode_seconds"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("phasor")
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("cases", nargs="*", metavar="CASE")
    p.add_argument("--precision", choices=["f32", "bf16", "int8"], default="bf16")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--turns", type=int, default=2)
    p.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = p.parse_args()
    if unknown := [case for case in options.cases if case not in CASES]:
        p.error(f"{unknown[0]}: the cases are {', '.join(CASES)}")
    print(f"| {options.precision}, {options.threads} threads | Phasor, s a step | torch | ratio | Phasor, s a first decode | a second "
          "| torch | ratio | Phasor, s a picture | torch | ratio | Phasor, GB | torch |\n| ---" + " | ---:" * 12 + " |" if not options.child else "", flush=True)
    for case in options.cases or CASES:
        folder, side = options.out / CASES[case].get("folder", case), CASES[case].get("side", 512)
        if options.child:
            return by_torch(case, folder, side, options)
        subprocess.run([sys.executable, "-c", f"import sys, pathlib; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r}); "
                        f"import beside_torch; beside_torch.make({case!r}, pathlib.Path({str(folder)!r}))"], check=True)
        ours, theirs = [], []
        for _ in range(options.turns):
            ours.append(by_phasor(folder, side, options))
            child = [sys.executable, __file__, options.phasor, options.out, case, "--child", "--precision", options.precision,
                     "--threads", str(options.threads), "--rounds", str(options.rounds)]
            theirs.append(json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
        step = [statistics.median(sum((turn[0] for turn in turns), [])) for turns in (ours, theirs)]
        decode = [statistics.median(turn[1] for turn in turns) for turns in (ours, theirs)]
        picture = [STEPS.get(case, 4) * one + other for one, other in zip(step, decode)]
        first = statistics.median(turn[3] for turn in ours)
        memory = [max(turn[2] for turn in turns) / 1e9 for turns in (ours, theirs)]
        print(f"| {case} | {step[0]:.2f} | {step[1]:.2f} | {step[1] / step[0]:.2f} | {first:.2f} | {decode[0]:.2f} | {decode[1]:.2f} "
              f"| {decode[1] / decode[0]:.2f} | {picture[0]:.1f} | {picture[1]:.1f} | {picture[1] / picture[0]:.2f} | {memory[0]:.1f} | {memory[1]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
