/// A working set of published files: everything that a model is generated with, of several repositories, under one name.
package struct KnownSet: Sendable {
    package let name: String
    /// The family of models, by its name here.
    package let family: String
    /// What it makes.
    package let makes: String
    package let licence: String
    /// Smaller ones last.
    package let variants: [Variant]

    package struct Variant: Sendable {
        /// The name of the weights' type, e.g. `Q4_K_M`.
        package let name: String
        package let files: [File]
        /// Memory that the largest part and its activations want, in gigabytes; a machine with less reads weights again and
        /// again.
        package let memory: Int

        /// Approximate; the hub says the true number.
        package var bytes: Int { files.reduce(0) { $0 + $1.megabytes } * 1_000_000 }
    }

    package enum Role: Sendable, Equatable {
        case expert(String)
        case textEncoder
        case vae
        case lora(String)
        /// A whole repository in diffusers' layout.
        case folder
    }

    package struct File: Sendable {
        package let role: Role
        /// `OWNER/NAME/FILE`, or `OWNER/NAME` of a folder.
        package let path: String
        package let megabytes: Int
        /// The type of a folder's weights.
        package let type: String?

        init(_ role: Role, _ path: String, _ megabytes: Int, type: String? = nil) {
            self.role = role
            self.path = path
            self.megabytes = megabytes
            self.type = type
        }
    }

    /// `NAME`, or `NAME:VARIANT`.
    package static func find(_ text: String) -> (set: KnownSet, variant: String?)? {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let first = parts.first, let set = all.first(where: { $0.name == first }) else { return nil }
        return (set, parts.count > 1 ? parts[1] : nil)
    }

    /// The one that is named, else the largest that the memory has room for, else the smallest.
    /// - Throws: `HubError.badName` for a variant that there is not.
    package func variant(named name: String?, memory: Int) throws(HubError) -> Variant {
        if let name {
            guard let found = variants.first(where: { $0.name.lowercased() == name.lowercased() }) else {
                throw .badName(
                    name: "\(self.name):\(name)",
                    reason: "there is \(variants.map(\.name).joined(separator: ", "))")
            }
            return found
        }
        return variants.first { $0.memory * 1_000_000_000 <= memory } ?? variants[variants.count - 1]
    }

    // MARK: The sets

    private static let vaeOfWan = File(
        .vae, "Comfy-Org/Wan_2.2_ComfyUI_Repackaged/split_files/vae/wan_2.1_vae.safetensors", 254)

    private static func umt5(_ type: String, _ megabytes: Int) -> File {
        File(.textEncoder, "city96/umt5-xxl-encoder-gguf/umt5-xxl-encoder-\(type).gguf", megabytes)
    }

    private static func qwen3(_ type: String, _ megabytes: Int) -> File {
        File(.textEncoder, "unsloth/Qwen3-4B-GGUF/Qwen3-4B-\(type).gguf", megabytes)
    }

    /// Both experts of Wan2.2-A14B in that type, with Lightning's LoRA on each.
    private static func wan(_ kind: String, _ type: String, _ megabytes: Int, lightning: String) -> [File] {
        [("high", "High"), ("low", "Low")].flatMap { half, name in
            [
                File(
                    .expert(half),
                    "QuantStack/Wan2.2-\(kind)-A14B-GGUF/\(name)Noise/Wan2.2-\(kind)-A14B-\(name)Noise-\(type).gguf",
                    megabytes),
                File(
                    .lora(half),
                    "lightx2v/Wan2.2-Lightning/Wan2.2-\(kind)-A14B-4steps-lora-rank64-Seko-\(lightning)/\(half)_noise_model.safetensors",
                    1_227),
            ]
        } + [vaeOfWan]
    }

    package static let all: [KnownSet] = [
        KnownSet(
            name: "z-image-turbo", family: "z-image", makes: "pictures, 8 steps", licence: "Apache-2.0",
            variants: [("Q8_0", "leejet", 6_577, 4_280, 12), ("Q4_K_M", "jayn7", 4_981, 2_497, 8)].map {
                (type, owner, network, text, memory) in
                Variant(
                    name: type,
                    files: [
                        File(
                            .expert("transformer"), "\(owner)/Z-Image-Turbo-GGUF/z_image_turbo-\(type).gguf", network),
                        qwen3(type, text),
                        File(.vae, "Comfy-Org/z_image_turbo/split_files/vae/ae.safetensors", 335),
                    ], memory: memory)
            }),
        KnownSet(
            name: "flux2-klein-4b", family: "flux2-klein", makes: "pictures, also from pictures, 4 steps",
            licence: "Apache-2.0",
            variants: [("Q8_0", 4_301, 4_280, 9), ("Q4_K_M", 2_604, 2_497, 6)].map { (type, network, text, memory) in
                Variant(
                    name: type,
                    files: [
                        File(
                            .expert("transformer"), "unsloth/FLUX.2-klein-4B-GGUF/flux-2-klein-4b-\(type).gguf",
                            network),
                        qwen3(type, text),
                        File(.vae, "Comfy-Org/flux2-dev/split_files/vae/flux2-vae.safetensors", 336),
                    ], memory: memory)
            }),
        KnownSet(
            name: "wan2.2-t2v-lightning", family: "wan22", makes: "clips and pictures, 4 steps by two experts",
            licence: "Apache-2.0",
            variants: [
                Variant(
                    name: "Q8_0", files: wan("T2V", "Q8_0", 15_400, lightning: "V1.1") + [umt5("Q8_0", 6_040)],
                    memory: 24),
                Variant(
                    name: "Q4_K_M", files: wan("T2V", "Q4_K_M", 9_650, lightning: "V1.1") + [umt5("Q8_0", 6_040)],
                    memory: 16),
                Variant(
                    name: "Q3_K_S", files: wan("T2V", "Q3_K_S", 6_510, lightning: "V1.1") + [umt5("Q4_K_M", 3_660)],
                    memory: 12),
            ]),
        KnownSet(
            name: "wan2.2-i2v-lightning", family: "wan22-i2v", makes: "clips from a picture, 4 steps by two experts",
            licence: "Apache-2.0",
            variants: [
                Variant(
                    name: "Q4_K_M", files: wan("I2V", "Q4_K_M", 9_650, lightning: "V1") + [umt5("Q8_0", 6_040)],
                    memory: 16)
            ]),
        KnownSet(
            name: "qwen-image-lightning", family: "qwen-image", makes: "pictures, 4 steps", licence: "Apache-2.0",
            variants: [("Q8_0", 21_800, 8_099, 32), ("Q4_K_M", 13_070, 4_683, 20)].map {
                (type, network, text, memory) in
                Variant(
                    name: type,
                    files: [
                        File(.expert("transformer"), "city96/Qwen-Image-gguf/qwen-image-\(type).gguf", network),
                        File(
                            .textEncoder,
                            "unsloth/Qwen2.5-VL-7B-Instruct-GGUF/Qwen2.5-VL-7B-Instruct-\(type).gguf", text),
                        File(.vae, "Comfy-Org/Qwen-Image_ComfyUI/split_files/vae/qwen_image_vae.safetensors", 254),
                        File(
                            .lora("transformer"),
                            "lightx2v/Qwen-Image-Lightning/Qwen-Image-Lightning-4steps-V2.0-bf16.safetensors", 850),
                    ], memory: memory)
            }),
        KnownSet(
            name: "sdxl-turbo", family: "sdxl", makes: "pictures, 1 to 4 steps",
            licence: "Stability AI, not commercial",
            variants: [
                Variant(
                    name: "fp16", files: [File(.folder, "stabilityai/sdxl-turbo", 6_940, type: "fp16")], memory: 9)
            ]),
    ]
}
