import Diffusion
import Foundation
import Models
import Pictures
import Tensor
import TestSupport
import Testing
import Weights

/// Wan's networks that start from pictures: channels of their own (I2V), times for each frame of tokens (TI2V).
@Suite struct WanPicturesTests {
    static let folders = ["wan22-i2v-tiny", "wan22-ti2v-tiny"]
    private static let compute = Compute(threads: 2)

    private static func path(_ folder: String) -> String { Fixtures.root.appending(path: folder).path }

    private static func network(
        _ folder: String, _ checkpoint: Checkpoint? = nil, part: String = "transformer", lora: String? = nil,
        compute: Compute = compute
    ) throws -> (network: WanTransformer, reader: WeightReader) {
        let weights = try checkpoint ?? Checkpoint(folder: "\(path(folder))/\(part)")
        let adapters = try lora.map {
            [try Adapter(file: $0, strength: 1, targets: AdapterTargets(weights, keys: WanKeys.transformer))]
        }
        let reader = WeightReader(weights, adapters: adapters ?? [])
        let config = try WanTransformerConfig.read("\(path(folder))/\(part)/config.json")
        return (try WanTransformer(reader, config: config, compute: compute), reader)
    }

    private static func noise(_ shape: [Int], seed: UInt64) -> Tensor {
        GaussianNoise(seed: seed, purpose: .initialLatent).tensor(shape: shape)
    }

    /// Two clips with other prompts, pictures and times.
    private static func evaluation(_ network: WanTransformer) -> Evaluation<Conditioning> {
        let added = network.config.inChannels - network.config.outChannels
        let shape = [network.config.outChannels, 3, 4, 6]
        let inputs = (0..<2).map { row in
            added > 0
                ? GenerationInputs(channels: noise([added] + shape.dropFirst(), seed: 20 + row))
                : GenerationInputs(givenFrames: noise([shape[0], 1] + shape.dropFirst(2), seed: 20 + row))
        }
        return Evaluation(
            latents: noise([2] + shape, seed: 10), timesteps: [731, 250],
            conditionings: [7, 12].map {
                Conditioning(rows: noise([$0, network.config.textDim], seed: UInt64($0)))
            }, inputs: inputs)
    }

    private static func row(_ index: Int, of all: Evaluation<Conditioning>) -> Evaluation<Conditioning> {
        Evaluation(
            latents: all.latents.slice(index..<index + 1), timesteps: [all.timesteps[index]],
            conditionings: [all.conditionings[index]], inputs: [all.inputs[index]])
    }

    private static func velocity(
        _ network: WanTransformer, _ evaluation: Evaluation<Conditioning>, interrupt: () throws -> Void = {}
    ) throws -> [Float] {
        for conditioning in evaluation.conditionings { conditioning.forget(key: "x") }
        return try network.velocity(evaluation, key: "x", interrupt: interrupt).array
    }

    @Test(arguments: folders, Precision.allCases)
    func entriesOfABatchAreWhatTheyAreAlone(folder: String, precision: Precision) throws {
        let (network, _) = try Self.network(folder, compute: Self.compute.with(precision))
        let all = Self.evaluation(network)
        let both = try Self.velocity(network, all)
        for index in 0..<2 {
            let alone = try Self.velocity(network, Self.row(index, of: all))
            #expect(alone == Array(both[index * alone.count..<(index + 1) * alone.count]))
        }
    }

    /// A given frame has time 0 whatever the time of the others is; without one all tokens have the clip's.
    @Test func givenFramesHaveTimeZero() throws {
        let (network, _) = try Self.network("wan22-ti2v-tiny")
        let one = Self.row(0, of: Self.evaluation(network))
        let contexts = one.conditionings.map {
            network.context(TextEmbedding(rows: $0.rows, paddedLength: UMT5PromptEncoder.wanLength))
        }
        func forward(_ times: [Float]) throws -> [Float] {
            try network.forward(latents: one.latents, timesteps: times, contexts: contexts).array
        }
        #expect(try Self.velocity(network, one) == forward([0, 731, 731]))
        let without = Evaluation(
            latents: one.latents, timesteps: one.timesteps, conditionings: one.conditionings)
        #expect(try Self.velocity(network, without) == forward([731]))
        #expect(try forward([731]) == forward([731, 731, 731]))
        #expect(try forward([731]) != forward([0, 731, 731]))
    }

