import Foundation
import Models
import Pipelines
import Tensor
import Testing
import Weights

/// Files are told by their keys and shapes, whatever they are called.
@Suite struct FileIdentityTests {
    /// A checkpoint of zeros.
    private func checkpoint(_ shapes: [String: [Int]]) throws -> Checkpoint {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let writer = try WeightFileWriter(
            path: path, format: .safetensors,
            entries: shapes.map { WeightFileWriter.Entry(name: $0, type: .f16, shape: $1) })
        for entry in writer.entries { try writer.append([UInt8](repeating: 0, count: entry.byteCount)) }
        try writer.finish()
        // The mapping outlives the name.
        return try Checkpoint(file: path)
    }

    /// The keys that tell a Wan transformer, under their original names.
    private func wan(inputs: Int, outputs: Int, more: [String: [Int]] = [:]) -> [String: [Int]] {
        [
            "patch_embedding.weight": [256, inputs, 1, 2, 2], "patch_embedding.bias": [256],
            "head.head.bias": [4 * outputs], "blocks.0.self_attn.q.weight": [256, 256],
            "blocks.1.self_attn.q.weight": [256, 256],
        ].merging(more) { $1 }
    }

    /// The keys that tell a Qwen-Image transformer.
    private func qwenImage(more: [String: [Int]] = [:]) -> [String: [Int]] {
        ["img_in.bias": [256], "transformer_blocks.0.attn.add_q_proj.weight": [256, 256]].merging(more) { $1 }
    }

    /// The keys that tell SANA's transformer.
    private func sana(more: [String: [Int]] = [:]) -> [String: [Int]] {
        [
            "patch_embed.proj.bias": [1152], "caption_norm.weight": [1152],
            "transformer_blocks.0.ff.conv_point.weight": [8, 8, 1, 1],
        ].merging(more) { $1 }
    }

