import Diffusion
import Foundation
import Pipelines
import Tensor
import Testing
import Weights

/// What the embedded model's pictures lose with narrower experts, as `phasor quantize` writes them.
@Suite struct NarrowWeightsTests {
    private static let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Models/emoji-scenes").path
    /// Prompts that name the background: what is left open is drawn anew when weights change a little.
    private static let prompts = [
        "a large strawberry on a white background", "a small dog on the beach", "a large yellow car in a snowy field",
        "a large cat in a grassy field",
    ]
    private let compute = Compute(threads: 2)

    private func pictures(_ files: ModelFiles) throws -> [[Float]] {
        let pipeline = try Pipeline(files, compute: compute)
        return try Self.prompts.map { prompt in
            var generation = try pipeline.makeGeneration(seed: 1, width: 128, height: 128, frames: 1)
            let prompted = Prompted(positive: try pipeline.encode(prompt), negative: nil)
            while let phase = generation.nextPhase {
                try generation.step(using: pipeline.expert(phase.expert), prompted)
            }
            var picture: [Float] = []
            try pipeline.decode(generation.latent) { picture += $0.array }
            return picture
        }
    }

    /// Peak signal-to-noise ratio in decibels, of values in [0, 1].
    private func psnr(_ a: [Float], _ b: [Float]) -> Double {
        let squares = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return -10 * log10(squares / Double(a.count))
    }

    /// Decibels that every picture reaches at least, against the weights as they are.
    @Test(arguments: [(Quantizer.Target.f16, 60.0), (.q8x0, 35), (.fp8, 28), (.q4k, 20)])
    func picturesStayNear(target: Quantizer.Target, bound: Double) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var files = ModelFiles(folder: Self.model)
        let expected = try pictures(files)
        for expert in ["transformer", "transformer_2"] {
            let path = "\(folder)/\(expert).\(target.format.rawValue)"
            try Quantizer(Checkpoint(folder: "\(Self.model)/\(expert)"), target: target)
                .write(to: path, metadata: [:], compute: compute)
            files.experts[expert] = path
        }
        let ratios = zip(try pictures(files), expected).map(psnr)
        print("\(target.rawValue): " + ratios.map { String(format: "%.1f dB", $0) }.joined(separator: ", "))
        for (prompt, ratio) in zip(Self.prompts, ratios) {
            #expect(ratio >= bound && ratio.isFinite, "\(prompt): \(ratio) dB")
        }
    }
}