    /// A network that reads pictures does not run without one.
    @Test func channelsAreNeeded() throws {
        let (network, _) = try Self.network("wan22-i2v-tiny")
        let one = Self.row(0, of: Self.evaluation(network))
        for inputs in [GenerationInputs(), GenerationInputs(channels: Tensor(zeros: [16, 3, 4, 6]))] {
            let wrong = Evaluation(
                latents: one.latents, timesteps: one.timesteps, conditionings: one.conditionings, inputs: [inputs])
            #expect(throws: ModelError.self) { try Self.velocity(network, wrong) }
        }
    }

    /// Original names, under a prefix, the patch embedding as GGUF files and NVIDIA's students (rCM) have it: a matrix.
    @Test(arguments: folders, ["", "model.diffusion_model.", "net.", "module._orig_mod.diffusion_model."])
    func singleFilesHoldTheSameNetwork(folder: String, prefix: String) throws {
        let (network, reader) = try Self.network(folder)
        #expect(reader.unusedKeys.isEmpty)
        let all = Self.evaluation(network)
        let expected = try Self.velocity(network, all)
        try withTemporaryFolder { temporary in
            let file = temporary.appending(path: "wan.safetensors").path
            try OriginalNames(folder: folder).write("transformer", to: file, prefix: prefix) { name, shape in
                name == "patch_embedding.weight" ? [shape[0], shape[1] * 4] : shape
            }
            let identity = try FileIdentity.of(Checkpoint(file: file), as: .expert)
            #expect(identity.family.map { folder.hasPrefix($0.name) } == true)
            let single = try Checkpoint(file: file).renamed(by: WanKeys.transformer)
            let (renamed, reader) = try Self.network(folder, single)
            #expect(reader.unusedKeys.isEmpty)
            #expect(try Self.velocity(renamed, all) == expected)
        }
    }

    /// The published form of the low-noise expert.
    @Test func theOriginalFileIsTheSecondExpert() throws {
        let folder = "wan22-i2v-tiny"
        let (network, _) = try Self.network(folder, part: "transformer_2")
        let file = "\(Self.path(folder))/original_format/wan2.2_i2v_low_noise_14B_fp16.safetensors"
        let (original, reader) = try Self.network(
            folder, Checkpoint(file: file).renamed(by: WanKeys.transformer), part: "transformer_2")
        #expect(reader.unusedKeys.isEmpty)
        let all = Self.evaluation(network)
        #expect(try Self.velocity(original, all) == Self.velocity(network, all))
    }

    /// An extracted file has changes of a picture embedding that only Wan2.1's networks have: they are passed over, and told;
    /// what is nobody's is still refused.
    @Test func changesOfRelativesArePassedOver() throws {
        let folder = "wan22-i2v-tiny"
        let file = "\(Self.path(folder))/lora/low_noise_extracted.safetensors"
        let weights = try Checkpoint(folder: "\(Self.path(folder))/transformer_2")
        let targets = AdapterTargets(weights, keys: WanKeys.transformer)
        let adapter = try Adapter(file: file, strength: 1, targets: targets)
        #expect(adapter.notes.count == 1 && adapter.notes[0].contains("10 modules"))
        #expect(!adapter.updates.keys.contains { $0.contains("img") })
        let (_, reader) = try Self.network(folder, part: "transformer_2", lora: file)
        try reader.requireAdaptersUsed()

        try withTemporaryFolder { temporary in
            // The same update under names of which one is nobody's, with dots and with underscores.
            for prefix in ["diffusion_model.", "lora_unet_"] {
                for (name, isRefused) in [("blocks.0.cross_attn.k_img", false), ("blocks.0.cross_attn.k_imp", true)] {
                    let path = temporary.appending(path: "\(prefix)\(name).safetensors").path
                    let flat = prefix.hasSuffix("_")
                    func key(_ module: String) -> String {
                        prefix + (flat ? module.replacing(".", with: "_") : module)
                    }
                    let factor = Tensor(repeating: 0.1, shape: [4, 32])
                    let parts = [name, "blocks.0.cross_attn.k"].flatMap { module in
                        [
                            ("\(key(module)).lora_down.weight", factor),
                            ("\(key(module)).lora_up.weight", factor.reshaped([32, 4])),
                        ]
                    }
                    try SafetensorsWriter.write(parts, to: path)
                    let (_, reader) = try Self.network(folder, part: "transformer_2", lora: path)
                    if isRefused {
                        #expect(throws: WeightError.self) { try reader.requireAdaptersUsed() }
                    } else {
                        try reader.requireAdaptersUsed()
                    }
                }
            }
        }
    }

