import Diffusion
import HTTP
import Jobs
import Media
import Models
import Pipelines
import Serving
import Support

/// The models by the names that clients know them by, and what each can do.
struct ModelCatalogue: Sendable {
    let engine: Engine
    /// Unix seconds since when the models are served.
    let since: Int
    /// The operator's aliases.
    let own: [ModelAlias]
    let cards: ModelCards

    init(engine: Engine, since: Int, own: [ModelAlias] = []) {
        self.engine = engine
        self.since = since
        self.own = own
        cards = ModelCards(engine.models)
    }

    /// What clients have built in; each stands for the default model, and so do later ones of these lines.
    static let builtIn = [
        "gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2", "chatgpt-image-latest", "dall-e-2",
        "dall-e-3", "sora-2", "sora-2-pro",
    ]

    /// Whether a name is one of those, or of the same line: its word and a number, whatever comes behind
    /// (`gpt-image-2-2026-04-21`, `sora-2-2025-12-08`).
    private static func isBuiltIn(_ name: String) -> Bool {
        builtIn.contains(name)
            || ["gpt-image-", "sora-"].contains { line in
                name.utf8.starts(with: line.utf8)
                    && name.utf8.dropFirst(line.utf8.count).first.map { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
                        == true
            }
    }

    func register(in router: inout Router) {
        router.add("GET", "/v1/models") { _ in .json(list) }
        router.add("GET", "/v1/models/{id}") { request in
            let id = request.parameters["id"] ?? ""
            return .json(entry(id, of: try model(id)))
        }
        router.add("GET", "/v1/capabilities") { _ in .json(try capabilities()) }
    }

    /// - Parameter name: an id or an alias; nil and "" mean the default model.
    /// - Throws: `ServingError.unknownModel`.
    func model(_ name: String?) throws -> Pipeline {
        guard let first = engine.models.first else { throw ServingError.unknownModel(name ?? "", known: []) }
        guard let name, !name.isEmpty else { return first }
        if let model = engine.models.first(where: { $0.id == name }) { return model }
        if let alias = own.first(where: { $0.name == name }) {
            guard let model = engine.models.first(where: { $0.id == alias.model }) else {
                throw ServingError.unknownModel(alias.model, known: engine.models.map(\.id))
            }
            return model
        }
        if Self.isBuiltIn(name) { return first }
        throw ServingError.unknownModel(name, known: engine.models.map(\.id))
    }

    // MARK: /v1/models

    private var list: JSON {
        let ids = engine.models.map(\.id)
        let aliases = own.map(\.name) + Self.builtIn
        let names = (ids + aliases).enumerated().filter { index, name in
            !(ids + aliases)[..<index].contains(name)
        }.map(\.element)
        return [
            "object": "list",
            "data": .array(names.compactMap { name in (try? model(name)).map { entry(name, of: $0) } }),
        ]
    }

    /// `root` is the model that an alias stands for.
    private func entry(_ id: String, of model: Pipeline) -> JSON {
        [
            "id": .string(id), "object": "model", "created": JSON(since), "owned_by": "phasor",
            "root": .string(model.id),
        ]
    }

    // MARK: /v1/capabilities

    func capabilities() throws -> JSON {
        [
            "object": "capabilities",
            "models": .array(try engine.models.map(describe)),
            "limits": [
                "n": JSON(GenerationRequest.counts.upperBound), "partial_images": JSON(RequestFields.mostPreviews),
                "prompt_characters": JSON(RequestFields.longestPrompt), "loras": JSON(GenerationRequest.mostLoRAs),
                "lora_strength": [
                    JSON(Double(GenerationRequest.loraStrengths.lowerBound)),
                    JSON(Double(GenerationRequest.loraStrengths.upperBound)),
                ],
            ],
        ]
    }

    private func describe(_ model: Pipeline) throws -> JSON {
        let sizes = model.sizes
        return [
            "id": .string(model.id),
            "kinds": .array(Self.kinds(fromPictures: false, by: model).map { .string($0.rawValue) }),
            "kinds_from_pictures": .array(Self.kinds(fromPictures: true, by: model).map { .string($0.rawValue) }),
            "default_generator": .string(model.generators.defaultName),
            "generators": .array(try model.generators.generators.map { try Self.describe($0, model) }),
            "sizes": [
                "multiple": JSON(sizes.sideMultiple), "default": "\(sizes.defaultWidth)x\(sizes.defaultHeight)",
                "maximum_pixels": JSON(sizes.maximumPixels),
            ],
            "frames": [
                "rule": "\(sizes.frameMultiple)k+1", "multiple": JSON(sizes.frameMultiple),
                "default": JSON(sizes.defaultFrames), "maximum": JSON(sizes.maximumFrames),
            ],
            "fps": JSON(sizes.defaultFPS),
            "inputs": Self.describe(model.traits.pictures, areTaken: model.pictureRefusal == nil),
            "decoders": .array(model.decoders.map { .string($0.rawValue) }),
            "partial_images": JSON(RequestFields.mostPreviews(of: model)),
            "output_formats": .array(PictureFormat.allCases.map { .string($0.rawValue) }),
            "loras": .array(model.loraNames.map { .string($0) }),
            "card": cards.address(of: model).map { .string($0) } ?? .null,
        ]
    }

    /// What a model makes from a prompt alone, or from a prompt and pictures.
    private static func kinds(fromPictures: Bool, by model: Pipeline) -> [GenerationRequest.Kind] {
        let inputs = model.traits.pictures
        return GenerationRequest.Kind.allCases.filter { kind in
            switch kind {
            case .image:
                fromPictures ? inputs.changesByStrength || inputs.looksAtImage : !inputs.isRequired
            case .video: model.sizes.makesClips && (fromPictures ? inputs.first != .never : !inputs.isRequired)
            }
        }
    }

    /// Of `image`, `strength`: a picture is changed by it, since the network reads no first one; `reference`: it is one of
    /// `images`, unless a strength is named where a picture can be changed by it.
    private static func describe(_ inputs: PictureInputs, areTaken: Bool) -> JSON {
        guard areTaken else { return ["image": "never", "last_image": "never", "images": [0, 0], "strength": false] }
        return [
            "image": .string(
                inputs.looksAtImage
                    ? "reference"
                    : inputs.first == .never && inputs.changesByStrength ? "strength" : inputs.first.rawValue),
            "strength": .bool(inputs.changesByStrength),
            "last_image": .string(inputs.last.rawValue),
            "images": [JSON(inputs.references.lowerBound), JSON(inputs.references.upperBound)],
        ]
    }

    /// The steps are those of a picture of the default size; a dynamic schedule has others for other sizes.
    private static func describe(_ generator: GeneratorSpec, _ model: Pipeline) throws -> JSON {
        let sizes = model.sizes
        let tokens = sizes.tokens(width: sizes.defaultWidth, height: sizes.defaultHeight)
        let schedule = try generator.schedule(steps: nil, tokens: tokens)
        return [
            "name": .string(generator.name),
            "sampler": .string(generator.sampler.rawValue),
            "steps": JSON(schedule.count),
            "nfe": JSON(try model.evaluations(of: generator.name)),
            "nfe_with_negative_prompt": JSON(try model.evaluations(of: generator.name, negativePrompt: "")),
            "sigmas": .array(schedule.sigmas.dropLast().map { JSON($0) }),
            "phases": .array(generator.plan.phases.map(describe)),
        ]
    }

    /// SNR at sigma 0 is infinite, which JSON writes as null.
    private static func describe(_ phase: Phase) -> JSON {
        [
            "name": .string(phase.name),
            "sigma": [JSON(phase.lower), JSON(phase.upper)],
            "snr": [JSON(phase.snr.lowerBound), JSON(phase.snr.upperBound)],
            "expert": .string(phase.expert),
            "guidance_scale": JSON(phase.guidanceScale),
        ]
    }
}

extension HTTPResponse {
    static func json(_ value: JSON, status: Int = 200) -> HTTPResponse {
        HTTPResponse(status: status, headers: ["Content-Type": "application/json"], body: .bytes(value.bytes))
    }
}
