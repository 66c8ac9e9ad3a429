import Foundation
import PromptText
import TestSupport
import Testing

struct BytePairTokenizerTests {
    private struct Case: Decodable {
        let text: String
        let ids: [Int]
    }

    private static let directory = Fixtures.root.appending(path: "qwen-image-tiny/tokenizer")

    private func expectReferenceIDs(_ tokenizer: BytePairTokenizer, sourceLocation: SourceLocation = #_sourceLocation)
        throws
    {
        let cases = try Fixtures.json([Case].self, "text/bpe_cases.json")
        #expect(cases.count > 500)
        let wrong = cases.filter { tokenizer.encode($0.text) != $0.ids }
        for item in wrong.prefix(5) {
            Issue.record(
                "\(codePoints(item.text).map { String($0, radix: 16) }): \(tokenizer.encode(item.text)), not \(item.ids)",
                sourceLocation: sourceLocation)
        }
        #expect(wrong.isEmpty, "\(wrong.count) of \(cases.count) differ", sourceLocation: sourceLocation)
    }

    @Test func givesTheReferenceIds() throws {
        try expectReferenceIDs(BytePairTokenizer(directory: Self.directory))
    }

    /// The published folder has no tokenizer.json.
    @Test(arguments: [["tokenizer_config.json"], ["added_tokens.json"], []])
    func givesTheReferenceIdsFromVocabularyAndMerges(added: [String]) throws {
        try withTemporaryFolder { folder in
            let all = ["tokenizer_config.json", "added_tokens.json"]
            for name in ["vocab.json", "merges.txt"] + (added.isEmpty ? all : added) {
                try FileManager.default.copyItem(
                    at: Self.directory.appending(path: name), to: folder.appending(path: name))
            }
            try expectReferenceIDs(BytePairTokenizer(directory: folder))
        }
    }

    /// Older files write a merge as one string.
    @Test func readsMergesWrittenAsStrings() throws {
        try withTemporaryFolder { folder in
            try Self.rewrite(in: folder) { file in
                var model = try #require(file["model"] as? [String: Any])
                model["merges"] = try #require(model["merges"] as? [[String]]).map { $0.joined(separator: " ") }
                file["model"] = model
            }
            try expectReferenceIDs(BytePairTokenizer(directory: folder))
        }
    }

    @Test func cutsOnTheRightAndPads() throws {
        let tokenizer = try BytePairTokenizer(directory: Self.directory)
        let all = tokenizer.encode("the quick brown fox")
        #expect(tokenizer.encode("the quick brown fox", maximumLength: 3) == Array(all.prefix(3)))
        let padded = tokenizer.encode("the quick brown fox", paddedTo: all.count + 2)
        #expect(padded.ids == all + [1400, 1400] && padded.count == all.count)
    }

    /// One word of 100,000 letters: a merge must not look through the whole word.
    @Test(.timeLimit(.minutes(1))) func takesLongWords() throws {
        let tokenizer = try BytePairTokenizer(directory: Self.directory)
        let ids = tokenizer.encode(String(repeating: "the", count: 33_000) + "x")
        #expect(ids.count < 99_000)
        #expect(ids.last == tokenizer.encode("x").first)
    }

    // MARK: Damage

    private static func rewrite(in folder: URL, _ change: (inout [String: Any]) throws -> Void) throws {
        let data = try Data(contentsOf: directory.appending(path: "tokenizer.json"))
        var file = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        try change(&file)
        try JSONSerialization.data(withJSONObject: file).write(to: folder.appending(path: "tokenizer.json"))
    }

    private func expectRefusal(_ words: [String], _ change: (inout [String: Any]) throws -> Void) throws {
        try withTemporaryFolder { folder in
            try Self.rewrite(in: folder, change)
            let error = #expect(throws: TextError.self) { try BytePairTokenizer(directory: folder) }
            let message = error.map { "\($0)" } ?? ""
            for word in words { #expect(message.contains(word), "\(message)") }
        }
    }

    private static func changeModel(_ file: inout [String: Any], _ change: (inout [String: Any]) -> Void) {
        var model = file["model"] as? [String: Any] ?? [:]
        change(&model)
        file["model"] = model
    }

    @Test func refusesAnotherPattern() throws {
        try expectRefusal(["pre_tokenizer"]) { file in
            file["pre_tokenizer"] = ["type": "ByteLevel", "add_prefix_space": false]
        }
        try expectRefusal(["pre_tokenizer", "Qwen2"]) { file in
            file["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": [["type": "ByteLevel"]]]
        }
    }

    @Test func refusesAnotherModel() throws {
        try expectRefusal(["model.type", "Unigram"]) { Self.changeModel(&$0) { $0["type"] = "Unigram" } }
    }

    @Test func refusesMergesOutsideTheVocabulary() throws {
        try expectRefusal(["merges[0]", "qqqqq"]) { Self.changeModel(&$0) { $0["merges"] = [["qqqqq", "t"]] } }
        try expectRefusal(["merges"]) { Self.changeModel(&$0) { $0["merges"] = [["a"]] } }
    }

    @Test func refusesAVocabularyWithoutAByte() throws {
        try expectRefusal(["vocab", "no symbol for the byte"]) {
            Self.changeModel(&$0) { model in
                var vocab = model["vocab"] as? [String: Any] ?? [:]
                vocab["!"] = nil
                model["vocab"] = vocab
            }
        }
    }

    @Test func refusesIdsThatAreNone() throws {
        for id in [-1, 1 << 40] {
            try expectRefusal(["vocab"]) {
                Self.changeModel(&$0) { model in
                    var vocab = model["vocab"] as? [String: Any] ?? [:]
                    vocab["!"] = id
                    model["vocab"] = vocab
                }
            }
        }
    }

    @Test func namesTheFileThatIsMissing() throws {
        try withTemporaryFolder { folder in
            let error = #expect(throws: TextError.self) { try BytePairTokenizer(directory: folder) }
            #expect(error?.description.contains("vocab.json") == true)
        }
    }

    /// Escapes and blanks as other writers of JSON put them.
    @Test func readsEscapedSymbols() throws {
        try withTemporaryFolder { folder in
            let path = folder.appending(path: "tokenizer.json")
            let data = try Data(contentsOf: Self.directory.appending(path: "tokenizer.json"))
            let pretty = try JSONSerialization.data(
                withJSONObject: JSONSerialization.jsonObject(with: data), options: .prettyPrinted)
            let text = String(decoding: pretty, as: UTF8.self).unicodeScalars.map { scalar in
                scalar.isASCII ? String(scalar) : String(format: "\\u%04X", scalar.value)
            }.joined()
            try Data(text.utf8).write(to: path)
            try expectReferenceIDs(BytePairTokenizer(directory: folder))
        }
    }

    @Test(arguments: [
        (##""vocab":{"##, ##""vocab":["##, "model.vocab: is not an object"),
        (##""vocab":{"##, ##""vocab":{"x":1],"##, "cannot read"),
        (##""vocab":{"##, ##""vocab":7,"other":{"##, "model.vocab: is not an object"),
        (##""vocab":{"##, ##""other":{"##, "model.vocab: is missing"),
        (##""vocab":{"##, ##""vocab":{},"vocab":{"##, "model.vocab: is given twice"),
        (##""vocab":{"##, ##""vocab":{"x":"1","##, "model.vocab.x: is not an id"),
        (##""vocab":{"##, ##""vocab":{"x":1.5,"##, "model.vocab.x: is not an id"),
        (##""vocab":{"##, ##""vocab":{"x":01,"##, "not JSON"),
        (##""vocab":{"##, ##""vocab":{"\ud800":1,"##, "surrogate"),
        (##""vocab":{"##, ##""vocab":{"\q":1,"##, "no such escape"),
        (##""vocab":{"##, ##""vocab":{,"##, "not JSON"),
        (##""merges":["##, ##""merges":[7,"##, "model.merges[0]: is not two symbols"),
        (##""merges":["##, ##""merges":["t h e","##, "model.merges[0]: is not two symbols"),
        (##""merges":["##, ##""merges":[["t",7],"##, "model.merges[0]: is not two symbols"),
        (##""merges":["##, ##""merges":[["t","h","e"],"##, "model.merges[0]: is not two symbols"),
        (##""merges":["##, ##""merges":"x","other":["##, "model.merges: is not an array"),
        (##""model":{"##, ##""model":[],"other":{"##, "model"),
    ])
    func namesTheDamage(found: String, replacement: String, message: String) throws {
        try withTemporaryFolder { folder in
            let data = try Data(contentsOf: Self.directory.appending(path: "tokenizer.json"))
            let text = String(decoding: data, as: UTF8.self)
            try #require(text.contains(found))
            try Data(text.replacing(found, with: replacement, maxReplacements: 1).utf8)
                .write(to: folder.appending(path: "tokenizer.json"))
            let error = #expect(throws: TextError.self) { try BytePairTokenizer(directory: folder) }
            #expect(error?.description.contains(message) == true, "\(String(describing: error))")
        }
    }

    /// A file that ends anywhere is an error; one with a wrong byte anywhere is an error or another tokenizer.
    @Test(arguments: ["tokenizer.json", "vocab.json", "merges.txt"])
    func survivesDamage(name: String) throws {
        try withTemporaryFolder { folder in
            for other in ["vocab.json", "merges.txt"] where name != "tokenizer.json" {
                try FileManager.default.copyItem(
                    at: Self.directory.appending(path: other), to: folder.appending(path: other))
            }
            let path = folder.appending(path: name)
            let whole = try Data(contentsOf: Self.directory.appending(path: name))
            let length = try #require(whole.lastIndex { $0 != UInt8(ascii: "\n") })
            for part in 0..<20 where name != "merges.txt" {
                try whole.prefix(length * part / 19).write(to: path)
                #expect(throws: TextError.self) { try BytePairTokenizer(directory: folder) }
            }
            var place = 0
            for byte in Array("\"\\{}[],:0-u ".utf8) + [0, 0x80, 0xFF] {
                for _ in 0..<8 {
                    place = (place * 31 + 4_099) % whole.count
                    var damaged = whole
                    damaged[place] = byte
                    try damaged.write(to: path)
                    do {
                        _ = try BytePairTokenizer(directory: folder).encode("the quick brown fox")
                    } catch {
                        #expect(error is TextError, "\(error)")
                    }
                }
            }
        }
    }
}
