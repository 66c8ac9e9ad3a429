import Diffusion
import Foundation
import Models
import Tensor
import TestSupport
import Testing
import Weights

struct ZImageTests {
    private static let compute = Compute(threads: 2)

    private static func config() throws -> ZImageTransformerConfig {
        try .read("\(SingleFile.path)/transformer/config.json")
    }

    private static func network(
        _ checkpoint: Checkpoint? = nil, lora: String? = nil, compute: Compute = compute
    ) throws -> (network: ZImageTransformer, reader: WeightReader) {
        let weights = try checkpoint ?? Checkpoint(folder: "\(SingleFile.path)/transformer")
        let adapters = try lora.map {
            [
                try Adapter(
                    file: "\(SingleFile.path)/lora/\($0).safetensors", strength: 1,
                    targets: AdapterTargets(weights, keys: ZImageKeys.transformer))
            ]
        }
        let reader = WeightReader(weights, adapters: adapters ?? [])
        return (try ZImageTransformer(reader, config: try config(), compute: compute), reader)
    }

    /// Two pictures of the ragged check, at times of their own.
    private static func inputs() throws -> (latents: Tensor, captions: [Tensor], timesteps: [Float]) {
        let check = try ReferenceCheck("transformer_forward_ragged", of: SingleFile.folder)
        let latents = try check.tensor("in.hidden_states")
        let captions = try check.tensor("in.encoder_hidden_states")
        let mask = try check.tensor("in.encoder_hidden_states_mask")
        let counts = (0..<2).map { Int(mask[$0].array.reduce(0, +)) }
        try #require(counts[0] != counts[1])
        return (
            latents.reshaped([2, latents.shape[1], 1, latents.shape[2], latents.shape[3]]),
            counts.enumerated().map { captions[$0].slice(0..<$1) }, [731, 250]
        )
    }

    private static func velocity(
        _ network: ZImageTransformer, latents: Tensor, captions: [Tensor], timesteps: [Float],
        interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try network.forward(
            latents: latents, timesteps: timesteps, contexts: captions.map { try network.context($0) },
            interrupt: interrupt)
    }

    @Test(arguments: Precision.allCases)
    func entriesOfABatchAreWhatTheyAreAlone(precision: Precision) throws {
        let (network, _) = try Self.network(compute: Self.compute.with(precision))
        let (latents, captions, timesteps) = try Self.inputs()
        let both = try Self.velocity(network, latents: latents, captions: captions, timesteps: timesteps)
        for entry in 0..<2 {
            let alone = try Self.velocity(
                network, latents: latents.slice(entry..<entry + 1), captions: [captions[entry]],
                timesteps: [timesteps[entry]])
            #expect(alone.array == both.slice(entry..<entry + 1).array)
        }
        // Of captions of one length, too.
        let equal = try Self.velocity(
            network, latents: latents, captions: [captions[0], captions[0]], timesteps: timesteps)
        #expect(equal.slice(0..<1).array == both.slice(0..<1).array)
    }

    /// Queries, keys and values in one matrix, padding without its axis of one, a norm that nobody needs, and a prefix.
    @Test func singleFilesHoldTheSameNetwork() throws {
        let (latents, captions, timesteps) = try Self.inputs()
        let (network, reader) = try Self.network()
        #expect(reader.unusedKeys.isEmpty)
        let expected = try Self.velocity(network, latents: latents, captions: captions, timesteps: timesteps)
        let dim = try Self.config().dim
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "z_image.safetensors").path
            try SingleFile.write(
                "transformer", prefix: "model.diffusion_model.", to: file,
                extra: ["norm_final.weight": Tensor(zeros: [dim])],
                shape: { $0.hasSuffix("pad_token") ? [dim] : $1 })
            let single = try Checkpoint(file: file).renamed(by: ZImageKeys.transformer)
            let (fused, reader) = try Self.network(single)
            #expect(reader.unusedKeys.isEmpty)
            let velocity = try Self.velocity(fused, latents: latents, captions: captions, timesteps: timesteps)
            #expect(velocity.array == expected.array)

