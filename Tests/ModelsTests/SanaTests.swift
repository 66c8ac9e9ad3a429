import Diffusion
import Foundation
import Models
import PromptText
import Tensor
import TestSupport
import Testing
import Weights

struct SanaTests {
    private static let folder = "sana-sprint-tiny"
    private static var path: String { Fixtures.root.appending(path: folder).path }
    private static let compute = Compute(threads: 2)

    private static func network(
        _ checkpoint: Checkpoint? = nil, compute: Compute = compute
    ) throws -> (network: SanaTransformer, reader: WeightReader) {
        let reader = WeightReader(try checkpoint ?? Checkpoint(folder: "\(path)/transformer"))
        let config = try SanaTransformerConfig.read("\(path)/transformer/config.json")
        return (try SanaTransformer(reader, config: config, compute: compute), reader)
    }

    private struct Inputs {
        let latents: Tensor
        let captions: [Tensor]
        let times: [Float] = [0.78, 0.21]
        let scales: [Float] = [4.5, 2]
    }

    /// Two pictures with captions of different lengths.
    private static func inputs() throws -> Inputs {
        let check = try ReferenceCheck("transformer_forward_masked", of: folder)
        let latents = try check.tensor("in.hidden_states")
        let captions = try check.tensor("in.encoder_hidden_states")
        return Inputs(
            latents: latents.reshaped([2, latents.shape[1], 1, latents.shape[2], latents.shape[3]]),
            captions: [captions[0].slice(0..<21), captions[1].slice(0..<8)])
    }

    private static func velocity(
        _ network: SanaTransformer, _ inputs: Inputs, entries: [Int] = [0, 1], interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try network.forward(
            latents: Tensor.concatenate(entries.map { inputs.latents.slice($0..<$0 + 1) }),
            times: entries.map { inputs.times[$0] }, guidance: entries.map { inputs.scales[$0] },
            contexts: entries.map { try network.contexts(inputs.captions[$0]) }, interrupt: interrupt)
    }

    // MARK: Network

    @Test(arguments: Precision.allCases)
    func entriesOfABatchAreWhatTheyAreAlone(precision: Precision) throws {
        let (network, _) = try Self.network(compute: Self.compute.with(precision))
        let inputs = try Self.inputs()
        let both = try Self.velocity(network, inputs)
        for entry in 0..<2 {
            let alone = try Self.velocity(network, inputs, entries: [entry])
            #expect(alone.array == both.slice(entry..<entry + 1).array)
        }
    }

    /// The scale of guidance is an input of the network, and each picture of a batch has its own.
    @Test func theNetworkIsToldTheScale() throws {
        let (network, _) = try Self.network()
        let caption = Conditioning(rows: try Self.inputs().captions[0])
        let latent = try Self.inputs().latents.slice(0..<1)
        func velocity(_ scales: [Float]) throws -> Tensor {
            try network.velocity(
                Evaluation(
                    latents: Tensor.concatenate(scales.map { _ in latent }), timesteps: scales.map { _ in 780 },
                    conditionings: scales.map { _ in caption }, guidanceScales: scales), key: "", interrupt: {})
        }
        let both = try velocity([4.5, 1])
        #expect(try both.slice(0..<1).array == velocity([4.5]).array)
        #expect(try both.slice(1..<2).array == velocity([1]).array)
        #expect(both.slice(0..<1).array != both.slice(1..<2).array)
    }

