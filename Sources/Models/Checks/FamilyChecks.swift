import Diffusion
import Foundation
import Tensor
import Weights

/// The golden checks of one family of models, by name: which part of the code each one runs.
package protocol FamilyChecks {
    /// A check of one computation.
    /// - Parameter extra: rows beyond one for each reference tensor.
    /// - Throws: `VerificationError.unknownCheck`, or what the computation throws.
    func run(_ check: GoldenCheck, extra: inout [Comparison]) throws -> [String: Computed]

    /// A check of a whole run, whose component is `e2e`: what to run, and how the reference lays out what comes out.
    /// - Throws: as `run`.
    func endToEnd(_ check: GoldenCheck) throws -> EndToEndCase
}

/// A whole run that a fixture describes.
package struct EndToEndCase {
    package let generator: GeneratorSpec
    package let schedule: SigmaSchedule
    package let guidance: Guidance
    /// What the reference was given, or what is left to the model's text side, with the LoRA files on it.
    package enum Prompts {
        case encoded(Prompted<Conditioning>)
        case texts(Prompted<String>)
    }

    /// The given noise, `[C, F, H, W]`.
    package let latent: Tensor
    package let prompts: Prompts
    /// What the network reads beside latent and prompt.
    package var inputs = GenerationInputs()
    /// LoRA files on experts.
    package var loras: [(expert: String, file: String, strength: Float)] = []
    /// Texts whose encodings must agree with references as well: a run from text must agree too.
    package var texts: [(label: String, text: String, reference: Weight)] = []
    /// The pictures that the run starts from.
    package var pictures = GivenPictures()
    /// Noise that steps add, one for each step that adds any.
    package var renoise: [Tensor] = []
    /// The sigmas and the times as the reference lists them.
    package var sigmas: [Float]
    package var times: [Float]
    /// The rows of a conditioning as the reference has them.
    package var rows: (Conditioning) -> Tensor = { $0.rows }
    /// A latent `[C, F, H, W]` after so many steps as the reference has it.
    package var layout: (_ latent: Tensor, _ steps: Int) -> Tensor = { latent, _ in latent }
    /// An estimate of x0 `[C, F, H, W]` as the reference has it.
    package var estimate: (Tensor) -> Tensor = { $0 }
    /// The folder of a network of another family over the same text encoder and autoencoder; nil for the pipeline's own.
    package var network: String?
    /// What the reference calls the pixels.
    package let pixels: String
    /// The numbers of the experts in the reference, by name; empty where it has none.
    package var experts: [String: Int] = [:]
    /// Folders of the fixture that are opened in place of an expert's own.
    package var components: [String: String] = [:]
    /// What the family has computed on the way, by the names of reference tensors.
    package var computed: [String: Computed] = [:]

    package init(
        generator: GeneratorSpec, schedule: SigmaSchedule, guidance: Guidance, latent: Tensor,
        prompts: Prompts, pixels: String
    ) {
        self.generator = generator
        self.schedule = schedule
        sigmas = schedule.sigmas
        times = schedule.timesteps
        self.guidance = guidance
        self.latent = latent
        self.prompts = prompts
        self.pixels = pixels
    }

    /// The generation at its first step.
    package func generation() throws -> Generation {
        try Generation(
            seed: 0, latent: latent, generator: generator, schedule: schedule, guidance: guidance, inputs: inputs,
            renoise: renoise)
    }
}

extension GoldenCheck {
    /// The texts of `prompt` and `negative_prompt` with the references of their encodings.
    func texts() -> [(label: String, text: String, reference: Weight)] {
        ["prompt", "negative_prompt"].compactMap { name in
            guard let reference = inputs["\(name)_embeds"], let text = parameters[name] as? String else { return nil }
            return ("\(name) encoded", text, reference)
        }
    }

    func number(_ name: String) throws -> Double { try parameter(name, as: NSNumber.self).doubleValue }
}