            // Updates of the three, and of all in one, on either form.
            for lora in ["comfy_AB", "comfy_fused_qkv"] {
                let (split, splitReader) = try Self.network(lora: lora)
                let (whole, wholeReader) = try Self.network(single, lora: lora)
                try splitReader.requireAdaptersUsed()
                try wholeReader.requireAdaptersUsed()
                let adapted = try Self.velocity(split, latents: latents, captions: captions, timesteps: timesteps)
                #expect(adapted.array != expected.array)
                let same = try Self.velocity(whole, latents: latents, captions: captions, timesteps: timesteps)
                #expect(same.array == adapted.array)
            }
        }
    }

    /// One update for queries, keys and values, against the network with updated weights.
    @Test func aFusedUpdateServesThreeLayers() throws {
        let check = try ReferenceCheck("transformer_lora_fused_qkv_s1", of: SingleFile.folder)
        let (network, _) = try Self.network(lora: "comfy_fused_qkv")
        let latents = try check.tensor("in.hidden_states")
        let output = try network.output(
            latents: latents.reshaped([1, latents.shape[1], 1, latents.shape[2], latents.shape[3]]),
            times: try check.tensor("in.timestep").array,
            contexts: [network.context(try check.tensor("in.encoder_hidden_states")[0])])
        try check.expectRows(output, equal: check.tensor("out.sample"))
    }

    /// What shapes tell is what the configuration says, but for heads of 128.
    @Test func shapesTellTheDimensions() throws {
        let config = try Self.config()
        let checkpoint = try Checkpoint(folder: "\(SingleFile.path)/transformer")
        let told = try ZImageTransformerConfig(shapesOf: checkpoint)
        func dimensions(_ config: ZImageTransformerConfig) -> [Int] {
            [config.dim, config.heads, config.layers, config.refinerLayers, config.captionDim, config.channels]
        }
        #expect(dimensions(told) == dimensions(config))
        #expect(throws: NetworkError.self) { try told.check(file: "") }
    }

    @Test func fewerHeadsOfKeysAreNamed() throws {
        let text = try String(contentsOfFile: "\(SingleFile.path)/transformer/config.json", encoding: .utf8)
        let fewer = text.replacing("\"n_kv_heads\": 3", with: "\"n_kv_heads\": 1")
        #expect(fewer != text)
        let config = try JSONDecoder().decode(ZImageTransformerConfig.self, from: Data(fewer.utf8))
        let error = #expect(throws: NetworkError.self) { try config.check(file: "config.json") }
        #expect("\(try #require(error))".contains("n_kv_heads"))
    }

    /// Turbo and the base model have one pipeline and differ in their scheduler's shift.
    @Test(arguments: [(3.0, ["student", "teacher"]), (6.0, ["teacher"])])
    func theShiftTellsTheStudent(shift: Double, names: [String]) throws {
        let family = try #require(Families.family(named: "z-image"))
        let described = try GeneratorSpec(
            name: "default", sampler: .euler, grid: .flowMatchDefault(steps: 50, shift: shift),
            plan: PhasePlan(expert: "transformer", guidanceScale: 5))
        let generators = try family.generators(publishedAs: described)
        #expect(generators.map(\.name) == names)
        #expect(generators[0].grid == .shifted(steps: shift == 3 ? 8 : 50, shift: shift))
        let guidance = try Guidance(rule: family.traits.guidance, plan: generators[0].plan)
        #expect(guidance.isOn(inPhase: 0, sigma: 0.5) == (shift == 6))
    }

    private struct Stopped: Error {}

    @Test func stopsBeforeAnyBlock() throws {
        let (network, _) = try Self.network()
        let (latents, captions, timesteps) = try Self.inputs()
        var blocks = 0
        _ = try Self.velocity(network, latents: latents, captions: captions, timesteps: timesteps) { blocks += 1 }
        #expect(blocks == network.noiseRefiner.count + network.blocks.count)
        var refined = 0
        _ = try network.context(captions[0]) { refined += 1 }
        #expect(refined == network.contextRefiner.count)
        for last in 1...blocks {
            var count = 0
            #expect(throws: Stopped.self) {
                try Self.velocity(network, latents: latents, captions: captions, timesteps: timesteps) {
                    count += 1
                    if count == last { throw Stopped() }
                }
            }
            #expect(count == last)
        }
    }

    /// A plan takes what the computation takes, and touches none of it.
    @Test func memoryIsAsPlanned() throws {
        let (network, _) = try Self.network()
        let (latents, captions, timesteps) = try Self.inputs()
        func run() throws {
            _ = try Self.velocity(network, latents: latents, captions: captions, timesteps: timesteps)
        }
        let plan = try MemoryPlan.of { try run() }
        let arena = Arena(reserving: 1 << 30)
        try arena.using { try run() }
        #expect(arena.use.peak == plan.peak)
    }
}
