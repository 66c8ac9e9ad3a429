import Foundation
import Models
import PromptText
import TestSupport
import Testing

/// Configurations of text encoders as each generation of transformers writes them, and what none of them may say unheard.
struct TextConfigurationTests {
    private static func qwen(_ fields: String) throws -> QwenConfig {
        let text = """
            {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8,
             "num_key_value_heads": 2, "intermediate_size": 48, "rms_norm_eps": 1e-6, "hidden_act": "silu", \(fields)}
            """
        return try JSONDecoder().decode(QwenConfig.self, from: Data(text.utf8))
    }

    private static func gemma(_ fields: String) throws -> Gemma2Config {
        let text = """
            {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "intermediate_size": 48\(fields)}
            """
        return try JSONDecoder().decode(Gemma2Config.self, from: Data(text.utf8))
    }

    /// Qwen2.5-VL of transformers 4.49, of 4.53 and of 5, and Qwen3 of 4.51.
    @Test(arguments: [
        (#""rope_theta": 5e5, "rope_scaling": {"type": "mrope", "mrope_section": [2, 1, 1]}"#, [2, 1, 1]),
        (
            #""rope_theta": 5e5, "rope_scaling": {"mrope_section": [2, 1, 1], "rope_type": "default", "type": "default"}"#,
            [2, 1, 1]
        ),
        (#""rope_parameters": {"mrope_section": [2, 1, 1], "rope_theta": 5e5, "rope_type": "default"}"#, [2, 1, 1]),
        (#""rope_theta": 500000, "rope_scaling": null, "attention_bias": false"#, [1, 1, 2]),
    ])
    func positionsOfQwen(fields: String, sections: [Int]) throws {
        let config = try Self.qwen(fields)
        #expect(config.ropeTheta == 5e5)
        // Without sections the published shares: an eighth, and halves of what is left.
        #expect(config.sections == (fields.contains("mrope") ? sections : [1, 1, 2]))
    }

    @Test(arguments: [
        (#""rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0}"#, "yarn"),
        (#""rope_theta": 1e6, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}"#, "yarn"),
        (#""rope_parameters": {"rope_theta": 1e6, "rope_type": "dynamic"}"#, "dynamic"),
        (#""rope_theta": 1e6, "attention_bias": true"#, "attention_bias"),
        (#""rope_theta": 1e6, "use_sliding_window": true"#, "use_sliding_window"),
        (#""rope_scaling": null"#, "rope_theta"),
    ])
    func whatQwenDoesNotComputeIsNamed(fields: String, word: String) throws {
        let error = #expect(throws: DecodingError.self) { try Self.qwen(fields) }
        #expect("\(try #require(error))".contains(word))
    }

    /// Gemma 2 before transformers 5 and since.
    @Test(arguments: [
        ("", 10000), (#", "rope_theta": 500.0"#, 500),
        (#", "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}"#, 500),
    ])
    func positionsOfGemma(fields: String, theta: Double) throws {
        #expect(try Self.gemma(fields).ropeTheta == theta)
    }

    @Test(arguments: [("", 50), (#", "attn_logit_softcapping": null"#, 0), (#", "attn_logit_softcapping": 30.0"#, 30)])
    func theCapOfGemmasScores(fields: String, cap: Float) throws {
        #expect(try Self.gemma(fields).scoreCap == cap)
    }

    @Test(arguments: ["rope_scaling", "rope_parameters"]) func scaledPositionsOfGemmaAreNamed(key: String) throws {
        let error = #expect(throws: DecodingError.self) {
            try Self.gemma(", \"\(key)\": {\"rope_type\": \"linear\", \"factor\": 2.0}")
        }
        #expect("\(try #require(error))".contains("linear"))
    }

    // MARK: Pictures of Qwen2.5-VL

    private static let edit = Fixtures.root.appending(path: "qwen-image-edit-tiny")

    private static func tower() throws -> QwenVisionConfig {
        try .read(edit.appending(path: "text_encoder/config.json").path)
    }

    /// A folder with the fixture's settings of pictures, changed, in the file of that name.
    private static func processor(
        _ file: String, nested: Bool, _ change: (inout [String: Any]) -> Void = { _ in }
    ) throws -> QwenPictureProcessor? {
        var made: QwenPictureProcessor?
        let own = edit.appending(path: "processor/preprocessor_config.json")
        var fields = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: own)) as? [String: Any])
        change(&fields)
        let content: [String: Any] =
            nested ? ["image_processor": fields, "processor_class": "Qwen2VLProcessor"] : fields
        try withTemporaryFolder { folder in
            try JSONSerialization.data(withJSONObject: content).write(to: folder.appending(path: file))
            made = try QwenPictureProcessor.read(in: folder, for: tower())
        }
        return made
    }

    /// transformers 5 saves them within another file.
    @Test func picturesAreReadFromEitherFile() throws {
        let folder = Self.edit.appending(path: "processor")
        let own = try #require(try QwenPictureProcessor.read(in: folder, for: Self.tower()))
        for (file, nested) in [("preprocessor_config.json", false), ("processor_config.json", true)] {
            let read = try #require(try Self.processor(file, nested: nested))
            #expect("\(read)" == "\(own)")
        }
        #expect("\(own)" != "\(QwenPictureProcessor(for: try Self.tower()))")
        #expect(try Self.processor("other.json", nested: false) == nil)
    }

    @Test(arguments: ["do_resize", "do_rescale", "do_normalize", "resample", "rescale_factor"])
    func otherStepsOnPicturesAreNamed(key: String) throws {
        let error = #expect(throws: TextError.self) {
            try Self.processor("preprocessor_config.json", nested: false) { fields in
                fields[key] = key.hasPrefix("do_") ? false : key == "resample" ? 2 : 1
            }
        }
        #expect("\(try #require(error))".contains(key))
    }
}
