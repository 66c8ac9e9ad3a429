import Jobs
import Media
import Models
import Pictures
import Pipelines
import Support

/// What a client wants, and what it is to be told besides.
struct ReadRequest: Sendable {
    var request: GenerationRequest
    var warnings: [RequestWarning] = []
    /// The bytes of the pictures that the request names.
    var pictures: [PictureFile] = []
    /// What the client calls fields, where it is not the request's own name.
    var names: [String: String] = [:]

    /// What was refused, in the client's words.
    func named(_ error: any Error) -> any Error {
        guard case ServingError.invalid(let field, let reason) = error, let name = names[field] else { return error }
        let said = reason.hasPrefix("\(field) is ") ? name + reason.dropFirst(field.count) : reason
        return APIError(ServingError.invalid(field: name, reason: said))
    }
}

/// Turns the fields of a request into a `GenerationRequest`. What a value may be for the model, the engine says when
/// the request is submitted; here it is said what a field is. Names and limits come from `RequestFields`. Nothing is
/// rounded unless the server was started to do so, and then the answer says it.
struct GenerationFields: Sendable {
    let catalogue: ModelCatalogue
    var sizePolicy = SizePolicy.exact

    func image(_ fields: Fields, isEdit: Bool = false) async throws -> ReadRequest {
        let model = try catalogue.model(fields.string(RequestFields.model, .image))
        var read = try await start(.image, .image, fields, model, isEdit: isEdit)
        read.request.count = try fields.integer(RequestFields.count, .image) ?? 1
        // More than one is refused, with what the model takes, rather than left out silently.
        read.request.frames = try fields.integer(RequestFields.frames, .image) ?? 1
        return read
    }

    func video(_ fields: Fields) async throws -> ReadRequest {
        let model = try catalogue.model(fields.string(RequestFields.model, .video))
        var read = try await start(.video, .video, fields, model)
        read.request.frames = try frames(fields, fps: read.request.fps, model.sizes)
        return read
    }

    private func start(
        _ kind: GenerationRequest.Kind, _ taker: RequestField.Taker, _ fields: Fields, _ model: Pipeline,
        isEdit: Bool = false
    ) async throws -> ReadRequest {
        let given = try await pictures(fields, taker, model, isEdit: isEdit)
        let wanted = try size(fields, taker, model, given)
        let prompt = try Self.prompt(fields.text(RequestFields.prompt, taker))
        var request = GenerationRequest(
            kind: kind, prompt: prompt, model: model.id, width: wanted.width, height: wanted.height,
            fps: model.sizes.defaultFPS, seed: try fields.seed(taker),
            loras: try Self.loras(fields), previews: try previews(fields, taker, of: model))
        var taken = TakenFields(fields: fields, taker: taker)
        try request.take(from: &taken)
        (request.image, request.lastImage) = (given.first?.digest, given.last?.digest)
        request.images = given.references.isEmpty ? nil : given.references.map(\.digest)
        var names = given.names
        for field in [RequestFields.stepCount, RequestFields.guidanceScale, RequestFields.count] {
            if let name = try fields.given(field, taker)?.name, name != field.name { names[field.name] = name }
        }
        if fields[RequestFields.size.name] == nil {
            names["size"] = ["width", "height"].first { fields[$0] != nil }
        }
        return made(ReadRequest(request: request, pictures: given.all, names: names), by: model)
    }

    private func previews(_ fields: Fields, _ taker: RequestField.Taker, of model: Pipeline) throws -> Int {
        guard let count = try fields.integer(RequestFields.previews, taker) else { return 0 }
        let most = RequestFields.mostPreviews(of: model)
        guard count <= most else {
            throw fields.wrong(
                RequestFields.previews.name, JSON(count),
                "an integer from 0 to \(most) where a model has no tiny decoder")
        }
        return count
    }

    // MARK: Pictures

    private struct Given {
        var first: PictureFile?
        var last: PictureFile?
        var references: [PictureFile] = []
        var names: [String: String] = [:]

        var all: [PictureFile] { [first, last].compactMap(\.self) + references }
    }

    /// - Parameter isEdit: nothing is made without a picture, and one of `images` is `image` to a model that looks at none.
    private func pictures(
        _ fields: Fields, _ taker: RequestField.Taker, _ model: Pipeline, isEdit: Bool
    ) async throws -> Given {
        var given = Given()
        func read(_ field: RequestField) async throws -> [PictureFile] {
            guard let (name, files) = try fields.pictures(field, taker) else { return [] }
            if name != field.name { given.names[field.name] = name }
            var all: [PictureFile] = []
            for bytes in files { all.append(try await PictureReader.shared.read(bytes, name)) }
            return all
        }
        func one(_ field: RequestField, _ all: [PictureFile]) throws -> PictureFile? {
            guard all.count <= 1 else {
                let name = given.names[field.name] ?? field.name
                throw APIError.invalid(name, "\(name): \(all.count) pictures given; \(model.id) takes one")
            }
            return all.first
        }
        var images = try await read(RequestFields.images)
        var image = try await read(RequestFields.image)
        if isEdit, image.isEmpty, !model.traits.pictures.looksAtImage {
            (image, images) = (images, [])
            given.names["image"] = given.names["images"] ?? "images"
        }
        let hasStrength = taker == .image && fields[RequestFields.strength.name] != nil
        let (first, references) = model.traits.pictures.sorted(image: image, images: images, hasStrength: hasStrength)
        given.first = try one(RequestFields.image, first)
        given.references = references
        if images.isEmpty, !references.isEmpty { given.names["images"] = given.names["image"] ?? "image" }
        given.last = try one(RequestFields.lastImage, try await read(RequestFields.lastImage))
        guard !isEdit || !given.all.isEmpty else { throw APIError.missing("image") }
        return given
    }

