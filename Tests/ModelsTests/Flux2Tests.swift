import Diffusion
import Foundation
import Models
import Pictures
import Tensor
import TestSupport
import Testing
import Weights

struct Flux2Tests {
    private static let compute = Compute(threads: 2)
    private static let folder = "flux2-klein-tiny"
    private static var path: String { Fixtures.root.appending(path: folder).path }

    private static func config() throws -> Flux2TransformerConfig { try .read("\(path)/transformer/config.json") }

    private static func network(
        _ checkpoint: Checkpoint? = nil, lora: String? = nil, compute: Compute = compute
    ) throws -> (network: Flux2Transformer, reader: WeightReader) {
        let weights = try checkpoint ?? Checkpoint(folder: "\(path)/transformer")
        let targets = AdapterTargets(weights, keys: Flux2Keys.transformer)
        let adapters = try lora.map { [try Adapter(file: $0, strength: 1, targets: targets)] }
        let reader = WeightReader(weights, adapters: adapters ?? [])
        return (try Flux2Transformer(reader, config: try config(), compute: compute), reader)
    }

    private struct Inputs {
        var latents: Tensor
        var texts: [Tensor]
        var timesteps: [Float]
        /// Two for each entry, of sizes of their own.
        var references: [[Tensor]]

        func entry(_ index: Int) -> Inputs {
            Inputs(
                latents: latents.slice(index..<index + 1), texts: [texts[index]], timesteps: [timesteps[index]],
                references: [references[index]])
        }
    }

    /// Two pictures of the batch check, at times of their own and with references.
    private static func inputs() throws -> Inputs {
        let check = try ReferenceCheck("transformer_forward_batch", of: folder)
        let rows = try check.tensor("in.hidden_states")
        let texts = try check.tensor("in.encoder_hidden_states")
        let channels = rows.shape[2]
        func noise(_ seed: UInt64, _ rows: Int, _ columns: Int) -> Tensor {
            GaussianNoise(seed: seed, purpose: .initialLatent).tensor(shape: [channels, 1, rows, columns])
        }
        return Inputs(
            latents: stacked([noise(1, 2, 5), noise(2, 2, 5)]), texts: [texts[0], texts[1]], timesteps: [731, 250],
            references: [[noise(3, 3, 4), noise(4, 1, 2)], [noise(5, 3, 4), noise(6, 1, 2)]])
    }

    private static func velocity(
        _ network: Flux2Transformer, _ inputs: Inputs, interrupt: () throws -> Void = {}
    ) throws -> Tensor {
        try network.forward(
            latents: inputs.latents, timesteps: inputs.timesteps, texts: inputs.texts, references: inputs.references,
            interrupt: interrupt)
    }

    @Test(arguments: Precision.allCases)
    func entriesOfABatchAreWhatTheyAreAlone(precision: Precision) throws {
        let (network, _) = try Self.network(compute: Self.compute.with(precision))
        let inputs = try Self.inputs()
        let both = try Self.velocity(network, inputs)
        for entry in 0..<2 {
            let alone = try Self.velocity(network, inputs.entry(entry))
            #expect(alone.array == both.slice(entry..<entry + 1).array)
        }
        var other = inputs
        other.references[1].swapAt(0, 1)
        other.references[0].swapAt(0, 1)
        #expect(try Self.velocity(network, other).array != both.array)
    }

    /// The authors' names, with norms called by either name and the halves of the last modulation the other way round.
    @Test(arguments: ["scale", "weight"]) func singleFilesHoldTheSameNetwork(normName: String) throws {
        let inputs = try Self.inputs()
        let (network, reader) = try Self.network()
        #expect(reader.unusedKeys.isEmpty)
        let expected = try Self.velocity(network, inputs)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "klein.safetensors").path
            try Self.writeSingleFile(to: file, normName: normName)
            let checkpoint = try Checkpoint(file: file)
            let identity = try FileIdentity.of(checkpoint, as: .expert)
            #expect(identity.family?.name == "flux2-klein" && identity.refusal == nil)
            let single = try checkpoint.renamed(by: Flux2Keys.transformer)
            let (whole, reader) = try Self.network(single)
            #expect(reader.unusedKeys.isEmpty)
            #expect(try Self.velocity(whole, inputs).array == expected.array)

