import Jobs
import Support

/// Fields of the table as JSON Schema, for the OpenAPI document and the tools of MCP.
enum FieldSchema {
    static func json(of field: RequestField, for taker: RequestField.Taker) -> JSON {
        var members: [JSON.Member] = []
        func put(_ name: String, _ value: JSON) { members.append(JSON.Member(name: name, value: value)) }
        switch field.content {
        case .text(let longest):
            put("type", "string")
            put("maxLength", JSON(longest))
            // What `GenerationFields.prompt` asks for; an empty negative prompt is none.
            if field == RequestFields.prompt { put("pattern", "\\S") }
        case .name: put("type", "string")
        case .choice(let choices):
            put("type", "string")
            put("enum", .array(choices.map { .string($0) }))
        case .integer(let range):
            put("type", "integer")
            put("minimum", JSON(field == RequestFields.seed ? RequestFields.drawnSeed : range.lowerBound))
            put("maximum", JSON(range.upperBound))
        case .number(let range):
            put("type", "number")
            put("minimum", JSON(range.lowerBound))
            put("maximum", JSON(range.upperBound))
        case .size:
            put("type", "string")
            put("pattern", "^(auto|[0-9]{1,9}[xX][0-9]{1,9})$")
        case .seconds:
            put("type", ["string", "number"])
            put("pattern", "^[0-9]{1,4}([.][0-9]+)?$")
            put("exclusiveMinimum", 0)
            put("maximum", 3600)
        case .seeds:
            put("type", ["string", "integer"])
            put("minimum", 0)
        case .loras:
            put("type", "array")
            put("maxItems", JSON(GenerationRequest.mostLoRAs))
            put("items", lora)
        case .picture:
            // Base64 or a data URL; in a form a file.
            put("type", "string")
        case .pictures(let most):
            put("type", "array")
            put("maxItems", JSON(most))
            put("items", ["type": "string"])
        }
        if let initial = field.initial { put("default", initial) }
        put("description", .string(field.documentation))
        return .object(members)
    }

    private static var lora: JSON {
        let strengths = GenerationRequest.loraStrengths
        return [
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": [
                "name": ["type": "string", "description": "One of the model's loras in /v1/capabilities"],
                "strength": [
                    "type": "number", "minimum": JSON(strengths.lowerBound), "maximum": JSON(strengths.upperBound),
                    "default": 1,
                ],
                "expert": [
                    "type": "string",
                    "description":
                        "high, low or an expert's name; every expert that the file has keys for when left out",
                ],
            ],
        ]
    }

    /// The properties of an object with all fields of a taker, under all names it takes them by.
    static func properties(of taker: RequestField.Taker) -> [JSON.Member] {
        RequestFields.taken(by: taker).flatMap { field in
            let schema = json(of: field, for: taker)
            let names = field.allNames(for: taker)
            return names.enumerated().map { index, name in
                let other: JSON = [
                    "type": schema["type"] ?? "string", "description": .string("The same as \(names[0])"),
                ]
                return JSON.Member(name: name, value: index == 0 ? schema : other)
            }
        }
    }
}
