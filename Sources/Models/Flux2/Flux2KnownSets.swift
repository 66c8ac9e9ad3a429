extension Flux2Family {
    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "flux2-klein-4b", family: name, makes: "pictures, also from pictures, 4 steps",
                licence: "Apache-2.0",
                variants: [("Q8_0", 4_301, 4_280, 9), ("Q4_K_M", 2_604, 2_497, 6)].map {
                    (type, network, text, memory) in
                    KnownSet.Variant(
                        name: type,
                        files: [
                            KnownSet.File(
                                .expert("transformer"), "unsloth/FLUX.2-klein-4B-GGUF/flux-2-klein-4b-\(type).gguf",
                                network),
                            .qwen3(type, text),
                            KnownSet.File(.vae, "Comfy-Org/flux2-dev/split_files/vae/flux2-vae.safetensors", 336),
                        ], memory: memory)
                })
        ]
    }
}