            for name in ["comfy_AB", "kohya", "peft", "diffusers"] {
                let lora = "\(Self.path)/lora/\(name).safetensors"
                let (onSplit, splitReader) = try Self.network(lora: lora)
                let (onWhole, wholeReader) = try Self.network(single, lora: lora)
                try splitReader.requireAdaptersUsed()
                try wholeReader.requireAdaptersUsed()
                let adapted = try Self.velocity(onSplit, inputs)
                #expect(adapted.array != expected.array)
                #expect(try Self.velocity(onWhole, inputs).array == adapted.array)
                let family = try #require(Families.family(named: "flux2-klein"))
                try Families.requireAdapter(Checkpoint(file: lora), of: family)
                let owners = Families.families(ofAdapter: try Checkpoint(file: lora))
                #expect(owners.contains { $0.name == family.name })
            }
        }
    }

    private static func writeSingleFile(to file: String, normName: String) throws {
        try SingleFile.write(
            "transformer", of: folder, prefix: "model.diffusion_model.", to: file,
            rename: { $0.replacing("_norm.scale", with: "_norm.\(normName)") },
            value: { $0 == "final_layer.adaLN_modulation.1.weight" ? swapped($1) : $1 })
    }

    /// The two halves of the rows.
    private static func swapped(_ x: Tensor) -> Tensor {
        let half = x.shape[0] / 2
        return Tensor.concatenate([x.slice(half..<2 * half), x.slice(0..<half)])
    }

    /// In the authors' names the shift comes first, in an update as in the weight; diffusers' names have the scale first.
    @Test func updatesOfTheLastModulationFollowItsNames() throws {
        let inputs = try Self.inputs()
        let dim = try Self.config().dim
        let down = GaussianNoise(seed: 1, purpose: .initialLatent).tensor(shape: [2, dim])
        let up = GaussianNoise(seed: 2, purpose: .initialLatent).tensor(shape: [2 * dim, 2])
        try withTemporaryFolder { folder in
            func write(_ name: String, _ module: String, _ up: Tensor) throws -> String {
                let file = folder.appending(path: name).path
                try SafetensorsWriter.write(
                    [("\(module).lora_A.weight", down), ("\(module).lora_B.weight", up)], to: file)
                return file
            }
            let theirs = try write(
                "theirs.safetensors", "diffusion_model.final_layer.adaLN_modulation.1", Self.swapped(up))
            let ours = try write("ours.safetensors", "transformer.norm_out.linear", up)
            let plain = try Self.velocity(Self.network().network, inputs)
            let expected = try Self.velocity(Self.network(lora: ours).network, inputs)
            #expect(expected.array != plain.array)
            let file = folder.appending(path: "klein.safetensors").path
            try Self.writeSingleFile(to: file, normName: "scale")
            let single = try Checkpoint(file: file).renamed(by: Flux2Keys.transformer)
            for (checkpoint, lora) in [(nil, theirs), (single, theirs), (single, ours)] {
                let (network, reader) = try Self.network(checkpoint, lora: lora)
                try reader.requireAdaptersUsed()
                #expect(try Self.velocity(network, inputs).array == expected.array)
            }
        }
    }

    /// An update of attention alone has names that Qwen-Image has too: neither refuses it. Other names tell them apart.
    @Test(arguments: [
        ("attn.to_q", ["flux2-klein", "qwen-image"]), ("img_mlp.net.2", ["qwen-image"]),
        ("ff.linear_out", ["flux2-klein"]),
    ]) func updatesAreRefusedByNamesOfRelativesAlone(module: String, takenBy: [String]) throws {
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "lora.safetensors").path
            let name = "transformer.transformer_blocks.0.\(module)"
            try SafetensorsWriter.write(
                [("\(name).lora_A.weight", Tensor(zeros: [2, 8])), ("\(name).lora_B.weight", Tensor(zeros: [8, 2]))],
                to: file)
            let checkpoint = try Checkpoint(file: file)
            for name in ["flux2-klein", "qwen-image"] {
                let family = try #require(Families.family(named: name))
                if takenBy.contains(name) {
                    try Families.requireAdapter(checkpoint, of: family)
                } else {
                    #expect(throws: WeightError.self) { try Families.requireAdapter(checkpoint, of: family) }
                }
            }
        }
    }

    @Test func shapesTellTheDimensions() throws {
        let config = try Self.config()
        let told = try Flux2TransformerConfig(shapesOf: try Checkpoint(folder: "\(Self.path)/transformer"))
        try told.check(file: "")
        func dimensions(_ config: Flux2TransformerConfig) -> [Int] {
            [config.heads, config.headDim, config.doubleLayers, config.singleLayers, config.inChannels]
                + [config.outChannels, config.textDim, config.mlpDim, config.frequencies] + config.axes
        }
        #expect(dimensions(told) == dimensions(config))
        #expect(told.theta == config.theta && told.eps == config.eps)
    }

    /// The distilled and the base model differ in their index alone.
    @Test func theIndexTellsTheStudent() throws {
        let family = try #require(Families.family(named: "flux2-klein"))
        for isDistilled in [true, false] {
            try withTemporaryFolder { folder in
                for name in ["model_index.json", "scheduler/scheduler_config.json"] {
                    let source = URL(fileURLWithPath: "\(Self.path)/\(name)")
                    let target = folder.appending(path: name)
                    try FileManager.default.createDirectory(
                        at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
                    let text = try String(contentsOf: source, encoding: .utf8)
                        .replacing("\"is_distilled\": true", with: "\"is_distilled\": \(isDistilled)")
                    try Data(text.utf8).write(to: target)
                }
                let index = try ModelIndex(folder: folder.path)
                let published = try GeneratorSet(folder: folder) { family.published(index, experts: $0) }
                    .generator(nil)
                let spec = try #require(try family.generators(publishedAs: published).first)
                #expect(spec.name == (isDistilled ? "student" : "teacher"))
                #expect(spec.grid.defaultSteps == (isDistilled ? 4 : 50))
                let guidance = try Guidance(rule: family.traits.guidance, plan: spec.plan)
                #expect(guidance.isOn(inPhase: 0, sigma: 0.5) == !isDistilled)
            }
        }
    }

    private struct Stopped: Error {}

    @Test func stopsBeforeAnyBlock() throws {
        let (network, _) = try Self.network()
        let inputs = try Self.inputs()
        var blocks = 0
        _ = try Self.velocity(network, inputs) { blocks += 1 }
        #expect(blocks == network.doubleBlocks.count + network.singleBlocks.count)
        for last in 1...blocks {
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

    /// A plan takes what the computation takes, and touches none of it.
    @Test func memoryIsAsPlanned() throws {
        let (network, _) = try Self.network()
        let inputs = try Self.inputs()
        func run() throws { _ = try Self.velocity(network, inputs) }
        let plan = try MemoryPlan.of { try run() }
        let arena = Arena(reserving: 1 << 30)
        try arena.using { try run() }
        #expect(arena.use.peak == plan.peak)
    }

    // MARK: Autoencoder and pictures

    private static func autoencoder(_ checkpoint: Checkpoint? = nil) throws -> (
        vae: AutoencoderKLFlux2, reader: WeightReader
    ) {
        let reader = WeightReader(try checkpoint ?? Checkpoint(folder: "\(path)/vae"))
        let config = try AutoencoderKLFlux2Config.read("\(path)/vae/config.json")
        return (try AutoencoderKLFlux2(reader, config: config, compute: compute), reader)
    }

    @Test func originalAutoencodersHoldTheSameNetwork() throws {
        let (vae, reader) = try Self.autoencoder()
        #expect(reader.unusedKeys.isEmpty)
        let latent = GaussianNoise(seed: 7, purpose: .initialLatent).tensor(shape: [vae.channels, 1, 4, 6])
        func picture(_ vae: AutoencoderKLFlux2) throws -> Tensor {
            var frames: [Tensor] = []
            try vae.decode(latent, interrupt: {}) { frames.append($0) }
            return Tensor.concatenate(frames)
        }
        let expected = try picture(vae)
        try withTemporaryFolder { folder in
            let file = folder.appending(path: "flux2-vae.safetensors").path
            try SingleFile.write(
                "vae", of: Self.folder, prefix: "", to: file,
                shape: { $0.contains(".attn_1.") && $1.count == 2 ? $1 + [1, 1] : $1 })
            let checkpoint = try Checkpoint(file: file)
            // FLUX.1's autoencoder has all of the other names.
            #expect(try FileIdentity.all(in: checkpoint).map(\.architecture) == ["autoencoder_kl_flux2"])
            let (same, reader) = try Self.autoencoder(checkpoint.renamed(by: AutoencoderKLKeys.vae))
            #expect(reader.unusedKeys.isEmpty)
            #expect(try picture(same).array == expected.array)
            #expect(
                try same.latent(of: expected, interrupt: {}).array == vae.latent(of: expected, interrupt: {}).array)
        }
    }

    /// A reference keeps its own size, whatever the result's; what is too small, or too long, is refused.
    @Test func referencesKeepTheirSizes() throws {
        let family = try #require(Families.family(named: "flux2-klein"))
        let vae = try Self.autoencoder().vae
        let encoder = try #require(family.pictureEncoder(vae))
        func shapes(_ sizes: [(Int, Int)]) throws -> [[Int]] {
            let pictures = try sizes.map { width, height in
                try RGBImage(
                    width: width, height: height,
                    bytes: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* 7) })
            }
            return try encoder.inputs(
                of: GivenPictures(references: pictures), width: 128, height: 96, frames: 1, interrupt: {}
            ).references.map(\.shape)
        }
        #expect(try shapes([(64, 80), (85, 70), (512, 64)]) == [[128, 1, 5, 4], [128, 1, 4, 5], [128, 1, 4, 32]])
        for wrong in [(63, 100), (64, 513)] {
            #expect(throws: ModelError.self) { try shapes([wrong]) }
        }
    }

    /// Text has the rows that it has alone; those after it differ from each other by their positions.
    @Test func paddingSeesTheTextAlone() throws {
        let config = try QwenConfig.read("\(Self.path)/text_encoder/config.json")
        let encoder = try Qwen3Encoder(
            WeightReader(Checkpoint(folder: "\(Self.path)/text_encoder")), config: config,
            states: Flux2PromptEncoder.states, compute: Self.compute)
        let ids = [11, 3, 250, 42]
        func states(_ length: Int) throws -> [Tensor] {
            try encoder.encode(ids, padding: Qwen3Encoder.Padding(token: 700, length: length))
        }
        let (alone, short, long) = (try encoder.encode(ids), try states(6), try states(9))
        for (index, state) in long.enumerated() {
            #expect(state.shape == [9, config.dim])
            #expect(state.slice(0..<4).array == alone[index].array)
            #expect(state.slice(0..<6).array == short[index].array)
            #expect(Set((4..<9).map { state[$0].array }).count == 5)
        }
    }
}
