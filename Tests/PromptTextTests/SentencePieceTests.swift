import Foundation
import PromptText
import TestSupport
import Testing

@Suite struct SentencePieceTests {
    private static let bytes = {
        (try? Data(contentsOf: Fixtures.wan.appending(path: "tokenizer/spiece.model"))).map { [UInt8]($0) } ?? []
    }()

    /// A field of bytes in a protocol buffer.
    private func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(content.count)] + content
    }

    @Test func modelsThatAreNoneAreRefused() {
        // Pieces that are too long for the file, a number without end, a type that does not exist, a type of piece.
        let damaged: [([UInt8], String)] = [
            ([0x0A, 0xFF, 0xFF, 0x7F], "longer"), ([0x0A] + [UInt8](repeating: 0xFF, count: 11), "too long"),
            ([0x0F], "unknown type"), ([0x00, 0x01], "no number"), (field(1, [0x18, 99]), "pieces[0].type"),
            (field(1, field(1, [0xFF])), "UTF-8"), (field(1, [0x15, 0, 0, 0xC0, 0x7F]), "not finite"),
            (field(2, [0x18, 2]), "not Unigram"), ([0x80], "not whole"),
        ]
        for (bytes, word) in damaged {
            let error = #expect(throws: TextError.self, "\(word)") {
                try SentencePieceModel.vocabulary(bytes, named: "spiece.model")
            }
            #expect(error.map { "\($0)" }?.contains(word) == true, "\(error.map { "\($0)" } ?? "")")
        }
    }

    /// A model without pieces, or one whose special ids are none of them, makes no tokenizer.
    @Test func vocabulariesWithoutTheirTokensAreRefused() throws {
        let empty = try SentencePieceModel.vocabulary([], named: "m")
        #expect(throws: TextError.self) { try UnigramTokenizer(empty, sentinels: 0, named: "m") }
        var other = try SentencePieceModel.vocabulary(Self.bytes, named: "m")
        other.unknownID = 1 << 20
        #expect(throws: TextError.self) { try UnigramTokenizer(other, sentinels: 0, named: "m") }
        other.unknownID = 3
        other.endID = nil
        #expect(throws: TextError.self) { try UnigramTokenizer(other, sentinels: 0, named: "m") }
        other.endID = 1
        other.charsmap = [1, 2, 3]
        #expect(throws: TextError.self) { try UnigramTokenizer(other, sentinels: 0, named: "m") }
    }

    /// Real models with bytes changed, cut or repeated: an error, or a tokenizer that encodes.
    @Test func mutatedModelsNeverTrap() {
        // The pieces, without the rules of normalisation, which are most of the file.
        var end = 0
        while Self.bytes[end] == 0x0A { end += 2 + Int(Self.bytes[end + 1]) }
        let original = Array(Self.bytes[..<end])
        #expect(end > 10_000)
        var random = SplitMix64(seed: 3)
        var (refused, read) = (0, 0)
        for _ in 0..<3000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
                }
            }
            do {
                var vocabulary = try SentencePieceModel.vocabulary(bytes, named: "m")
                vocabulary.unknownID = vocabulary.unknownID ?? 3
                vocabulary.endID = 1
                _ = try UnigramTokenizer(vocabulary, sentinels: 5, named: "m").encode("a red fox \u{1F600}")
                read += 1
            } catch {
                refused += 1
            }
        }
        #expect(refused > 100 && read > 100, "\(refused) \(read)")
    }

    @Test(arguments: [("version https://git-lfs.github.com/spec/v1\n", "Git LFS"), ("<html>", "web page")])
    func whatWasNotDownloadedIsNamed(text: String, word: String) throws {
        try withTemporaryFolder { folder in
            for name in ["tokenizer.json", "tokenizer_config.json"] {
                try Data(text.utf8).write(to: folder.appending(path: name))
                for open in [
                    { _ = try UnigramTokenizer(directory: folder) }, { _ = try BytePairTokenizer(directory: folder) },
                ] as [() throws -> Void] {
                    let error = #expect(throws: TextError.self) { try open() }
                    #expect("\(try #require(error))".contains(word))
                }
            }
        }
    }
}
