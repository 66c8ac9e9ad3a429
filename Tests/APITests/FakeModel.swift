import Diffusion
import Foundation
import Jobs
import Models
import Pipelines
import Synchronization
import Tensor
import Weights

/// A model of no weights whose pictures follow from the seed, and whose steps take as long as a test wants.
enum FakeModel {
    /// Seconds that a step takes.
    final class Pace: Sendable {
        private let seconds: Mutex<Double>
        init(_ seconds: Double) { self.seconds = Mutex(seconds) }
        var value: Double {
            get { seconds.withLock { $0 } }
            set { seconds.withLock { $0 = newValue } }
        }
    }

    static func pipeline(id: String = "fake", source: String? = nil, pace: Pace = Pace(0)) throws -> Pipeline {
        let phases = """
            {"default": "student", "generators": {
              "student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.75, 0.5], "phases": [
                {"name": "high noise", "sigma": [0.8, 1.0], "expert": "transformer", "guidance_scale": 1.0},
                {"name": "low noise", "sigma": [0.0, 0.8], "expert": "transformer_2", "guidance_scale": 1.0}]},
              "teacher": {"sampler": "euler", "steps": 6, "shift": 3.0, "phases": [
                {"name": "teacher", "sigma": [0.0, 1.0], "expert": "teacher", "guidance_scale": 3.0}]}}}
            """
        let network = Network(pace: pace)
        return Pipeline(
            id: id, source: source,
            traits: FamilyTraits(
                guidance: .classifierFree, guidesWithoutNegativePrompt: true,
                defaults: SizeLimits.Defaults(width: 64, height: 48, frames: 17, fps: 8)),
            generators: try GeneratorSet(phases: Data(phases.utf8)),
            sizes: SizeLimits(sideMultiple: 16, frameMultiple: 4, width: 64, height: 48, frames: 17, fps: 8),
            parts: Pipeline.Parts(
                promptEncoder: Characters(),
                networks: ["transformer": network, "transformer_2": network, "teacher": network],
                autoencoder: Squares()),
            residency: Unbounded(), identities: PartIdentities([:]))
    }

    private struct Network: DenoisingNetwork {
        let pace: Pace
        let channels = 3
        let textWidth = 1
        let patch = [1, 1, 1]

        /// Half of the latent: whatever the noise was, x0 stays a picture of it.
        func velocity(
            _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
        ) throws -> Tensor {
            let start = ContinuousClock.now
            repeat {
                try interrupt()
                if pace.value > 0 { Thread.sleep(forTimeInterval: 0.002) }
            } while ContinuousClock.now < start + .seconds(pace.value)
            return Tensor(evaluation.latents.array.map { $0 / 2 }, shape: evaluation.latents.shape)
        }

        func operations(latent: [Int], textRows: Int) -> Double { 0 }
    }

    /// Characters stand for tokens.
    private struct Characters: PromptEncoder {
        let width = 1
        let length = 512

        func tokenCount(of prompt: String) -> Int { prompt.count }
        func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
            try encode(tokens: 1)
        }
        func encode(tokens count: Int) throws -> Conditioning {
            Conditioning(rows: Tensor(zeros: [count, width]))
        }
    }

    private struct Unbounded: PartResidency {
        func expect(_ passes: [Part]) {}
        func isResident(_ part: Part) -> Bool { true }
        func bytes(of part: Part) -> Int { 0 }
        func pass<R>(through part: Part, _ body: (_ check: () throws -> Void) throws -> R) throws -> R { try body({}) }
        var report: ResidencyReport? { nil }
    }

    /// Each value of the latent becomes a square of 16 pixels, and each latent frame but the first four frames.
    private struct Squares: Autoencoder {
        let channels = 3
        let spatialFactor = 16
        let temporalFactor = 4

        func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
            let (frames, rows, columns) = (latent.shape[1], latent.shape[2], latent.shape[3])
            let values = latent.array
            for frame in 0..<frames {
                try interrupt()
                let copies = frame == 0 ? 1 : 4
                let (height, width) = (rows * 16, columns * 16)
                let pixels = (0..<copies * height * width * 3).map { index in
                    let (x, y) = (index / 3 % width / 16, index / 3 / width % height / 16)
                    return values[((index % 3 * frames + frame) * rows + y) * columns + x] / 2
                }
                try onFrames(Tensor(pixels, shape: [copies, height, width, 3]))
            }
        }

        /// The first pixel of each square, of the first frame.
        func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
            let (rows, columns) = (frames.shape[1] / 16, frames.shape[2] / 16)
            let values = frames.array
            let cells = (0..<3 * rows * columns).map { index in
                let (y, x) = (index / columns % rows * 16, index % columns * 16)
                return values[(y * columns * 16 + x) * 3 + index / columns / rows] * 2
            }
            return Tensor(cells, shape: [3, 1, rows, columns])
        }
    }
}
