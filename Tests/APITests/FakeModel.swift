import Diffusion
import Foundation
import Pipelines
import Serving
import Synchronization
import Tensor

/// A model of no weights whose pictures follow from the seed, and whose steps take as long as a test wants.
struct FakeModel: ImageModel {
    let id: String
    let generators: GeneratorSet
    let sizes = SizeLimits(sideMultiple: 16, frameMultiple: 4, width: 64, height: 48, frames: 17, fps: 8)
    let pace: Pace

    /// Seconds that a step takes.
    final class Pace: Sendable {
        private let seconds: Mutex<Double>
        init(_ seconds: Double) { self.seconds = Mutex(seconds) }
        var value: Double {
            get { seconds.withLock { $0 } }
            set { seconds.withLock { $0 = newValue } }
        }
    }

    init(id: String = "fake", pace: Pace = Pace(0)) throws {
        self.id = id
        self.pace = pace
        let phases = """
            {"default": "student", "generators": {
              "student": {"sampler": "euler", "sigmas": [1.0, 0.9, 0.75, 0.5], "phases": [
                {"name": "high noise", "sigma": [0.8, 1.0], "expert": "transformer", "guidance_scale": 1.0},
                {"name": "low noise", "sigma": [0.0, 0.8], "expert": "transformer_2", "guidance_scale": 1.0}]},
              "teacher": {"sampler": "euler", "steps": 6, "shift": 3.0, "phases": [
                {"name": "teacher", "sigma": [0.0, 1.0], "expert": "teacher", "guidance_scale": 3.0}]}}}
            """
        generators = try GeneratorSet(phases: Data(phases.utf8))
    }

    struct Expert: VelocityModel {
        let pace: Pace
        let interrupt: @Sendable () throws -> Void

        /// Half of the latent: whatever the noise was, x0 stays a picture of it.
        func velocity(latents: Tensor, timesteps: [Float], conditionings: [String]) throws -> Tensor {
            let start = ContinuousClock.now
            repeat {
                try interrupt()
                if pace.value > 0 { Thread.sleep(forTimeInterval: 0.002) }
            } while ContinuousClock.now < start + .seconds(pace.value)
            let result = Tensor(uninitialized: latents.shape)
            result.withUnsafeMutable { result in
                latents.withUnsafe { latents in
                    for index in latents.indices { result[index] = latents[index] / 2 }
                }
            }
            return result
        }
    }

    /// Characters stand for tokens.
    func tokenCount(of prompt: String) -> Int { prompt.count }
    var maximumTokens: Int { 512 }

    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> String { prompt }
    func forget(expert: String, loras: [LoRA], of conditioning: String) {}

    func expert(_ name: String, loras: [LoRA], interrupt: @escaping @Sendable () throws -> Void) throws -> Expert {
        Expert(pace: pace, interrupt: interrupt)
    }

    func makeGeneration(
        seed: UInt64, width: Int, height: Int, frames: Int, generator: String?, steps: Int?, guidanceScale: Float?,
        guidanceScale2: Float?
    ) throws -> Generation {
        let spec = try generators.generator(generator)
        return try Generation(
            seed: seed, latentShape: [3, (frames - 1) / 4 + 1, height / 16, width / 16], generator: spec,
            schedule: spec.schedule(steps: steps, tokens: 1),
            guidance: Guidance(
                rule: .classifierFree, plan: spec.plan, guidanceScale: guidanceScale, guidanceScale2: guidanceScale2))
    }

    /// Each value of the latent becomes a square of 16 pixels, and each latent frame but the first four frames.
    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        let (frames, rows, columns) = (latent.shape[1], latent.shape[2], latent.shape[3])
        for frame in 0..<frames {
            try interrupt()
            let copies = frame == 0 ? 1 : 4
            let pixels = Tensor(uninitialized: [copies, rows * 16, columns * 16, 3])
            pixels.withUnsafeMutable { pixels in
                latent.withUnsafe { latent in
                    for index in pixels.indices {
                        let (x, y) = (index / 3 % (columns * 16) / 16, index / 3 / (columns * 16) % (rows * 16) / 16)
                        let value = latent[((index % 3 * frames + frame) * rows + y) * columns + x]
                        pixels[index] = min(max(0.5 + value / 4, 0), 1)
                    }
                }
            }
            try onFrames(pixels)
        }
    }
}
