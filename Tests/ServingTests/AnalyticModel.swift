import Diffusion
import Foundation
import Jobs
import Models
import Pipelines
import Synchronization
import Tensor
import TestSupport
import Weights

extension Part {
    static let textEncoder: Part = "text_encoder"
    static let vae: Part = "vae"
    static func expert(_ name: String) -> Part { Part(name) }
}

/// A model whose pictures can be computed by hand: velocities are linear in the latent, decoding enlarges it.
final class AnalyticModel: Sendable {
    let pipeline: Pipeline
    let parts: AnalyticParts

    static let blocksPerEvaluation = 20
    /// A prompt whose steps fail.
    static let poison = "poison"

    /// - Parameters:
    ///   - gate: holds computations at named places.
    ///   - blockSeconds: how long each of the blocks of an evaluation takes.
    ///   - version: stands for the model's files.
    ///   - memory: how many parts there is room for; nil for all.
    ///   - picturesOnly: no clips, and no guidance without a negative prompt, as Qwen-Image has it.
    ///   - gain: factor on latents before they are decoded.
    ///   - stepGain: factor on what the networks give.
    ///   - hasTiny: a tiny decoder beside the model's own, whose pictures are darker.
    init(
        gate: Gate = Gate(), blockSeconds: Double = 0, version: String = "1", memory: Int? = nil,
        picturesOnly: Bool = false, gain: Float = 1, stepGain: Float = 1, hasTiny: Bool = false
    ) throws {
        let parts = AnalyticParts(
            gate: gate, blockSeconds: blockSeconds, memory: memory, gain: gain, stepGain: stepGain)
        self.parts = parts
        let teacher = try GeneratorSpec(
            name: "teacher", sampler: .euler, grid: .shifted(steps: 6, shift: 3),
            plan: PhasePlan(expert: "teacher", guidanceScale: 3))
        let names = ["transformer", "transformer_2", "teacher"]
        let identified: [Part] = [.textEncoder, .vae, Pipeline.tinyPart] + names.map { Part($0) }
        pipeline = Pipeline(
            id: AnalyticParts.id,
            traits: FamilyTraits(
                guidance: .classifierFree, guidesWithoutNegativePrompt: !picturesOnly,
                defaults: SizeLimits.Defaults(width: 64, height: 48, frames: picturesOnly ? 1 : 9, fps: 16)),
            generators: try GeneratorSet(
                [.distilled(steps: 4, shift: 5, boundary: 0.875), teacher], default: "student"),
            sizes: SizeLimits(
                sideMultiple: 16, frameMultiple: 4, width: 64, height: 48, frames: picturesOnly ? 1 : 9, fps: 16),
            parts: Pipeline.Parts(
                promptEncoder: parts,
                networks: Dictionary(
                    uniqueKeysWithValues: names.map { ($0, AnalyticNetwork(name: $0, parts: parts)) }),
                autoencoder: parts, tiny: hasTiny ? AnalyticTiny(parts: parts) : nil),
            residency: parts,
            identities: PartIdentities(
                Dictionary(
                    uniqueKeysWithValues: identified.map { part in (part, { @Sendable in "\(version) \(part)" }) })))
    }

    var gate: Gate { parts.gate }

    static func value(of prompt: String) -> Float { AnalyticParts.value(of: prompt) }
}

/// v = gain x + offset
struct AnalyticNetwork: DenoisingNetwork {
    let name: String
    let parts: AnalyticParts

    let channels = 3
    let textWidth = 1
    let patch = [1, 2, 2]

    struct Poisoned: Error {}

    func velocity(
        _ evaluation: Evaluation<Conditioning>, key: String, interrupt: () throws -> Void
    ) throws -> Tensor {
        let latents = evaluation.latents
        let prompts = evaluation.conditionings.map { $0.rows.array[0] }
        let count = parts.evaluations.add(1, ordering: .relaxed).newValue
        parts.gate.pass("evaluation \(count)")
        for _ in 0..<AnalyticModel.blocksPerEvaluation {
            try interrupt()
            parts.blocks.add(1, ordering: .relaxed)
            if parts.blockSeconds > 0 { Thread.sleep(forTimeInterval: parts.blockSeconds) }
        }
        guard prompts.allSatisfy(\.isFinite) else { throw Poisoned() }
        let rows = prompts.enumerated().map { row, prompt in
            let (gain, offset) = Self.line(of: name, prompt)
            return Tensor(
                latents[row].array.map { parts.stepGain * (gain * $0 + offset) }, shape: [1] + latents.shape.dropFirst()
            )
        }
        return Tensor.concatenate(rows)
    }

    func operations(latent: [Int], textRows: Int) -> Double { 0 }

