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

    /// The traits of a folder of that description.
    func traits(of index: ModelIndex) -> FamilyTraits

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

    /// The authors' own repository; nil where it is in diffusers' layout too.
    var originalLayout: OriginalLayout? { get }

    // MARK: Parts

    /// Names that other tools give the keys of the network's checkpoints and LoRA files.
    var networkKeys: KeyTable { get }
    /// The text encoders, the first of which `--text-encoder` replaces.
    var textEncoders: [PartFiles] { get }
    /// Names that other tools give the keys of the first text encoder's vision tower in a file of its own; nil where it looks at
    /// no pictures.
    var visionTowerKeys: KeyTable? { get }
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

    /// What the family's pipelines in diffusers sample by that neither the folder's index nor its scheduler's file says.
    func published(_ index: ModelIndex, experts: Int) -> PublishedSampling

    /// Ways to generate with a folder in diffusers layout, the default first: `spec` is what the folder's scheduler and
    /// `published` say.
    func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec]

    /// Working sets of published files that models of the family are generated with.
    var knownSets: [KnownSet] { get }

    // MARK: Golden values

    /// The checks of a fixture folder of this family.
    func checks(folder: String, compute: Compute) -> any FamilyChecks
}

extension ModelFamily {
    package func traits(of index: ModelIndex) -> FamilyTraits { traits }

    package func runs(_ index: ModelIndex) -> Bool { pipelineClasses.contains(index.pipelineClass) }

    package var originalLayout: OriginalLayout? { nil }

    package var visionTowerKeys: KeyTable? { nil }

    package func pictureEncoder(_ autoencoder: any Autoencoder) -> (any PictureEncoder)? { nil }

    package func published(_ index: ModelIndex, experts: Int) -> PublishedSampling {
        PublishedSampling(isDiscrete: traits.isDiscrete)
    }

    package func generators(publishedAs spec: GeneratorSpec) throws -> [GeneratorSpec] { [spec] }

    package var knownSets: [KnownSet] { [] }
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
    package var absentNegativePrompt: String
    /// What goes before a negative prompt where the text encoder treats it otherwise than a prompt.
    package let negativeMark: String
    /// Size and length where nothing else says so; one frame: the family makes pictures only.
    package let defaults: SizeLimits.Defaults
    package let course: [Stage]
    /// The pictures that the network reads. The autoencoder's part encodes them.
    package let pictures: PictureInputs
    /// Whether the network knows the 1000 times of Stable Diffusion, and no others; else it knows all sigmas of a flow.
    package let isDiscrete: Bool
    /// The tiny autoencoders that read its latents; nil where none is known.
    package let tiny: TinyLatents?

    package init(
        guidance: Guidance.Rule, guidesWithoutNegativePrompt: Bool, packing: Int = 1,
        absentNegativePrompt: String = "", negativeMark: String = "", defaults: SizeLimits.Defaults,
        course: [Stage] = [.text("text_encoder"), .steps, .decode("vae")], pictures: PictureInputs = .none,
        isDiscrete: Bool = false, tiny: TinyLatents? = nil
    ) {
        self.guidance = guidance
        self.guidesWithoutNegativePrompt = guidesWithoutNegativePrompt
        self.packing = packing
        self.absentNegativePrompt = absentNegativePrompt
        self.negativeMark = negativeMark
        self.defaults = defaults
        self.course = course
        self.pictures = pictures
        self.isDiscrete = isDiscrete
        self.tiny = tiny
    }

    /// What the text encoder is given for a negative prompt, or for none.
    package func negativeText(_ prompt: String?) -> String { negativeMark + (prompt ?? absentNegativePrompt) }
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

extension ModelFamily {
    /// What reads the weights of `textEncoders`, by folder name, with what LoRA files have for each.
    /// - Parameter weights: in the order of `textEncoders`, under our names.
    /// - Throws: `WeightError` for a file that does not fit.
    package func textReaders(
        _ weights: [Checkpoint], loras: [(file: Checkpoint, strength: Float)] = []
    ) throws(WeightError) -> [String: WeightReader] {
        for lora in loras {
            let places = try AdapterFile(lora.file).textModules.keys
            guard let place = places.max(), place >= textEncoders.count else { continue }
            throw .unusableAdapter(
                file: lora.file.path,
                reason: "it changes text encoder \(place + 1), and the model has \(textEncoders.count)")
        }
        var readers: [String: WeightReader] = [:]
        for (place, (part, checkpoint)) in zip(textEncoders, weights).enumerated() {
            let targets = AdapterTargets(checkpoint, keys: part.keys)
            var adapters: [Adapter] = []
            for lora in loras {
                let adapter = try Adapter(
                    lora.file, strength: lora.strength, textEncoder: place, component: part.folder, targets: targets)
                if let adapter { adapters.append(adapter) }
            }
            readers[part.folder] = WeightReader(checkpoint, adapters: adapters)
        }
        return readers
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
