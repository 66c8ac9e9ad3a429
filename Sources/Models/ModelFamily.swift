import Diffusion
import Foundation
import Tensor
import Weights

/// A family of models: how its files are recognised and opened, and by what rules its parts play together. A family is a
/// folder beside this file and a line in `Families.swift`; docs/new-family.md says what goes into the folder.
package protocol ModelFamily: Sendable {
    /// What messages call the family, and the `family` of its fixture folders.
    var name: String { get }
    var traits: FamilyTraits { get }

    // MARK: Recognising files

    /// `_class_name` in `model_index.json` of the pipelines that this family runs.
    var pipelineClasses: [String] { get }

    /// Whether this family runs a folder of that description: several families may share a class.
    func runs(_ index: ModelIndex) -> Bool

    /// Why a pipeline class of a relative is not run, and what to use instead; nil for classes that are no relatives.
    func refusal(ofPipelineClass name: String) -> String?

    /// The family's network, text encoders and autoencoder in a weight file, told by keys and shapes.
    /// - Throws: `WeightError` for keys that collide.
    func recognise(_ checkpoint: Checkpoint) throws -> [FileIdentity]

    /// Whether these are module names of the family's network, as LoRA files have them after renaming.
    func ownsAdapter(modules: some Collection<String>) -> Bool

    // MARK: Parts

    /// Names that other tools give the keys of the network's checkpoints and LoRA files.
    var networkKeys: KeyTable { get }
    /// The text encoders, the first of which `--text-encoder` replaces.
    var textEncoders: [PartFiles] { get }
    var autoencoder: PartFiles { get }

    /// - Parameters:
    ///   - readers: the weights of `textEncoders`, by folder name.
    ///   - tokenizer: the folder of the tokenizer of that name (`tokenizer`, `tokenizer_2`).
    func promptEncoder(
        _ readers: [String: WeightReader], tokenizer: (String) throws -> URL, compute: Compute
    ) throws -> any PromptEncoder

    func network(_ reader: WeightReader, compute: Compute) throws -> any DenoisingNetwork

    func autoencoder(_ reader: WeightReader, compute: Compute) throws -> any Autoencoder

    /// What encodes pictures for the network; nil where `traits.pictures` is none.
    /// - Parameter autoencoder: what `autoencoder(_:compute:)` gave.
    func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)?

    /// Ways to generate where no file says any: the few-step student first, then the published sampler.
    /// - Parameter experts: how many networks the model has.
    func generators(experts: Int) throws -> [GeneratorSpec]

    /// Ways to generate with a folder in diffusers layout, the default first: `spec` is what the folder's scheduler says,
    /// with the steps and the guidance that most pipelines have.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec]

    // MARK: Golden values

    /// The checks of a fixture folder of this family.
    func checks(folder: String, compute: Compute) -> any FamilyChecks
}

extension ModelFamily {
    package func runs(_ index: ModelIndex) -> Bool { pipelineClasses.contains(index.pipelineClass) }

    package func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? { nil }

    package func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] { [spec] }
}

/// What decides, beside the weights, what a family's pictures look like.
package struct FamilyTraits: Sendable {
    /// How velocities with and without the prompt become one.
    package let guidance: Guidance.Rule
    /// Whether guidance is on without a negative prompt, against the empty one.
    package let guidesWithoutNegativePrompt: Bool
    /// Cells of the autoencoder's latent, along a side, that are folded into the channels of one before diffusion.
    package let packing: Int
    /// What is encoded for a negative prompt that was not given, where guidance needs one.
    package let absentNegativePrompt: String
    /// Size and length where nothing else says so; one frame: the family makes pictures only.
    package let defaults: SizeLimits.Defaults
    package let course: [Stage]
    /// The pictures that the network reads. The autoencoder's part encodes them.
    package let pictures: PictureInputs
    /// The tiny autoencoders that read its latents; nil where none is known.
    package let tiny: TinyLatents?

    package init(
        guidance: Guidance.Rule, guidesWithoutNegativePrompt: Bool, packing: Int = 1,
        absentNegativePrompt: String = "", defaults: SizeLimits.Defaults,
        course: [Stage] = [.text("text_encoder"), .steps, .decode("vae")], pictures: PictureInputs = .none,
        tiny: TinyLatents? = nil
    ) {
        self.guidance = guidance
        self.guidesWithoutNegativePrompt = guidesWithoutNegativePrompt
        self.packing = packing
        self.absentNegativePrompt = absentNegativePrompt
        self.defaults = defaults
        self.course = course
        self.pictures = pictures
        self.tiny = tiny
    }
}

/// Where the weights of a part lie.
package struct PartFiles: Sendable {
    /// The folder in diffusers layout.
    package let folder: String
    /// Names that other tools give the keys.
    package let keys: KeyTable

    package init(_ folder: String, keys: KeyTable) {
        self.folder = folder
        self.keys = keys
    }
}

extension [String: WeightReader] {
    /// - Throws: `ModelError.missingComponent`: the family has not declared the part.
    func reader(_ name: String) throws(ModelError) -> WeightReader {
        guard let reader = self[name] else {
            throw .missingComponent(folder: "the model", component: name, neededBy: "the family")
        }
        return reader
    }
}