    /// The authors' names: projections in one matrix, and what training left behind.
    @Test func originalFilesHoldTheSameNetwork() throws {
        let (network, reader) = try Self.network()
        #expect(reader.unusedKeys.isEmpty)
        let inputs = try Self.inputs()
        let expected = try Self.velocity(network, inputs)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "sana.safetensors").path
            try SingleFile.write(
                "transformer", of: Self.folder, prefix: "", to: file,
                extra: ["pos_embed": Tensor(zeros: [1, 4]), "y_embedder.y_embedding": Tensor(zeros: [2, 2])])
            let (same, reader) = try Self.network(try Checkpoint(file: file).renamed(by: SanaKeys.transformer))
            #expect(reader.unusedKeys.isEmpty)
            #expect(try Self.velocity(same, inputs).array == expected.array)
        }
    }

    /// Names of the authors' files against diffusers' own conversion, of the tiny networks and of the published one.
    @Test(arguments: ["transformer", "transformer_real", "vae"]) func everyKey(map: String) throws {
        let file = Fixtures.root.appending(path: "\(Self.folder)/single_file_key_map.json")
        let maps = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let pairs = try #require(maps?[map] as? [String: Any])
        #expect(pairs.count > 60)
        let table = map == "vae" ? AutoencoderDCKeys.vae : SanaKeys.transformer
        for (theirs, ours) in pairs {
            let renamed = table.rename(theirs)
            if let parts = ours as? [String] {
                let fused = [".to_q.", ".to_k."].reduce(parts[0]) { $0.replacing($1, with: ".") }
                let name = renamed.split(separator: ".").filter { !["qkv", "kv_linear", "to_qkv"].contains($0) }
                #expect(fused == name.joined(separator: "."), "\(theirs)")
            } else {
                #expect(renamed == ours as? String, "\(theirs)")
            }
        }
    }

    @Test func shapesTellWhatTheConfigurationSays() throws {
        let checkpoint = try Checkpoint(folder: "\(Self.path)/transformer")
        let told = try SanaTransformerConfig(shapesOf: checkpoint)
        let config = try SanaTransformerConfig.read("\(Self.path)/transformer/config.json")
        let dimensions: [Int] = [told.layers, told.inChannels, told.captionDim, told.hiddenDim]
        #expect(dimensions == [3, 16, 24, 120])
        #expect(told.embedsGuidance && told.hasHeadNorms && config.embedsGuidance && config.hasHeadNorms)
        let vae = try Checkpoint(folder: "\(Self.path)/vae")
        let written = try AutoencoderDCConfig.read("\(Self.path)/vae/config.json")
        let shapes = try AutoencoderDCConfig(shapesOf: vae)
        #expect(shapes.levels == written.levels)
        #expect(shapes.latentChannels == written.latentChannels && shapes.headDim == written.headDim)
        #expect(shapes.scalingFactor == written.scalingFactor)
    }

    private struct Stopped: Error {}

    @Test func stopsBeforeAnyBlock() throws {
        let (network, _) = try Self.network()
        let inputs = try Self.inputs()
        for last in 1...network.blocks.count {
            var count = 0
            #expect(throws: Stopped.self) {
                try Self.velocity(network, inputs) {
                    count += 1
                    if count == last { throw Stopped() }
                }
            }
            #expect(count == last)
        }
    }

    // MARK: Autoencoder

    @Test func originalAutoencodersAreTheSame() throws {
        let config = try AutoencoderDCConfig.read("\(Self.path)/vae/config.json")
        let own = WeightReader(try Checkpoint(folder: "\(Self.path)/vae"))
        let vae = try AutoencoderDC(own, config: config, compute: Self.compute)
        #expect(own.unusedKeys.isEmpty)
        let latents = try ReferenceCheck("vae_decode_2x3", of: Self.folder).tensor("in.latents_normalised")
        let latent = latents.reshaped([latents.shape[1], 1, latents.shape[2], latents.shape[3]])
        func picture(_ vae: AutoencoderDC) throws -> Tensor {
            var frames: [Tensor] = []
            try vae.decode(latent, interrupt: {}) { frames.append($0) }
            return Tensor.concatenate(frames)
        }
        let expected = try picture(vae)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "dc-ae.safetensors").path
            try SingleFile.write("vae", of: Self.folder, prefix: "", to: file) { name, shape in
                // Projections are convolutions of one cell there.
                name.contains(".qkv.") || name.hasSuffix("main.proj.conv.weight") ? shape + [1, 1] : shape
            }
            let reader = WeightReader(try Checkpoint(file: file).renamed(by: AutoencoderDCKeys.vae))
            let same = try AutoencoderDC(reader, config: config, compute: Self.compute)
            #expect(reader.unusedKeys.isEmpty)
            #expect(try picture(same).array == expected.array)
            let again = try same.latent(of: expected, interrupt: {})
            #expect(try again.array == vae.latent(of: expected, interrupt: {}).array)
        }
    }

    /// The published autoencoders' own spelling, and the other kind that diffusers has.
    @Test func onlyTheOtherKindOfShrinkingIsRefused() throws {
        let text = try String(contentsOfFile: "\(Self.path)/vae/config.json", encoding: .utf8)
        let written = try AutoencoderDCConfig.read("\(Self.path)/vae/config.json")
        func read(_ kind: String) throws -> AutoencoderDCConfig {
            let key = "\"downsample_block_type\": "
            let changed = text.replacing("\(key)\"conv\"", with: "\(key)\"\(kind)\"")
            return try JSONDecoder().decode(AutoencoderDCConfig.self, from: Data(changed.utf8))
        }
        #expect(try read("Conv").levels == written.levels)
        #expect { try read("pixel_unshuffle") } throws: { "\($0)".contains("downsample_block_type") }
    }

    @Test func aDecodeStopsBetweenBlocks() throws {
        let vae = try AutoencoderDC(
            WeightReader(try Checkpoint(folder: "\(Self.path)/vae")),
            config: try AutoencoderDCConfig.read("\(Self.path)/vae/config.json"), compute: Self.compute)
        var asked = 0
        let latent = Tensor(repeating: 0.3, shape: [16, 1, 1, 1])
        try vae.decode(latent, interrupt: { asked += 1 }, onFrames: { _ in })
        // Seven blocks, five enlargements, the end.
        #expect(asked == 13)
        for last in 1...asked {
            var left = last
            #expect(throws: Stopped.self) {
                try vae.decode(
                    latent,
                    interrupt: {
                        left -= 1
                        if left == 0 { throw Stopped() }
                    }, onFrames: { _ in })
            }
        }
    }

    // MARK: Text

    private static func prompts() throws -> SanaPromptEncoder {
        SanaPromptEncoder(
            tokenizer: try GemmaTokenizer(directory: URL(fileURLWithPath: "\(path)/tokenizer")),
            encoder: try Gemma2Encoder(
                WeightReader(try Checkpoint(folder: "\(path)/text_encoder")),
                config: try Gemma2Config.read("\(path)/text_encoder/config.json"), compute: compute))
    }

    /// What the instruction leaves behind gives the bits of a pass over all of it, for prompts that grow together with its end
    /// and for those that do not.
    @Test func theKeptInstructionChangesNothing() throws {
        let prompts = try Self.prompts()
        let instruction = prompts.tokenizer.encode(SanaPromptEncoder.instruction)
        for prompt in ["a red fox", "夜の海", "", "  ", "\n\n!"] {
            let ids = prompts.ids(of: prompt)
            let whole = try prompts.encoder.encode(ids)
            let first = instruction.count - 1
            let expected = Tensor.concatenate([whole.slice(0..<1), whole.slice(first..<ids.count)])
            for _ in 0..<2 { #expect(try prompts.rows(of: prompt).array == expected.array) }
            #expect(prompts.tokenCount(of: prompt) == expected.shape[0])
        }
    }

    /// A prompt is read in lower case after an instruction, a negative one without it.
    @Test func negativePromptsHaveNoInstruction() throws {
        let prompts = try Self.prompts()
        let mark = SanaPromptEncoder.negativeMark
        #expect(prompts.ids(of: mark + "  Blurry, LOW quality ") == prompts.tokenizer.encode("blurry, low quality"))
        #expect(prompts.cleaned(mark + " A") == mark + "a" && prompts.cleaned(" A Fox ") == "a fox")
        let negative = try #require(Families.family(named: "sana")).traits
        #expect(negative.negativeText("x") == mark + "x" && negative.negativeText(nil) == mark)
        // A text longer than the network reads is cut.
        let long = String(repeating: "fox ", count: 400)
        #expect(try prompts.rows(of: long).shape[0] == prompts.length)
        #expect(try prompts.rows(of: mark + long).shape[0] == prompts.length)
        #expect(prompts.tokenCount(of: long) > prompts.length)
    }

    // MARK: Families

    @Test func itsLoRAFilesAreNoOthers() throws {
        for name in ["diffusers", "diffusers_metadata"] {
            let file = try Checkpoint(file: "\(Self.path)/lora/\(name).safetensors")
            #expect(Families.families(ofAdapter: file).map(\.name) == ["sana-sprint", "sana"])
        }
    }

    @Test func relativesAreRefusedByName() throws {
        for name in ["SanaVideoPipeline", "SanaControlNetPipeline", "SanaSprintImg2ImgPipeline", "SanaPAGPipeline"] {
            let reason = Families.all.lazy.compactMap { $0.refusal(ofPipelineClass: name) }.first
            #expect(try #require(reason).contains("SanaSprintPipeline"))
        }
    }

    /// A network of SANA in the folder of a student would make noise: it is told from the student's.
    @Test func aTeacherIsNoStudent() throws {
        let teacher = WeightReader(try Checkpoint(folder: "\(Self.path)/teacher/transformer"))
        let student = WeightReader(try Checkpoint(folder: "\(Self.path)/transformer"))
        let (sprint, sana) = (Families.family(named: "sana-sprint"), Families.family(named: "sana"))
        let error = #expect(throws: ModelError.self) {
            try #require(sprint).network(teacher, compute: Self.compute)
        }
        #expect("\(try #require(error))".contains("no few-step student"))
        #expect(throws: ModelError.self) { try #require(sana).network(student, compute: Self.compute) }
        _ = try #require(sana).network(teacher, compute: Self.compute)
        let found = try FileIdentity.of(teacher.checkpoint, as: .expert)
        #expect(found.family?.name == "sana" && found.name.contains("3 blocks of width 48"))
        #expect(try FileIdentity.of(student.checkpoint, as: .expert).family?.name == "sana-sprint")
    }
}
