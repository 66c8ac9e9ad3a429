import Serving
import Support

/// The bodies of requests, made of the fields of the table, so that the document says what the readers read.
extension OpenAPI {
    /// Members of `schemas`, without the braces around them.
    static var requests: String {
        let schemas: [(String, JSON)] = [
            (
                "ImageRequest",
                body(.image, [
                    ("response_format", ["type": "string", "enum": ["b64_json", "url"],
                        "description": "b64_json when left out, url for dall-e-2 and dall-e-3"]),
                    ("output_format", ["type": "string", "enum": .array(OutputFormat.allCases.map { .string($0.rawValue) }),
                        "default": .string(OutputFormat.png.rawValue)]),
                    ("output_compression", ["type": "integer", "minimum": 0, "maximum": 100,
                        "description": "Quality, for formats that lose some"]),
                    ("background", ["type": "string", "enum": ["auto", "opaque"]]),
                    ("stream", ["type": "boolean", "default": false]),
                ])
            ),
            ("VideoRequest", body(.video, [])),
            ("ImageJob", body(.image, own(.image), required: ["kind"], isClosed: true)),
            ("VideoJob", body(.video, own(.video), required: ["kind"], isClosed: true)),
            (
                "JobRequest",
                ["oneOf": [
                    ["$ref": "#/components/schemas/ImageJob"], ["$ref": "#/components/schemas/VideoJob"],
                ]]
            ),
            (
                "TextToImage",
                body(.webUI, [
                    ("batch_size", count("Images at a time")), ("n_iter", count("Rounds of them")),
                    ("sampler_index", ["type": "string", "description": "Older clients' sampler_name"]),
                    ("override_settings", ["type": "object", "properties": ["sd_model_checkpoint": ["type": "string"]]]),
                ], without: [RequestFields.model])
            ),
        ]
        return schemas.map { "\(JSON.string($0.0).text): \($0.1.text)" }.joined(separator: ",\n  ")
    }

    private static func body(
        _ taker: RequestField.Taker, _ others: [(String, JSON)], required: [String] = [], isClosed: Bool = false,
        without left: [RequestField] = []
    ) -> JSON {
        let leftNames = Set(left.flatMap { $0.allNames(for: taker) })
        let fields = FieldSchema.properties(of: taker).filter { !leftNames.contains($0.name) }
        var members: [JSON.Member] = [
            JSON.Member(name: "type", value: "object"),
            JSON.Member(
                name: "required", value: .array((required + [RequestFields.prompt.name]).map { .string($0) })),
            JSON.Member(
                name: "properties",
                value: .object(fields + others.map { JSON.Member(name: $0.0, value: $0.1) })),
        ]
        if isClosed { members.append(JSON.Member(name: "additionalProperties", value: false)) }
        return .object(members)
    }

    private static func own(_ kind: GenerationRequest.Kind) -> [(String, JSON)] {
        [
            ("kind", ["type": "string", "enum": [.string(kind.rawValue)]]),
            (
                "priority",
                [
                    "type": "string", "enum": .array(Priority.allCases.map { .string($0.rawValue) }),
                    "default": .string(Priority.interactive.rawValue),
                    "description": """
                        Interactive jobs go before batch jobs at every step; batch jobs are never kept waiting for good
                        """,
                ]
            ),
        ]
    }

    private static func count(_ documentation: String) -> JSON {
        let counts = GenerationRequest.counts
        return [
            "type": "integer", "minimum": JSON(counts.lowerBound), "maximum": JSON(counts.upperBound), "default": 1,
            "description": .string(documentation),
        ]
    }
}
