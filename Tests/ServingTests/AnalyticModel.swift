import Diffusion
import Foundation
import Pipelines
import Serving
import Synchronization
import Tensor

/// A model whose pictures can be computed by hand: velocities are linear in the latent, decoding enlarges it.
final class AnalyticModel: ImageModel {
    let id = "analytic"
    let generators: GeneratorSet
    let sizes: SizeLimits
    let guidesWithoutNegativePrompt: Bool
    let gate: Gate
    /// How long each of the blocks of an evaluation takes.
    let blockSeconds: Double
    let blocks = Atomic<Int>(0)
    let evaluations = Atomic<Int>(0)
    let encodings = Atomic<Int>(0)
    /// Stands for the model's files.
    let version: String
    /// What it was last told to expect, for each time.
    let expectations = Mutex<[[Resident]]>([])

    private let residents: Mutex<Residents>

    static let blocksPerEvaluation = 20
    /// A prompt whose steps fail.
    static let poison = "poison"

    /// - Parameters:
    ///   - memory: how many parts there is room for; nil for all.
    ///   - picturesOnly: no clips, and no guidance without a negative prompt, as Qwen-Image has it.
    init(
        gate: Gate = Gate(), blockSeconds: Double = 0, version: String = "1", memory: Int? = nil,
        picturesOnly: Bool = false
    ) throws {
        sizes = SizeLimits(
            sideMultiple: 16, frameMultiple: 4, width: 64, height: 48, frames: picturesOnly ? 1 : 9, fps: 16)
        guidesWithoutNegativePrompt = !picturesOnly
        self.gate = gate
        residents = Mutex(Residents(capacity: memory))
        self.version = version
        self.blockSeconds = blockSeconds
        let teacher = try GeneratorSpec(
            name: "teacher", sampler: .euler, grid: .shifted(steps: 6, shift: 3),
            plan: PhasePlan(expert: "teacher", guidanceScale: 3))
        generators = try GeneratorSet(
            [.distilled(steps: 4, shift: 5, boundary: 0.875), teacher], default: "student")
    }

    /// v = gain x + offset
    static func line(of expert: String, _ prompt: Float) -> (gain: Float, offset: Float) {
        switch expert {
        case "transformer": (0.5, prompt)
        case "transformer_2": (0.25, -prompt)
        default: (0.125, prompt / 2)
        }
    }

    static func value(of prompt: String) -> Float {
        if prompt == poison { return .infinity }
        return Float(prompt.utf8.reduce(0) { $0 + Int($1) } % 100) / 100
    }

    func tokenCount(of prompt: String) -> Int { prompt.split(separator: " ").count }
    let maximumTokens = 100

    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Float {
        encodings.add(1, ordering: .relaxed)
        gate.pass("text")
        try interrupt()
        return Self.value(of: prompt)
    }

    func identity(of part: Resident) -> String { "\(version) \(part)" }
    func cleaned(_ prompt: String) -> String { prompt.lowercased() }
    /// What is expected first is computed with, and then in memory.
    func expect(_ passes: [Resident]) {
        expectations.withLock { $0.append(passes) }
        guard let first = passes.first else { return }
        residents.withLock { $0.use(StageWeights(model: id, part: first), bytes: 1) }
    }

    func isResident(_ part: Resident) -> Bool {
        residents.withLock { $0.contains(StageWeights(model: id, part: part)) }
    }

    func forget(expert: String, loras: [LoRA], of conditioning: Float) {}

    func expert(_ name: String, loras: [LoRA], interrupt: @escaping @Sendable () throws -> Void) throws -> Expert {
        Expert(name: name, model: self, interrupt: interrupt)
    }

    struct Poisoned: Error {}

    struct Expert: VelocityModel {
        let name: String
        let model: AnalyticModel
        let interrupt: @Sendable () throws -> Void

        func velocity(latents: Tensor, timesteps: [Float], conditionings: [Float]) throws -> Tensor {
            let count = model.evaluations.add(1, ordering: .relaxed).newValue
            model.gate.pass("evaluation \(count)")
            for _ in 0..<AnalyticModel.blocksPerEvaluation {
                try interrupt()
                model.blocks.add(1, ordering: .relaxed)
                if model.blockSeconds > 0 { Thread.sleep(forTimeInterval: model.blockSeconds) }
            }
            guard conditionings.allSatisfy(\.isFinite) else { throw Poisoned() }
            let rows = conditionings.enumerated().map { row, prompt in
                let (gain, offset) = AnalyticModel.line(of: name, prompt)
                return Tensor(
                    latents[row].array.map { gain * $0 + offset }, shape: [1] + latents.shape.dropFirst())
            }
            return Tensor.concatenate(rows)
        }
    }

    func makeGeneration(
        seed: UInt64, width: Int, height: Int, frames: Int, generator: String?, steps: Int?, guidanceScale: Float?,
        guidanceScale2: Float?
    ) throws -> Generation {
        let spec = try generators.generator(generator)
        return try Generation(
            seed: seed, latentShape: [3, (frames - 1) / 4 + 1, height / 8, width / 8], generator: spec,
            schedule: spec.schedule(steps: steps, tokens: 1),
            guidance: Guidance(
                rule: .classifierFree, plan: spec.plan, guidanceScale: guidanceScale, guidanceScale2: guidanceScale2))
    }

    /// Each value becomes a square of 8 by 8 pixels, each latent frame after the first four frames of rising brightness.
    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        let (frames, rows, columns) = (latent.shape[1], latent.shape[2], latent.shape[3])
        let values = latent.array
        gate.pass("decode")
        for frame in 0..<frames {
            gate.pass("frame \(frame)")
            try interrupt()
            var pixels: [Float] = []
            let repeats = frame == 0 ? 1 : 4
            for copy in 0..<repeats {
                for y in 0..<rows * 8 {
                    for x in 0..<columns * 8 {
                        for channel in 0..<3 {
                            let value = values[((channel * frames + frame) * rows + y / 8) * columns + x / 8]
                            pixels.append(Self.brightness(of: value) + 0.01 * Float(copy))
                        }
                    }
                }
            }
            try onFrames(Tensor(pixels, shape: [repeats, rows * 8, columns * 8, 3]))
        }
    }

    /// Not finite for latents that are large, as an overflowing decoder would be.
    static func brightness(of value: Float) -> Float {
        abs(value) > 100 ? .nan : min(max(0.5 + 0.125 * value, 0), 1)
    }
}

/// Holds a computation at a named place until the test lets it go on.
final class Gate: Sendable {
    private struct State {
        var place: String?
        var hasArrived = false
    }

    private let state: Mutex<State>

    /// - Parameter place: nil for a gate that holds nobody.
    init(at place: String? = nil) {
        state = Mutex(State(place: place))
    }

    /// Called by the model.
    func pass(_ place: String) {
        while true {
            let waits = state.withLock { state in
                guard state.place == place else { return false }
                state.hasArrived = true
                return true
            }
            guard waits else { return }
            Thread.sleep(forTimeInterval: 0.001)
        }
    }

    var hasArrived: Bool { state.withLock { $0.hasArrived } }

    func arrival() async throws {
        while !hasArrived { try await Task.sleep(for: .milliseconds(1)) }
    }

    func open() { state.withLock { $0.place = nil } }

    /// Lets go on to another place.
    func move(to place: String) { state.withLock { $0 = State(place: place) } }
}
