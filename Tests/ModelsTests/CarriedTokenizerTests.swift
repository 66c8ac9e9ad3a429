import Foundation
import Models
import PromptText
import Tensor
import TestSupport
import Testing
import Weights

/// Tokenizers from files of text encoders give the ids of `tokenizer.json`.
@Suite struct CarriedTokenizerTests {
    private struct UnigramCases: Decodable {
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

    private struct BytePairCases: Decodable {
        struct Case: Decodable {
            let name, text: String
            let ids: [Int]

            enum CodingKeys: String, CodingKey {
                case name, text
                case ids = "ids_text"
            }
        }
        let cases: [Case]
    }

    private struct ManyTexts: Decodable {
        let text: String
        let ids: [Int]
    }

    private static let rows = 1310
    private static let spiece = Fixtures.root.appending(path: "wan22-tiny/tokenizer/spiece.model")

    /// ComfyUI's form: a text encoder with the model among its tensors, also under the prefix of a file with all parts.
    private func comfy(_ prefix: String, in folder: URL) throws -> Checkpoint {
        let spiece = try Data(contentsOf: Self.spiece)
        let key = "\(prefix)spiece_model"
        let header = #"{"\#(key)":{"dtype":"U8","shape":[\#(spiece.count)],"data_offsets":[0,\#(spiece.count)]}}"#
        let file = folder.appending(path: "umt5.safetensors")
        try (withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8) + spiece)
            .write(to: file)
        return try Checkpoint(file: file.path)
    }

