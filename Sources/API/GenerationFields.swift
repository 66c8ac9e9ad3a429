import Models
import Pipelines
import Serving

/// Turns the fields of a request into a `GenerationRequest`. What a value may be for the model, the engine says when
/// the request is submitted; here it is said what a field is. Nothing is rounded.
struct GenerationFields: Sendable {
    let catalogue: ModelCatalogue

    /// Unicode scalars. In UTF-8 they are never more than the bytes the engine takes.
    static let longestPrompt = 4096
    static let mostPreviews = 3
    /// Seeds are 63 bits, so that signed readers keep them.
    static let seeds = 0...Int.max

    /// The fields of OpenAI's image route that mean something here, and those of our own.
    static let image = common + ["n", "num_frames"]
    static let video = common + ["seconds", "num_frames", "fps", "crf", "preset"]
    private static let common = [
        "prompt", "model", "size", "seed", "num_inference_steps", "guidance_scale", "guidance_scale_2",
        "negative_prompt", "generator", "loras", "partial_images",
    ]

    func image(_ fields: Fields) throws -> GenerationRequest {
        let model = try catalogue.model(fields.string("model"))
        let (width, height) = try size(fields, model.sizes)
        var request = try start(.image, fields, model, width, height)
        request.count = try fields.integer("n", in: GenerationRequest.counts) ?? 1
        // More than one is refused, with what the model takes, rather than left out silently.
        request.frames = try fields.integer("num_frames", in: 1...1_000_000) ?? 1
        return request
    }

    func video(_ fields: Fields) throws -> GenerationRequest {
        let model = try catalogue.model(fields.string("model"))
        let (width, height) = try size(fields, model.sizes)
        var request = try start(.video, fields, model, width, height)
        request.fps = try fields.integer("fps", in: 1...240) ?? model.sizes.defaultFPS
        request.frames = try frames(fields, fps: request.fps, model.sizes)
        request.crf = try fields.integer("crf", in: 0...100)
        request.preset = try fields.string("preset")
        return request
    }

    private func start(
        _ kind: GenerationRequest.Kind, _ fields: Fields, _ model: Pipeline, _ width: Int, _ height: Int
    ) throws -> GenerationRequest {
        guard let prompt = try Self.text("prompt", fields) else { throw APIError.missing("prompt") }
        guard prompt.contains(where: { !$0.isWhitespace }) else {
            throw APIError.invalid("prompt", "prompt is empty; say what is to be seen")
        }
        return GenerationRequest(
            kind: kind, prompt: prompt, negativePrompt: try Self.text("negative_prompt", fields), model: model.id,
            generator: try fields.string("generator"), width: width, height: height, fps: model.sizes.defaultFPS,
            seed: try fields.integer("seed", in: Self.seeds).map { UInt64($0) },
            steps: try fields.integer("num_inference_steps", in: 1...1000),
            guidanceScale: try fields.number("guidance_scale", in: 0...100).map { Float($0) },
            guidanceScale2: try fields.number("guidance_scale_2", in: 0...100).map { Float($0) },
            loras: try Self.loras(fields),
            previews: try fields.integer("partial_images", in: 0...Self.mostPreviews) ?? 0)
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

    static func text(_ name: String, _ fields: Fields) throws -> String? {
        guard let text = try fields.string(name) else { return nil }
        let count = text.unicodeScalars.count
        guard count <= longestPrompt else {
            throw APIError.invalid(name, "\(name) has \(count) characters; at most \(longestPrompt) are allowed")
        }
        // Neither PNG's nor MP4's text, which hold it, can carry one.
        guard !text.unicodeScalars.contains("\0") else {
            throw APIError.invalid(name, "\(name) contains a NUL character")
        }
        return text
    }

    // MARK: Size

    /// "WIDTHxHEIGHT" in pixels; "auto" is the model's default.
    private func size(_ fields: Fields, _ sizes: SizeLimits) throws -> (Int, Int) {
        guard let text = try fields.string("size"), text != "auto" else {
            return (sizes.defaultWidth, sizes.defaultHeight)
        }
        let sides = text.split(separator: "x", omittingEmptySubsequences: false).map(Self.digits)
        guard sides.count == 2, let width = sides[0], let height = sides[1] else {
            throw fields.wrong(
                "size", .string(text),
                "'auto' or WIDTHxHEIGHT in pixels, such as '\(sizes.defaultWidth)x\(sizes.defaultHeight)'")
        }
        return (width, height)
    }

    /// Up to nine digits and nothing else: no sign, no blank.
    private static func digits(_ text: Substring) -> Int? {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int(text)
    }

    // MARK: Length

    /// `num_frames`, or what `seconds` asks for, or the model's default.
    private func frames(_ fields: Fields, fps: Int, _ sizes: SizeLimits) throws -> Int {
        let given = try fields.integer("num_frames", in: 1...1_000_000)
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
        guard let value = fields["seconds"] else { return nil }
        let digits: String
        switch value {
        case .number(let text), .string(let text): digits = text
        default: digits = ""
        }
        guard !digits.isEmpty, digits.utf8.count <= 16, digits.utf8.allSatisfy({ "0123456789.".utf8.contains($0) }),
            let seconds = Double(digits), (0...3600).contains(seconds), seconds > 0
        else { throw fields.wrong("seconds", value, "a number of seconds, more than 0 and at most 3600") }
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
