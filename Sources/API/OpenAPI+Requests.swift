import Jobs
import Support

/// The bodies of requests, made of the fields of the table, so that the document says what the readers read.
extension OpenAPI {
    private typealias Property = (name: String, schema: JSON)

    /// Members of `schemas`, without the braces around them.
    static var requests: String {
        let schemas: [Property] = [
            ("ImageRequest", body(.image, imageRoute)),
            ("ImageEdit", body(.image, imageRoute, required: [RequestFields.image.name])),
            ("VideoRequest", body(.video, [])),
            ("ImageJob", body(.image, job(.image), required: ["kind"], isClosed: true)),
            ("VideoJob", body(.video, job(.video), required: ["kind"], isClosed: true)),
            ("JobRequest", ["oneOf": [reference("ImageJob"), reference("VideoJob")]]),
            ("TextToImage", body(.webUI, webUIRoute, without: RequestFields.model)),
            (
                "ImageToImage",
                body(.webUI, webUIRoute + imageToImage, required: ["init_images"], without: RequestFields.model)
            ),
        ]
        return schemas.map { "\(JSON.string($0.name).text): \($0.schema.text)" }.joined(separator: ",\n  ")
    }

    private static func reference(_ name: String) -> JSON { ["$ref": .string("#/components/schemas/\(name)")] }

    private static func body(
        _ taker: RequestField.Taker, _ others: [Property], required: [String] = [], isClosed: Bool = false,
        without left: RequestField? = nil
    ) -> JSON {
        let leftNames = left?.allNames(for: taker) ?? []
        let fields = FieldSchema.properties(of: taker).filter { !leftNames.contains($0.name) }
        let properties = fields + others.map { JSON.Member(name: $0.name, value: $0.schema) }
        let names = (required + [RequestFields.prompt.name]).map { JSON.string($0) }
        let members: [JSON.Member] = [
            JSON.Member(name: "type", value: "object"),
            JSON.Member(name: "required", value: .array(names)),
            JSON.Member(name: "properties", value: .object(properties)),
            JSON.Member(name: "additionalProperties", value: .bool(!isClosed)),
        ]
        return .object(members)
    }

    // MARK: Fields of one route

    private static var imageRoute: [Property] {
        [
            ("response_format", choice(["b64_json", "url"], "b64_json when left out; url for dall-e-2 and dall-e-3")),
            ("background", choice(["auto", "opaque"], "Pictures have no alpha")),
            ("stream", ["type": "boolean", "default": false]),
        ]
    }

    private static func job(_ kind: GenerationRequest.Kind) -> [Property] {
        let priorities =
            "Interactive jobs, the default, go before batch jobs at every step; batch jobs are never kept waiting for good"
        return [
            ("kind", choice([kind.rawValue], "What is made")),
            ("priority", choice(Priority.allCases.map(\.rawValue), priorities)),
        ]
    }

    private static var webUIRoute: [Property] {
        [
            ("batch_size", integer(GenerationRequest.counts, "Images at a time")),
            ("n_iter", integer(GenerationRequest.counts, "Rounds of them")),
            ("sampler_index", ["type": "string", "description": "Older clients' sampler_name"]),
            ("send_images", ["type": "boolean", "default": true, "description": "Whether the answer has the images"]),
            ("override_settings", ["type": "object", "properties": ["sd_model_checkpoint": ["type": "string"]]]),
        ]
    }

    private static var imageToImage: [Property] {
        let range = RequestFields.strengths
        return [
            ("init_images", ["type": "array", "minItems": 1, "maxItems": 1, "items": ["type": "string"]]),
            (
                "denoising_strength",
                [
                    "type": "number", "minimum": JSON(range.lowerBound), "maximum": JSON(range.upperBound),
                    "description": "The sigma to start near; 0.75 when left out",
                ]
            ),
            ("resize_mode", integer(0...2, "0 stretches, 1 crops, 2 pads")),
        ]
    }

    private static func choice(_ choices: [String], _ documentation: String) -> JSON {
        ["type": "string", "enum": .array(choices.map { .string($0) }), "description": .string(documentation)]
    }

    private static func integer(_ range: ClosedRange<Int>, _ documentation: String) -> JSON {
        [
            "type": "integer", "minimum": JSON(range.lowerBound), "maximum": JSON(range.upperBound),
            "description": .string(documentation),
        ]
    }
}