    static func prompt(_ text: String?) throws -> String {
        guard let text else { throw APIError.missing("prompt") }
        guard text.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
            throw APIError.invalid("prompt", "prompt is empty; say what is to be seen")
        }
        return text
    }

    /// The request with a size that the model makes, where the server is to look for one; what has no effect on this model is told.
    func made(_ read: ReadRequest, by model: Pipeline) -> ReadRequest {
        var read = read
        if read.request.hasIdleNegativePrompt(for: model) {
            let name = read.request.generator ?? model.generators.defaultName
            read.warnings.append(RequestWarning("negative_prompt", "ignored; '\(name)' runs without guidance"))
        }
        let wanted = PixelSize(width: read.request.width, height: read.request.height)
        guard sizePolicy != .exact, model.sizes.refusal(width: wanted.width, height: wanted.height) != nil else {
            return read
        }
        let near = model.sizes.nearest(to: wanted)
        (read.request.width, read.request.height) = (near.width, near.height)
        let isScaled = sizePolicy == .scale
        if isScaled { read.request.scaledSize = wanted }
        read.warnings.append(
            RequestWarning(
                "size", "\(wanted) is not made by this model; \(near) was made" + (isScaled ? " and scaled" : "")))
        return read
    }

    /// `[{"name": "style", "strength": 0.8, "expert": "high"}]`
    static func loras(_ fields: Fields) throws -> [LoRA] {
        try (fields.objects("loras") ?? []).enumerated().map { index, lora in
            do {
                try lora.requireKnown(["name", "strength", "expert"])
                guard let name = try lora.string("name") else { throw APIError.missing("name") }
                let range = GenerationRequest.loraStrengths
                let strength = try lora.number("strength", in: Double(range.lowerBound)...Double(range.upperBound))
                return LoRA(name: name, strength: Float(strength ?? 1), expert: try lora.string("expert"))
            } catch var error as APIError {
                error.param = "loras"
                error.message = "loras[\(index)]: \(error.message)"
                throw error
            }
        }
    }

    // MARK: Size

    /// `size`, or `width` and `height`; "auto", and what is left out, is the model's default, of the aspect of a given
    /// picture.
    private func size(
        _ fields: Fields, _ taker: RequestField.Taker, _ model: Pipeline, _ given: Given
    ) throws -> PixelSize {
        let usual = model.usualSize(first: given.first?.size, references: given.references.map(\.size))
        let sides = try (
            fields.integer(RequestFields.width, taker), fields.integer(RequestFields.height, taker)
        )
        guard let text = try fields.string(RequestFields.size, taker), text != "auto" else {
            return PixelSize(width: sides.0 ?? usual.width, height: sides.1 ?? usual.height)
        }
        guard let size = PixelSize(text) else {
            throw fields.wrong(
                "size", .string(text), "'auto' or WIDTHxHEIGHT in pixels, such as '\(model.sizes.defaultSize)'")
        }
        for (name, side, own) in [("width", sides.0, size.width), ("height", sides.1, size.height)] {
            guard let side, side != own else { continue }
            throw APIError.invalid(name, "\(name) is \(side) and size is '\(size)', which differ; give one of them")
        }
        return size
    }

    // MARK: Length

    /// `num_frames`, or what `seconds` asks for, or the model's default.
    private func frames(_ fields: Fields, fps: Int, _ sizes: SizeLimits) throws -> Int {
        let given = try fields.integer(RequestFields.frames, .video)
        guard let seconds = try seconds(fields) else { return given ?? sizes.defaultFrames }
        // A clip of s seconds has s * fps frames, or one more where the first frame is counted as time 0, as Wan's
        // "5 seconds" of 81 frames at 16 a second are.
        let spans = seconds * Double(fps)
        let possible = [spans + 1, spans].filter { $0 == $0.rounded() }.map { Int($0) }
        if let given {
            guard possible.contains(given) else {
                throw APIError.invalid(
                    "seconds",
                    "seconds is \(JSON(seconds).text) and num_frames is \(given), which differ at \(fps) frames a "
                        + "second; give one of them")
            }
            return given
        }
        guard let frames = possible.first(where: { sizes.refusal(frames: $0) == nil }) else {
            throw APIError.invalid(
                "seconds", "seconds is \(JSON(seconds).text); at \(fps) frames a second \(Self.advice(fps, sizes))")
        }
        return frames
    }

    /// OpenAI's clients send it as text.
    private func seconds(_ fields: Fields) throws -> Double? {
        guard let (name, value) = try fields.given(RequestFields.seconds, .video) else { return nil }
        let digits: String
        switch value {
        case .number(let text), .string(let text): digits = text
        default: digits = ""
        }
        guard !digits.isEmpty, digits.utf8.count <= 16, digits.utf8.allSatisfy({ "0123456789.".utf8.contains($0) }),
            let seconds = Double(digits), (0...3600).contains(seconds), seconds > 0
        else { throw fields.wrong(name, value, "a number of seconds, more than 0 and at most 3600") }
        return seconds
    }

    private static func advice(_ fps: Int, _ sizes: SizeLimits) -> String {
        let longest = sizes.maximumFrames / fps
        let whole = (1...max(1, longest)).filter { seconds in
            sizes.refusal(frames: seconds * fps + 1) == nil || sizes.refusal(frames: seconds * fps) == nil
        }
        let rule = "num_frames takes \(sizes.frameMultiple)k + 1 up to \(sizes.maximumFrames)"
        guard !whole.isEmpty else { return "no whole seconds are possible; \(rule)" }
        return "\(whole.prefix(20).map { "\($0)" }.joined(separator: ", ")) are possible; \(rule)"
    }
}
