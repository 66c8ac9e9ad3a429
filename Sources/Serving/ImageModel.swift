import Diffusion
import Pipelines
import Tensor
import Weights

/// A model as the engine sees it: what it takes from a `Pipeline`, and no more.
package protocol ImageModel: Sendable {
    /// A prompt, encoded.
    associatedtype Conditioning: Sendable & Codable
    associatedtype Expert: VelocityModel where Expert.Conditioning == Conditioning

    /// What a request names it by.
    var id: String { get }
    var generators: GeneratorSet { get }
    var sizes: SizeLimits { get }

    /// Whether the weights of a part are in memory, or there is room to keep them beside all others: to compute with
    /// them costs no other weights their place.
    func isResident(_ part: Resident) -> Bool

    /// Stands for what the text encoder or an expert makes of its input: changes when a file does.
    func identity(of part: Resident) -> String

    /// A prompt as the text encoder sees it.
    func cleaned(_ prompt: String) -> String

    /// Tokens of a prompt as the text encoder sees it.
    func tokenCount(of prompt: String) -> Int
    var maximumTokens: Int { get }

    /// Whether guidance is on without a negative prompt, against the empty one.
    var guidesWithoutNegativePrompt: Bool { get }

    /// Tells what is about to compute, in order: one entry for each pass through its weights (a prompt, a step, a
    /// decode). The first is hot; those after it are read ahead as memory allows. Replaces what was told before.
    func expect(_ passes: [Resident])

    /// Bytes of weights that each pass through that part reads.
    func weightBytes(of resident: Resident) -> Int

    /// What is in memory of the weights of all models; nil if the system decides that.
    var residencyReport: ResidencyReport? { get }

    /// - Parameter interrupt: called now and then; what it throws ends the encoding.
    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Conditioning

    /// Names of the LoRA files that a request may put on experts.
    var loraNames: [String] { get }

    /// Finds the LoRA files of a request and makes sure that they fit.
    /// - Parameter generator: nil for the default.
    /// - Throws: an error whose description tells a client what is wrong with which.
    func settle(_ loras: [LoRA], generator: String?) throws -> SettledLoRAs

    /// Lets go of what `conditioning` keeps for an expert with these LoRA files.
    func forget(expert: String, loras: [LoRA], of conditioning: Conditioning)

    /// - Parameters:
    ///   - loras: what `settle` gave for it.
    ///   - interrupt: called before each transformer block of each step; what it throws ends the step.
    func expert(
        _ name: String, loras: [LoRA], interrupt: @escaping @Sendable () throws -> Void
    ) throws -> Expert

    /// A generation at its first step, of a size that `sizes` does not refuse.
    func makeGeneration(
        seed: UInt64, width: Int, height: Int, frames: Int, generator: String?, steps: Int?, guidanceScale: Float?,
        guidanceScale2: Float?
    ) throws -> Generation

    /// Decodes a latent `[C, F, H, W]` and hands on frames `[T, H', W', 3]` in [0, 1] as they are ready.
    func decode(_ latent: Tensor, interrupt: () throws -> Void, onFrames: (Tensor) throws -> Void) throws
}

extension ImageModel {
    /// The part whose heavy weights another part uses.
    func base(of part: Resident) -> Resident {
        guard case .expert(let name) = part, let adapted = generators.adaptedExperts[name] else { return part }
        return .expert(adapted.base)
    }
}

/// A model that computes without weights, and is guided as Wan is.
extension ImageModel {
    package func expect(_ passes: [Resident]) {}
    package func isResident(_ part: Resident) -> Bool { true }
    package func identity(of part: Resident) -> String { "\(id) \(part)" }
    package func cleaned(_ prompt: String) -> String { prompt }
    package func weightBytes(of resident: Resident) -> Int { 0 }
    package var residencyReport: ResidencyReport? { nil }
    package var guidesWithoutNegativePrompt: Bool { true }
    package var loraNames: [String] { [] }
    package func settle(_ loras: [LoRA], generator: String?) throws -> SettledLoRAs {
        guard let first = loras.first else { return .none }
        throw PipelineError.noSuchLoRA(name: first.name, known: [])
    }
}

extension Pipeline: ImageModel {
    package func isResident(_ part: Resident) -> Bool {
        guard let report = residencyReport else { return true }
        if report.residents.reduce(0, { $0 + $1.bytes }) <= report.room { return true }
        guard let own = report.residents.first(where: { $0.model == id && $0.part == part.description }) else {
            return true
        }
        // A little may make room for activations from time to time.
        return Double(own.bytesHere) >= 0.95 * Double(own.bytes)
    }

    package func forget(expert: String, loras: [LoRA], of conditioning: Conditioning) {
        conditioning.forget(expert: expert, loras: loras)
    }
}
