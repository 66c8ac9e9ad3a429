/// How a decoder of transformers turns queries and keys by their positions: `rope_parameters`, or in files from before
/// transformers 5 `rope_theta` with `rope_scaling` beside it.
struct RopeParameters: Decodable {
    /// nil where the file does not say it.
    let theta: Double?
    /// Pairs of a head that turn by time, row and column; nil where the file does not say it.
    let sections: [Int]?

    private enum Keys: String, CodingKey {
        case theta = "rope_theta"
        case scaling = "rope_scaling"
        case parameters = "rope_parameters"
    }

    private struct Nested: Decodable {
        let theta: Double?
        let type, olderType: String?
        let sections: [Int]?

        enum CodingKeys: String, CodingKey {
            case theta = "rope_theta"
            case type = "rope_type"
            case olderType = "type"
            case sections = "mrope_section"
        }
    }

    /// Multimodal rope is ordinary rope where there is text only.
    private static let ordinary = ["default", "mrope"]

    /// - Parameter decoder: of the whole configuration.
    /// - Throws: also for positions that are scaled.
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Keys.self)
        var nested: Nested?
        for key in [Keys.parameters, .scaling] where nested == nil {
            nested = try values.decodeIfPresent(Nested.self, forKey: key)
            for type in [nested?.type, nested?.olderType].compactMap(\.self) where !Self.ordinary.contains(type) {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: values, debugDescription: "\"\(type)\" is not supported")
            }
        }
        theta = try nested?.theta ?? values.decodeIfPresent(Double.self, forKey: .theta)
        sections = nested?.sections
    }
}