    @Test func publishedModelsThatAreNotBuiltAreNamed() throws {
        let models: [(shapes: [String: [Int]], words: [String])] = [
            (
                wan(inputs: 36, outputs: 16, more: ["img_emb.proj.0.weight": [8]]),
                ["image-to-video", "CLIP", "Wan2.2-I2V-A14B"]
            ),
            (wan(inputs: 52, outputs: 16), ["control", "52 channels", "use a text-to-video"]),
            (wan(inputs: 36, outputs: 16, more: ["motion_encoder.enc.weight": [8, 8]]), ["motion"]),
            (wan(inputs: 16, outputs: 16, more: ["vace_blocks.0.ffn.0.weight": [8, 8]]), ["VACE", "Wan2.2-T2V-A14B"]),
            (
                wan(inputs: 16, outputs: 16, more: ["casual_audio_encoder.weights": [8, 8]]), ["audio"]
            ),
            (
                [
                    "img_in.weight": [64, 64], "txt_in.text_norm.weight": [64],
                    "transformer_blocks.0.img_mlp.gate_layer.weight": [192, 64],
                ], ["Qwen-Image-2.1 transformer"]
            ),
            (
                [
                    "decoder.conv_in.weight": [384, 16, 3, 3],
                    "encoder.down_blocks.0.resnets.0.norm1.gamma": [96, 1, 1],
                ], ["Qwen-Image-2.1 VAE"]
            ),
            (sana(more: ["controlnet_blocks.0.weight": [8, 8]]), ["ControlNet of SANA"]),
            (sana(more: ["transformer_blocks.0.ff.conv_temp.weight": [8, 8, 3, 1]]), ["SANA-Video"]),
            (
                [
                    "decoder.conv_in.weight": [1024, 32, 3, 3],
                    "encoder.down_blocks.0.0.conv1.weight": [128, 128, 3, 3],
                    "decoder.up_blocks.0.1.norm.running_mean": [128],
                ], ["DC-AE", "another"]
            ),
            (
                qwenImage(more: ["time_text_embed.addition_t_embedding.weight": [2, 256]]), ["Qwen-Image-Layered"]
            ),
            (
                qwenImage(more: ["time_text_embed_2.timestep_embedder.linear_1.weight": [2, 256]]),
                ["TwinFlow", "second time"]
            ),
            (
                [
                    "token_embd.weight": [100, 32], "enc.blk.0.attn_rel_b.weight": [32, 4],
                    "enc.blk.1.attn_q.weight": [32, 32],
                ], ["T5", "UMT5"]
            ),
        ]
        for (shapes, words) in models {
            let identities = try FileIdentity.all(in: checkpoint(shapes))
            #expect(identities.count == 1)
            let text = "\(identities[0].name): \(identities[0].refusal ?? "none")"
            #expect(identities[0].refusal != nil, "\(text)")
            for word in words { #expect(text.contains(word), "\(text)") }
        }
    }

    /// One network, told apart by a mark, which some files hold as a scalar; the keys of 2509 do not tell it.
    @Test(
        arguments: [
            ([:], "qwen-image", "Qwen-Image or Qwen-Image-Edit-2509"),
            (["__index_timestep_zero__": [0]], "qwen-image-edit", "Qwen-Image-Edit-2511"),
            (["__index_timestep_zero__": []], "qwen-image-edit", "Qwen-Image-Edit-2511"),
        ] as [([String: [Int]], String, String)])
    func aMarkTellsEditsOfQwenImage(more: [String: [Int]], family: String, name: String) throws {
        for prefix in ["", "model.diffusion_model."] {
            let shapes = qwenImage(more: more).map { (prefix + $0, $1) }
            let found = try FileIdentity.all(in: checkpoint(Dictionary(uniqueKeysWithValues: shapes)))
            #expect(found.map(\.family?.name) == [family])
            #expect(found.first?.name == "\(name) transformer, 1 blocks of width 256")
            #expect(found.first?.refusal == nil)
        }
    }

    /// What a network is counts before how its weights are stored: other weights of one that is not built would not help.
    @Test func networksAreToldBeforeTheirWeights() throws {
        func message(_ shapes: [String: [Int]]) throws -> (text: String, refusals: [String]) {
            let note = Array(#"{"format":"int8_tensorwise","convrot":true}"#.utf8)
            let path = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
            defer { try? FileManager.default.removeItem(atPath: path) }
            let writer = try WeightFileWriter(
                path: path, format: .safetensors,
                entries: shapes.map { WeightFileWriter.Entry(name: $0, type: .f16, shape: $1) }
                    + [.init(name: "blocks.0.x.comfy_quant", type: .u8, shape: [note.count])])
            for entry in writer.entries {
                try writer.append(entry.type == .u8 ? note : [UInt8](repeating: 0, count: entry.byteCount))
            }
            try writer.finish()
            #expect(throws: WeightError.self) { try Checkpoint(path: path) }
            let checkpoint = try Checkpoint(toRecognise: path)
            do {
                return ("", try FileIdentity.all(in: checkpoint).compactMap(\.refusal))
            } catch {
                return ("\(error)", [])
            }
        }
        let successor = try message([
            "img_in.weight": [64, 64], "txt_in.text_norm.weight": [64],
            "transformer_blocks.0.img_mlp.gate_layer.weight": [192, 64],
        ])
        #expect(successor.refusals.count == 1 && successor.refusals[0].contains("Qwen-Image-2.1"))
        let known = try message(wan(inputs: 16, outputs: 16))
        for word in ["Wan text-to-video transformer", "ConvRot", "GGUF"] { #expect(known.text.contains(word)) }
        #expect(try message(["nobody.weight": [4, 4]]).text.contains("ConvRot"))
    }

    /// One network, told apart by its channels.
    @Test(arguments: [
        (16, 16, "text-to-video", "wan22"), (36, 16, "image-to-video", "wan22-i2v"), (48, 48, "TI2V", "wan22-ti2v"),
    ]) func channelsTellTheFamiliesOfWan(inputs: Int, outputs: Int, kind: String, family: String) throws {
        for prefix in ["", "model.diffusion_model.", "diffusion_model."] {
            let shapes = wan(inputs: inputs, outputs: outputs).map { (prefix + $0, $1) }
            let found = try FileIdentity.all(in: checkpoint(Dictionary(uniqueKeysWithValues: shapes)))
            #expect(found.count == 1)
            #expect(found[0].name.contains(kind))
            #expect(found[0].name.contains("2 blocks of width 256"))
            #expect(found[0].refusal == nil)
            #expect(found[0].family?.name == family)
        }
    }

    @Test func theWideVAEIsNamed() throws {
        let file = try checkpoint([
            "decoder.conv1.weight": [64, 48, 3, 3, 3], "conv2.weight": [48, 48, 1, 1, 1],
        ])
        let identity = try FileIdentity.of(file, as: .vae)
        #expect(identity.refusal == nil && identity.name.contains("48 latent channels"))
    }

    @Test func wholePartsHaveNoUnusedKeys() throws {
        let compute = Compute(threads: 1)
        for (folder, part) in [
            ("transformer", FileIdentity.Part.expert), ("text_encoder", .textEncoder), ("vae", .vae),
        ] {
            let checkpoint = try Checkpoint(folder: "\(fixture)/\(folder)")
            let identity = try FileIdentity.of(checkpoint, as: part)
            #expect(identity.refusal == nil)
            #expect(try identity.unusedKeys(in: checkpoint, compute: compute) == [])
        }
        let lora = try FileIdentity.all(in: Checkpoint(file: "\(fixture)/lora/low_noise_lightning.safetensors"))
        #expect(lora.map(\.part) == [.adapter])
        #expect(lora[0].name.contains("20 layers and 0 whole changes, rank 4, for wan22"))
        // Five whole changes, of which two are of a layer's weight and bias, and no factors that would have a rank.
        let deltas = try FileIdentity.all(in: Checkpoint(file: "\(fixture)/../lora/deltas.safetensors"))
        #expect(deltas[0].name.contains("LoRA of 0 layers and 5 whole changes, for "), "\(deltas[0].name)")
    }

    @Test func strangersAreSaidToBeUnknown() throws {
        let stranger = try checkpoint(["model.first_layer.kernel": [4, 4]])
        let error = #expect(throws: ModelError.self) { try FileIdentity.all(in: stranger) }
        #expect("\(try #require(error))".contains("model.first_layer.kernel"))
    }
}
