import Foundation
import PromptText
import TestSupport
import Testing

struct UnigramTokenizerTests {
    private struct Reference: Decodable {
        struct Case: Decodable {
            let name, text: String
            let cleaned: String?
            let raw, tokens: [Int]

            enum CodingKeys: String, CodingKey {
                case name, text, cleaned
                case raw = "ids_raw"
                case tokens = "ids_cleaned"
            }
        }
        let cases: [Case]
    }

    private func reference(_ name: String) throws -> [Reference.Case] {
        let cases = try Fixtures.json(Reference.self, "wan22-tiny/reference/\(name).json").cases
        #expect(cases.count == 20)
        return cases
    }

    @Test func givesTheReferenceIds() throws {
        let tokenizer = try UnigramTokenizer(directory: Fixtures.wan.appending(path: "tokenizer"))
        for item in try reference("tokenizer_cases") {
            #expect(tokenizer.encode(item.text) == item.raw, "\(item.name)")
            #expect(tokenizer.encode(item.cleaned ?? "") == item.tokens, "\(item.name), cleaned")
        }
    }

    /// The same vocabulary without byte fallback, in the older serialisation of Metaspace.
    @Test func givesTheReferenceIdsOfTheVariant() throws {
        let tokenizer = try UnigramTokenizer(
            directory: Fixtures.wan.appending(path: "tokenizer_variants/flipped_fallback"))
        for item in try reference("tokenizer_cases_variant") {
            #expect(tokenizer.encode(item.text) == item.raw, "\(item.name)")
            #expect(tokenizer.encode(PromptCleaning.clean(item.text)) == item.tokens, "\(item.name), cleaned")
        }
    }

    @Test func truncatesAndPads() throws {
        let tokenizer = try UnigramTokenizer(directory: Fixtures.wan.appending(path: "tokenizer"))
        let cases = try reference("tokenizer_cases")
        let long = try #require(cases.first { $0.name == "long" })
        let cut = tokenizer.encode(long.text, paddedTo: 512)
        #expect(cut == PaddedTokens(ids: long.raw.prefix(511) + [1], count: 512))
        let plain = try #require(cases.first { $0.name == "plain" })
        let padded = tokenizer.encode(plain.text, paddedTo: 512)
        #expect(padded.count == plain.raw.count)
        #expect(padded.ids == plain.raw + Array(repeating: 0, count: 512 - plain.raw.count))
    }

    /// Other pre-tokenizers, normalizers, templates and flags of added tokens, on random text, as the `tokenizers`
    /// library evaluates them.
    @Test func agreesWithTheTokenizersLibrary() throws {
        let groups = try jsonObject(Data(contentsOf: Fixtures.root.appending(path: "text/unigram_cases.json")))
        let file = try wanTokenizerFile()
        for group in try #require(groups as? [[String: Any]]) {
            let patch = try #require(group["patch"] as? [String: Any])
            let json = try JSONSerialization.data(withJSONObject: file.merging(patch) { $1 })
            let tokenizer = try UnigramTokenizer(json: json)
            let cases = try #require(group["cases"] as? [[Any]])
            let truncated = try #require(group["truncated"] as? [Any])
            let (length, cut) = try (#require(truncated[0] as? Int), #require(truncated[1] as? [[Int]]))
            for (item, cut) in zip(cases, cut) {
                let text = try #require(item[0] as? String)
                let ids = try #require(item[1] as? [Int])
                #expect(tokenizer.encode(text) == ids, "\(patch) \(text.debugDescription)")
                #expect(tokenizer.encode(text, maximumLength: length) == cut, "\(patch) \(text.debugDescription)")
            }
        }
    }

