extension ZImageFamily {
    var knownSets: [KnownSet] {
        [
            KnownSet(
                name: "z-image-turbo", family: name, makes: "pictures, 8 steps", licence: "Apache-2.0",
                variants: [("Q8_0", "leejet", 6_577, 4_280, 12), ("Q4_K_M", "jayn7", 4_981, 2_497, 8)].map {
                    (type, owner, network, text, memory) in
                    KnownSet.Variant(
                        name: type,
                        files: [
                            KnownSet.File(
                                .expert("transformer"), "\(owner)/Z-Image-Turbo-GGUF/z_image_turbo-\(type).gguf",
                                network),
                            .qwen3(type, text),
                            KnownSet.File(.vae, "Comfy-Org/z_image_turbo/split_files/vae/ae.safetensors", 335),
                        ], memory: memory)
                })
        ]
    }
}