    private func expectReferenceIDs(_ tokenizer: UnigramTokenizer?) throws {
        let tokenizer = try #require(tokenizer)
        let cases = try Fixtures.json(UnigramCases.self, "wan22-tiny/reference/tokenizer_cases.json").cases
        #expect(cases.count == 20)
        for item in cases {
            #expect(tokenizer.encode(item.text) == item.raw, "\(item.name)")
            #expect(tokenizer.encode(item.cleaned ?? "") == item.tokens, "\(item.name), cleaned")
        }
        let folder = Fixtures.root.appending(path: "wan22-tiny/tokenizer")
        let published = try UnigramTokenizer(directory: folder)
        #expect(tokenizer.paddingID == published.paddingID)
        // Sentinels and marks as text, and code points of many kinds.
        let more = try Fixtures.json([ManyTexts].self, "text/bpe_cases.json").map(\.text)
        let sentinels = [
            "<extra_id_0> and <extra_id_9><extra_id_10>", "</s>", "a<pad>b", "[PAD1300]", "\u{2581} \u{2581}",
        ]
        for text in more + sentinels { #expect(tokenizer.encode(text) == published.encode(text), "\(text)") }
    }

    @Test(arguments: ["", "text_encoders.umt5xxl."]) func sentencePieceAmongTensors(prefix: String) throws {
        try withTemporaryFolder { folder in
            let checkpoint = try comfy(prefix, in: folder)
            #expect(checkpoint.tensors.isEmpty)
            try expectReferenceIDs(try CarriedTokenizer.unigram(in: checkpoint, rows: Self.rows))
            let renamed = try checkpoint.renamed(by: UMT5Keys.encoder)
            #expect(try CarriedTokenizer.unigram(in: renamed, rows: Self.rows) != nil)
            #expect(try CarriedTokenizer.bytePair(in: checkpoint) == nil)
        }
    }

    /// A folder of older tokenizers has no other file.
    @Test func sentencePieceAloneInAFolder() throws {
        try withTemporaryFolder { folder in
            let without = try Checkpoint(file: Fixtures.root.appending(path: "gguf/types.gguf").path)
            func open() throws -> UnigramTokenizer {
                try CarriedTokenizer.unigram(folder: { folder }, encoder: without, rows: Self.rows)
            }
            #expect(throws: TextError.self) { try open() }
            try FileManager.default.copyItem(at: Self.spiece, to: folder.appending(path: "spiece.model"))
            try expectReferenceIDs(try open())
        }
    }

    @Test func unigramInGGUF() throws {
        let checkpoint = try Checkpoint(file: Fixtures.root.appending(path: "gguf/umt5.gguf").path)
        try expectReferenceIDs(try CarriedTokenizer.unigram(in: checkpoint, rows: Self.rows))
        #expect(try CarriedTokenizer.bytePair(in: checkpoint) == nil)
    }

    @Test func bytePairInGGUF() throws {
        let checkpoint = try Checkpoint(file: Fixtures.root.appending(path: "gguf/qwen2.gguf").path)
        let tokenizer = try #require(try CarriedTokenizer.bytePair(in: checkpoint))
        let cases = try Fixtures.json(BytePairCases.self, "qwen-image-tiny/reference/tokenizer_cases.json").cases
        #expect(cases.count == 20)
        for item in cases { #expect(tokenizer.encode(item.text) == item.ids, "\(item.name)") }
        let many = try Fixtures.json([ManyTexts].self, "text/bpe_cases.json")
        #expect(many.count > 500)
        for item in many { #expect(tokenizer.encode(item.text) == item.ids) }
        let published = try BytePairTokenizer(directory: Fixtures.root.appending(path: "qwen-image-tiny/tokenizer"))
        #expect(tokenizer.paddingID == published.paddingID)
        #expect(try CarriedTokenizer.unigram(in: checkpoint, rows: Self.rows) == nil)
    }

    /// The ids that the `tokenizers` library gives by `tokenizer.json`, from a file that has pieces and scores but no merges.
    @Test func gemmaInGGUF() throws {
        struct Cases: Decodable {
            struct Case: Decodable { let name, cleaned: String, ids: [Int] }
            let cases: [Case]
        }
        let checkpoint = try Checkpoint(file: Fixtures.root.appending(path: "gguf/gemma_tokenizer.gguf").path)
        #expect(CarriedTokenizer.isCarried(by: checkpoint))
        let tokenizer = try #require(try CarriedTokenizer.gemma(in: checkpoint))
        let cases = try Fixtures.json(Cases.self, "sana-sprint-tiny/reference/tokenizer_cases.json").cases
        #expect(cases.count >= 10)
        for item in cases { #expect(tokenizer.encode(item.cleaned, maximumLength: 300) == item.ids, "\(item.name)") }
        let published = try GemmaTokenizer(directory: Fixtures.root.appending(path: "sana-sprint-tiny/tokenizer"))
        #expect(tokenizer.paddingID == published.paddingID)
        let marks = [
            "<table>a<b>", "<unused0> <bos>x", "\u{2581}\u{2581}a", "a   b      c", "\n\n\n\n\nx", "\t\t", "[PAD]",
        ]
        for text in try Fixtures.json([ManyTexts].self, "text/bpe_cases.json").map(\.text) + marks {
            #expect(tokenizer.encode(text) == published.encode(text), "\(text)")
        }
        // A folder goes before the file, and a file without one asks for it.
        #expect(try CarriedTokenizer.bytePair(in: checkpoint) == nil)
        let without = try Checkpoint(file: Fixtures.root.appending(path: "gguf/types.gguf").path)
        #expect(try CarriedTokenizer.gemma(in: without) == nil)
        let missing: () throws -> URL = { throw ModelError.noTokenizer(source: "x", fault: nil) }
        #expect(try CarriedTokenizer.gemma(folder: missing, encoder: checkpoint).encode("a") == published.encode("a"))
        #expect(throws: ModelError.self) { try CarriedTokenizer.gemma(folder: missing, encoder: without) }
    }

    @Test func filesWithoutOneHaveNone() throws {
        let checkpoint = try Checkpoint(file: Fixtures.root.appending(path: "gguf/types.gguf").path)
        #expect(try CarriedTokenizer.unigram(in: checkpoint, rows: 10) == nil)
        #expect(try CarriedTokenizer.bytePair(in: checkpoint) == nil)
    }
}