    /// Every damage is an error that names the field.
    @Test(arguments: [
        ("model", "null", "model"),
        ("model.type", #""BPE""#, "model.type"),
        ("model.vocab", "[]", "model.vocab"),
        ("model.vocab", #"[["a", 0], ["b"]]"#, "model.vocab[1][1]"),
        ("model.vocab", #"[["a", 0], ["b", "c"]]"#, "model.vocab[1][1]"),
        ("model.vocab", #"{"a": 0}"#, "model.vocab"),
        ("model.vocab", #"["a"]"#, "model.vocab[0]"),
        ("model.vocab", #"[["a", 0], [1, 0]]"#, "model.vocab[1][0]"),
        ("model.vocab", #"[["a", 0, 0]]"#, "model.vocab[0][2]"),
        ("model.unk_id", "1310", "model.unk_id"),
        ("model.unk_id", "-1", "model.unk_id"),
        ("model.unk_id", "null", "model.unk_id"),
        ("model.byte_fallback", #""yes""#, "model.byte_fallback"),
        ("added_tokens", #"[{"id": 1}]"#, "added_tokens[0].content"),
        ("added_tokens", #"[{"id": -1, "content": "x"}]"#, "added_tokens[0].id"),
        ("added_tokens", #"[{"id": 4294967296, "content": "x"}]"#, "added_tokens[0].id"),
        ("normalizer", #"{"type": "BertNormalizer"}"#, "normalizer.type"),
        ("normalizer", #"{"type": "Precompiled", "precompiled_charsmap": "%"}"#, "normalizer.precompiled_charsmap"),
        ("normalizer", #"{"type": "Precompiled", "precompiled_charsmap": ""}"#, "normalizer.precompiled_charsmap"),
        (
            "normalizer",
            #"{"type": "Precompiled", "precompiled_charsmap": "/////w=="}"#,
            "normalizer.precompiled_charsmap"
        ),
        (
            "normalizer",
            #"{"type": "Sequence", "normalizers": [{"type": "Replace", "pattern": {"Regex": "(a|b)"}}]}"#,
            "normalizer.normalizers[0].pattern.Regex"
        ),
        ("pre_tokenizer", #"{"type": "ByteLevel"}"#, "pre_tokenizer.type"),
        ("pre_tokenizer", #"{"type": "Metaspace", "replacement": "ab"}"#, "pre_tokenizer.replacement"),
        (
            "pre_tokenizer",
            #"{"type": "Metaspace", "replacement": "_", "prepend_scheme": "x"}"#,
            "pre_tokenizer.prepend_scheme"
        ),
        ("post_processor", #"{"type": "ByteLevel"}"#, "post_processor.type"),
        (
            "post_processor",
            #"{"type": "TemplateProcessing", "special_tokens": {}, "single": [{"SpecialToken": {"id": "</s>"}}]}"#,
            "post_processor.single"
        ),
    ])
    func namesTheDamagedField(path: String, value: String, field: String) throws {
        var file = try wanTokenizerFile()
        let value = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let keys = path.split(separator: ".").map(String.init)
        if keys.count == 2 {
            var inner = try #require(file[keys[0]] as? [String: Any])
            inner[keys[1]] = value
            file[keys[0]] = inner
        } else {
            file[path] = value
        }
        let json = try JSONSerialization.data(withJSONObject: file)
        let error = #expect(throws: TextError.self) { try UnigramTokenizer(json: json) }
        guard case .invalid(_, let named, _) = error else {
            Issue.record("\(String(describing: error)) does not name a field")
            return
        }
        #expect(named == field)
    }

    @Test func refusesWhatIsNotJSON() throws {
        let whole = try Data(contentsOf: Fixtures.wan.appending(path: "tokenizer/tokenizer.json"))
        let cut = (1..<20).map { whole.prefix(whole.count * $0 / 20) }
        for data in [Data(), Data("nonsense".utf8), whole + Data("}".utf8)] + cut {
            #expect(throws: TextError.self) { try UnigramTokenizer(json: data) }
        }
        #expect(throws: TextError.self) { try UnigramTokenizer(directory: Fixtures.root.appending(path: "none")) }
    }

    /// A trie with units that point anywhere must neither trap nor loop.
    @Test func survivesADamagedTrie() throws {
        let file = try wanTokenizerFile()
        let normalizer = try #require(file["normalizer"] as? [String: Any])
        let steps = try #require(normalizer["normalizers"] as? [[String: Any]])
        let base64 = try #require(steps[0]["precompiled_charsmap"] as? String)
        let charsmap = try #require(Data(base64Encoded: base64))
        var random = LinearCongruential(state: 1)
        for _ in 0..<20 {
            var damaged = charsmap
            for _ in 0..<20_000 {
                let place = Int.random(in: 4..<damaged.count / 2, using: &random)
                damaged[place] = UInt8.random(in: 0...255, using: &random)
            }
            var file = file
            file["normalizer"] = ["type": "Precompiled", "precompiled_charsmap": damaged.base64EncodedString()]
            guard let tokenizer = try? UnigramTokenizer(json: JSONSerialization.data(withJSONObject: file)) else {
                continue
            }
            for item in try reference("tokenizer_cases") {
                #expect(tokenizer.encode(item.text).last == 1)
            }
        }
    }

    private func jsonObject(_ data: Data) throws -> Any { try JSONSerialization.jsonObject(with: data) }

    private func wanTokenizerFile() throws -> [String: Any] {
        let data = try Data(contentsOf: Fixtures.wan.appending(path: "tokenizer/tokenizer.json"))
        return try #require(jsonObject(data) as? [String: Any])
    }
}

/// Numbers that look random and are the same every time (Knuth's MMIX constants).
private struct LinearCongruential: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 32)
    }
}
