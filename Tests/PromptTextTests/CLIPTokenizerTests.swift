import Foundation
import PromptText
import TestSupport
import Testing

/// CLIP's tokenizer from the files of both generations of transformers; the ids are transformers' own.
struct CLIPTokenizerTests {
    private struct Cases: Decodable {
        struct Case: Decodable {
            let text: String
            /// nil for a text that is too long to list.
            let ids: [Int]?
            /// The second tokenizer's, where they are others.
            let ids2: [Int]?

            enum CodingKeys: String, CodingKey {
                case text, ids
                case ids2 = "ids_2"
            }
        }
        let cases: [Case]
    }

    private static func expectReferenceIDs(_ tokenizer: CLIPTokenizer, isSecond: Bool) throws {
        let cases = try Fixtures.json(Cases.self, "sdxl-tiny/reference/tokenizer_cases.json").cases
        let listed = cases.compactMap { item in
            (isSecond ? item.ids2 ?? item.ids : item.ids).map { (text: item.text, ids: $0) }
        }
        #expect(listed.count > 15)
        for (text, ids) in listed { #expect(tokenizer.encode(text, maximumLength: nil) == ids, "\(text)") }
    }

    /// What transformers 5 saves: vocabulary and merges in one file, and no other.
    /// - Parameter model: what the file says of its kind.
    private static func writeWhole(
        _ parts: URL, to folder: URL, model kind: [String: Any] = ["type": "BPE", "end_of_word_suffix": "</w>"]
    ) throws {
        let merges = try String(contentsOf: parts.appending(path: "merges.txt"), encoding: .utf8)
        var model = kind
        model["vocab"] = try JSONSerialization.jsonObject(with: Data(contentsOf: parts.appending(path: "vocab.json")))
        model["merges"] = merges.split(separator: "\n").dropFirst().map { $0.split(separator: " ").map(String.init) }
        let whole: [String: Any] = ["version": "1.0", "added_tokens": [], "model": model]
        try JSONSerialization.data(withJSONObject: whole).write(to: folder.appending(path: "tokenizer.json"))
        try FileManager.default.copyItem(
            at: parts.appending(path: "tokenizer_config.json"), to: folder.appending(path: "tokenizer_config.json"))
    }

    @Test(arguments: ["tokenizer", "tokenizer_2"]) func bothFormsGiveTheReferenceIds(name: String) throws {
        let parts = Fixtures.root.appending(path: "sdxl-tiny/\(name)")
        let own = try CLIPTokenizer(directory: parts)
        try Self.expectReferenceIDs(own, isSecond: name == "tokenizer_2")
        try withTemporaryFolder { folder in
            try Self.writeWhole(parts, to: folder)
            let whole = try CLIPTokenizer(directory: folder)
            try Self.expectReferenceIDs(whole, isSecond: name == "tokenizer_2")
            #expect(whole.paddingID == own.paddingID && whole.endID == own.endID)
        }
    }

    @Test(arguments: [["type": "Unigram"], ["type": "BPE", "end_of_word_suffix": ""]])
    func anotherKindOfTokenizerIsNamed(kind: [String: String]) throws {
        let parts = Fixtures.root.appending(path: "sdxl-tiny/tokenizer")
        try withTemporaryFolder { folder in
            try Self.writeWhole(parts, to: folder, model: kind)
            let error = #expect(throws: TextError.self) { try CLIPTokenizer(directory: folder) }
            #expect("\(try #require(error))".contains("not CLIP's"))
        }
    }
}
