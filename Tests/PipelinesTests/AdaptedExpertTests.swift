import Diffusion
import Foundation
import Models
import Pipelines
import Tensor
import Testing

/// Phases whose experts are LoRA files on one base.
@Suite struct AdaptedExpertTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let folder: String
        let high, low: String
        let lowStrength: Float
    }

    static let cases = [
        Case(
            testDescription: "Wan", folder: fixture, high: "lora/high_noise_lightning.safetensors",
            low: "lora/high_noise_comfy_AB.safetensors", lowStrength: 0.5),
        Case(
            testDescription: "Qwen-Image", folder: qwenFixture, high: "lora/lightning.safetensors",
            low: "lora/diffusers.safetensors", lowStrength: -1),
    ]

    private func phases(_ item: Case) -> String {
        """
        {"default": "student",
         "experts": {
          "high": {"base": "transformer", "loras": [{"file": "\(item.high)"}]},
          "low": {"base": "transformer", "loras": [{"file": "\(item.low)", "strength": \(item.lowStrength)}]}},
         "generators": {"student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.7, 0.4], "phases": [
          {"name": "high noise", "sigma": [0.8, 1.0], "expert": "high"},
          {"name": "low noise", "sigma": [0.0, 0.8], "expert": "low"}]}}}
        """
    }

    private func run(_ pipeline: Pipeline) throws -> Run {
        try pipeline.encodedRun("a cat on a table", seed: 3, width: 48, height: 32)
    }

    /// Each step is the one that the base with that phase's LoRA alone makes, to the last bit, and neither phase leaves
    /// a trace in the other.
    @Test(arguments: cases) func eachPhaseHasItsOwn(item: Case) throws {
        let compute = Compute(threads: 2)
        let model = try ModelCopy(item.folder)
        try model.write(phases(item), "phases.json")
        let pipeline = try Pipeline(folder: model.path, compute: compute)
        let alone = [
            "high": try Pipeline(
                folder: item.folder, compute: compute,
                adapters: [.init(expert: "transformer", path: "\(item.folder)/\(item.high)", strength: 1)]),
            "low": try Pipeline(
                folder: item.folder, compute: compute,
                adapters: [.init(expert: "transformer", path: "\(item.folder)/\(item.low)", strength: item.lowStrength)]
            ),
        ]
        var switched = try run(pipeline)
        var (reference, seen): (Generation, [String]) = (switched.generation, [])
        while let phase = switched.generation.nextPhase {
            seen.append(phase.expert)
            switched = try stepped(switched)
            // The same step by the base with that LoRA alone, whose one expert is called otherwise.
            let model = try #require(alone[phase.expert])
            let network = try #require(model.parts.networks["transformer"])
            let prompt = Prompted(positive: try model.encode("a cat on a table"))
            try reference.step(using: BareExpert(network: network), prompt)
            let isSame = switched.generation.latent.array == reference.latent.array
            #expect(isSame)
        }
        #expect(seen == ["high", "high", "low", "low"])

        // And it was not the bare base.
        let base = try #require(
            Pipeline(folder: item.folder, compute: compute).parts.networks["transformer"])
        var bare = try run(pipeline).generation
        while !bare.isFinished {
            try bare.step(
                using: BareExpert(network: base), Prompted(positive: pipeline.encode("a cat on a table")))
        }
        let isBare = bare.latent.array == switched.generation.latent.array
        #expect(!isBare)
    }

    private func stepped(_ run: Run) throws -> Run {
        var batch = [run]
        _ = try Run.step(&batch)
        return batch[0]
    }

    private struct BareExpert: VelocityModel {
        let network: any DenoisingNetwork

        func velocity(_ evaluation: Evaluation<Conditioning>) throws -> Tensor {
            try network.velocity(evaluation, key: "", interrupt: {})
        }
    }

    @Test(arguments: cases) func theBaseIsMappedOnce(item: Case) throws {
        let model = try ModelCopy(item.folder)
        try model.write(phases(item), "phases.json")
        let pipeline = try Pipeline(folder: model.path, compute: Compute(threads: 1))
        let names = pipeline.components.map(\.name)
        #expect(names == ["text_encoder", "transformer", "high LoRA", "low LoRA", "vae"])
    }

    /// A LoRA of another network is refused, whichever way it comes.
    @Test func aLoRAThatDoesNotFitIsRefused() throws {
        let model = try ModelCopy(qwenFixture)
        try model.write(
            phases(
                Case(
                    testDescription: "", folder: "", high: "lora/wan.safetensors", low: "lora/wan.safetensors",
                    lowStrength: 1)), "phases.json")
        try FileManager.default.copyItem(
            atPath: "\(fixture)/\(Self.cases[0].high)", toPath: "\(model.path)/lora/wan.safetensors")
        let error = #expect(throws: (any Error).self) {
            try Pipeline(folder: model.path, compute: Compute(threads: 1))
        }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.contains("lora/wan.safetensors"), "\(message)")
    }

    @Test func aLoRAForNobodyIsNamed() throws {
        let error = #expect(throws: ModelError.self) {
            try Pipeline(
                folder: qwenFixture, compute: Compute(threads: 1),
                adapters: [.init(expert: "transformer_2", path: "x.safetensors", strength: 1)])
        }
        #expect(error?.description.contains("transformer_2") == true)
    }
}
