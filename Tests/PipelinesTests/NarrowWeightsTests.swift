import Diffusion
import Foundation
import Pipelines
import Tensor
import Testing
import Weights

/// What the embedded model's pictures lose with narrower experts, as `phasor quantize` writes them, and with narrower
/// arithmetic.
@Suite struct NarrowWeightsTests {
    private static let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Models/emoji-scenes").path
    /// Prompts that name the background: what is left open is drawn anew when weights change a little.
    private static let prompts = [
        "a large strawberry on a white background", "a small dog on the beach", "a large yellow car in a snowy field",
        "a large cat in a grassy field",
    ]
    private let compute = Compute(threads: 2)

    /// A picture and the latent that it was decoded from. The decoder's arithmetic is float32 throughout.
    private typealias Made = (picture: [Float], latent: [Float])

    private func made(_ files: ModelFiles, precision: Precision = .f32) throws -> [Made] {
        let pipeline = try Pipeline(files, compute: compute.with(precision), vaeCompute: compute)
        return try Self.prompts.map { prompt in
            var run = try pipeline.encodedRun(prompt, seed: 1, width: 128, height: 128)
            var picture: [Float] = []
            _ = try run.finish { picture += $0.array }
            return (picture, run.generation.latent.array)
        }
    }

    /// Peak signal-to-noise ratio in decibels, of values in [0, 1].
    private func psnr(_ a: [Float], _ b: [Float]) -> Double {
        let squares = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return -10 * log10(squares / Double(a.count))
    }

    /// Root mean square of the difference beside that of `b`.
    private func relativeError(_ a: [Float], _ b: [Float]) -> Double {
        let squares = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (squares / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    /// Decibels that every picture reaches at least, against the weights as they are.
    @Test(arguments: [(Quantizer.Target.f16, 60.0), (.q8x0, 35), (.fp8, 28), (.q4k, 20)])
    func picturesStayNear(target: Quantizer.Target, bound: Double) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("phasor-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var files = ModelFiles(folder: Self.model)
        let expected = try made(files)
        for expert in ["transformer", "transformer_2"] {
            let path = "\(folder)/\(expert).\(target.format.rawValue)"
            try Quantizer(Checkpoint(folder: "\(Self.model)/\(expert)"), target: target)
                .write(to: path, metadata: [:], compute: compute)
            files.experts[expert] = path
        }
        expect(try made(files), near: expected, bound, target.rawValue)
    }

    /// The same for arithmetic in place of weights.
    @Test(arguments: [(Precision.bf16, 40.0), (.int8, 30)])
    func picturesStayNear(precision: Precision, bound: Double) throws {
        let files = ModelFiles(folder: Self.model)
        expect(
            try made(files, precision: precision), near: try made(files), bound, precision.rawValue,
            isRounded: InstructionSet.current.roundsToBfloat)
    }

    private func expect(_ some: [Made], near expected: [Made], _ bound: Double, _ name: String, isRounded: Bool = true)
    {
        for (prompt, (one, other)) in zip(Self.prompts, zip(some, expected)) {
            let ratio = psnr(one.picture, other.picture)
            print(
                "\(name), \(prompt): "
                    + String(format: "%.1f dB, latent %.2f %%", ratio, 100 * relativeError(one.latent, other.latent)))
            // Where the processor rounds nothing, there is nothing to lose; with int8 alone there may be.
            #expect(ratio >= bound && (ratio.isFinite || !isRounded), "\(prompt): \(ratio) dB")
        }
    }
}