    private static func line(of expert: String, _ prompt: Float) -> (gain: Float, offset: Float) {
        switch expert {
        case "transformer": (0.5, prompt)
        case "transformer_2": (0.25, -prompt)
        default: (0.125, prompt / 2)
        }
    }
}

/// Text side, autoencoder and memory of the analytic model, and what it has counted.
final class AnalyticParts: PromptEncoder, Autoencoder, PartResidency {
    static let id = "analytic"

    let gate: Gate
    let blockSeconds: Double
    let gain, stepGain: Float
    let blocks = Atomic<Int>(0)
    let evaluations = Atomic<Int>(0)
    let encodings = Atomic<Int>(0)
    /// What it was told to expect, each time.
    let expectations = Mutex<[[Part]]>([])
    private let residents: Mutex<Residents<Part>>

    init(gate: Gate, blockSeconds: Double, memory: Int?, gain: Float, stepGain: Float) {
        self.gate = gate
        self.blockSeconds = blockSeconds
        self.gain = gain
        self.stepGain = stepGain
        residents = Mutex(Residents(capacity: memory))
    }

    // MARK: Text

    let width = 1
    let length = 100

    static func value(of prompt: String) -> Float {
        if prompt == AnalyticModel.poison { return .infinity }
        return Float(prompt.utf8.reduce(0) { $0 + Int($1) } % 100) / 100
    }

    func cleaned(_ prompt: String) -> String { prompt.lowercased() }
    func tokenCount(of prompt: String) -> Int { prompt.split(separator: " ").count }

    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning {
        encodings.add(1, ordering: .relaxed)
        gate.pass("text")
        try interrupt()
        return Conditioning(rows: Tensor([Self.value(of: prompt)], shape: [1, 1]))
    }

    func encode(tokens count: Int) throws -> Conditioning {
        Conditioning(rows: Tensor(zeros: [count, width]))
    }

    // MARK: Memory

    /// What is expected first is computed with, and then in memory.
    func expect(_ passes: [Part]) {
        expectations.withLock { $0.append(passes) }
        guard let first = passes.first else { return }
        residents.withLock { $0.use(first, bytes: 1) }
    }

    func isResident(_ part: Part) -> Bool { residents.withLock { $0.contains(part) } }
    func bytes(of part: Part) -> Int { 0 }
    func pass<R>(through part: Part, _ body: (_ check: () throws -> Void) throws -> R) throws -> R { try body({}) }
    var report: ResidencyReport? { nil }

    // MARK: Pixels

    let channels = 3
    let spatialFactor = 8
    let temporalFactor = 4

    /// Each value becomes a square of 8 by 8 pixels, each latent frame after the first four frames of rising brightness.
    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        let (frames, rows, columns) = (latent.shape[1], latent.shape[2], latent.shape[3])
        let values = latent.array.map { $0 * gain }
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
                            pixels.append(2 * (Self.brightness(of: value) + 0.01 * Float(copy)) - 1)
                        }
                    }
                }
            }
            try onFrames(Tensor(pixels, shape: [repeats, rows * 8, columns * 8, 3]))
        }
    }

    /// The value at the top left of each square.
    func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        gate.pass("picture")
        try interrupt()
        let (rows, columns) = (frames.shape[1] / 8, frames.shape[2] / 8)
        let values = frames.array
        let cells = (0..<3 * rows * columns).map { index in
            let (y, x) = (index / columns % rows * 8, index % columns * 8)
            return values[(y * columns * 8 + x) * 3 + index / columns / rows] * 4
        }
        return Tensor(cells, shape: [3, 1, rows, columns])
    }

    /// Not finite for latents that are large, as an overflowing decoder would be.
    static func brightness(of value: Float) -> Float {
        abs(value) > 100 ? .nan : min(max(0.5 + 0.125 * value, 0), 1)
    }
}

/// Half as bright as the model's own decoder makes it.
struct AnalyticTiny: TinyAutoencoder {
    let parts: AnalyticParts

    let network = TinyLatents.Network.clips
    var channels: Int { parts.channels }
    var spatialFactor: Int { parts.spatialFactor }
    var temporalFactor: Int { parts.temporalFactor }

    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws {
        try parts.decode(latent, interrupt: interrupt) { try onFrames(Self.darker($0)) }
    }

    func preview(_ latent: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        var first: Tensor?
        try decode(firstFrame(of: latent), interrupt: interrupt) { first = $0 }
        return first ?? Tensor(uninitialized: [0])
    }

    func latent(of frames: Tensor, interrupt: () throws -> Void) throws -> Tensor {
        try parts.latent(of: frames, interrupt: interrupt)
    }

    private static func darker(_ frames: Tensor) -> Tensor {
        Tensor(frames.array.map { ($0 + 1) / 2 - 1 }, shape: frames.shape)
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