    /// A text-to-video LoRA fits; a change of its patch embedding does not.
    @Test func textToVideoLoRAsFit() throws {
        let i2v = try #require(Families.family(named: "wan22-i2v"))
        try withTemporaryFolder { temporary in
            let file = temporary.appending(path: "style.safetensors").path
            try RandomLoRA.write(to: file, seed: 1, width: 32)
            try Families.requireAdapter(Checkpoint(file: file), of: i2v)
            let (network, reader) = try Self.network("wan22-i2v-tiny", lora: file)
            try reader.requireAdaptersUsed()
            let all = Self.evaluation(network)
            #expect(
                try Self.velocity(network, all) != Self.velocity(Self.network("wan22-i2v-tiny").network, all))

            try SafetensorsWriter.write(
                [("diffusion_model.patch_embedding.diff", Tensor(zeros: [32, 16, 1, 2, 2]))], to: file)
            let error = #expect(throws: WeightError.self) { try Self.network("wan22-i2v-tiny", lora: file) }
            #expect("\(try #require(error))".contains("patch_embedding"))
        }
    }

    /// Two steps on each expert, as the published students have it.
    @Test func studentsAndTeachers() throws {
        let i2v = try #require(Families.family(named: "wan22-i2v"))
        let two = try i2v.generators(experts: 2)
        #expect(two.map(\.name) == ["student", "teacher"])
        let schedule = try two[0].schedule(steps: nil, tokens: 0)
        #expect(schedule.sigmas == [1, 0.9375, 0.8333333, 0.625, 0])
        #expect(
            schedule.timesteps.map { two[0].plan.phases[two[0].plan.phaseIndex(timestep: $0)].expert }
                == ["transformer", "transformer", "transformer_2", "transformer_2"])
        #expect(two[1].plan.phases.map(\.guidanceScale) == [3.5, 3.5])
        #expect(two[1].grid == .uniPCFlow(steps: 40, shift: 5))

        let ti2v = try #require(Families.family(named: "wan22-ti2v"))
        let all = try ti2v.generators(experts: 1)
        #expect(all.map(\.name) == ["turbo", "fastwan", "teacher"])
        #expect(all.map(\.sampler) == [.renoise, .renoise, .uniPC])
        #expect(try all[0].schedule(steps: nil, tokens: 0).timesteps == [1000, 750, 500, 250])
        #expect(try all[1].schedule(steps: nil, tokens: 0).timesteps == [1000, 757, 522])
        #expect(all[2].grid == .uniPCFlow(steps: 50, shift: 5))
    }

    private struct Stopped: Error {}

    @Test(arguments: folders) func stopsBeforeAnyBlock(folder: String) throws {
        let (network, _) = try Self.network(folder)
        let all = Self.evaluation(network)
        var blocks = 0
        _ = try Self.velocity(network, all) { blocks += 1 }
        #expect(blocks == network.blocks.count)
        for last in 1...blocks {
            var count = 0
            #expect(throws: Stopped.self) {
                try Self.velocity(network, all) {
                    count += 1
                    if count == last { throw Stopped() }
                }
            }
            #expect(count == last)
        }
    }
}
