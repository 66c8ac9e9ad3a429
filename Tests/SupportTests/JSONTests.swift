import Foundation
import Support
import TestSupport
import Testing

@Suite struct JSONTests {
    /// Foundation's reader is the judge of what is JSON.
    @Test(arguments: [
        "null", "true", "[]", "{}", " [ 1 , 2 ] ", "{\"a\": {\"b\": [null]}}", "\"\\u00e9\\ud83d\\ude00\\n\"",
        "-0.5e-3",
        "0", "1E2", "\"\u{7f}\u{2028}é\"", "[1.0, 12345678901234567890]",
        "", " ", "nul", "{\"a\"}", "{a:1}", "01", "1.", ".5", "+1", "1e", "--1", "\"\\x\"",
        "\"\\u12g4\"", "\"\t\"", "\"abc", "[1] 2", "[1 2]", "tru", "\"\\ud83d\"", "\"\\ude00\"", "'a'", "NaN", "[", "]",
    ])
    func agreesWithFoundation(text: String) {
        let theirs = try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        let ours = try? JSON(parsing: Array(text.utf8))
        #expect((ours == nil) == (theirs == nil), "\(text)")
        guard let ours, let theirs else { return }
        // What we write of it is what they read.
        let written = try? JSONSerialization.jsonObject(with: Data(ours.bytes), options: .fragmentsAllowed)
        #expect([written as Any] as NSArray == [theirs] as NSArray, "\(ours.text)")
    }

    @Test func passesOverAByteOrderMark() throws {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        #expect(try JSON(parsing: mark + Array(#"{"a": 1}"#.utf8)) == ["a": 1])
        #expect(try JSON(parsing: mark + Array(#"{"a": 1}"#.utf8), limits: .file) == ["a": 1])
        for text in [mark, mark + mark + Array("1".utf8), Array("1".utf8) + mark] {
            #expect(throws: JSONFault.self) { try JSON(parsing: text) }
        }
    }

    @Test func refusesWhatReadersDoNotAgreeOn() {
        let twice = #expect(throws: JSONFault.self) { try JSON(parsing: Array(#"{"a":1,"a":2}"#.utf8)) }
        #expect(twice?.description == #""a" is given twice at byte 11"#)
        for (text, place) in [([0x22, 0xFF, 0x22], 1), ([0x22, 0xC3, 0xA9, 0xE4, 0xBF, 0x22], 3), ([0xA0], 0)]
            as [([UInt8], Int)]
        {
            let strange = #expect(throws: JSONFault.self) { try JSON(parsing: text) }
            #expect(strange?.description == "the text is not UTF-8 at byte \(place)")
        }
        // Foundation takes a comma before the end.
        for text in ["[1,]", #"{"a":1,}"#] {
            #expect(throws: JSONFault.self) { try JSON(parsing: Array(text.utf8)) }
        }
        let deep = #expect(throws: JSONFault.self) {
            try JSON(parsing: [UInt8](repeating: UInt8(ascii: "["), count: 100_000))
        }
        #expect(deep?.description == "more than 32 levels at byte 33")
    }

    @Test func limitsAreTheCallers() throws {
        let limits = JSON.Limits(bytes: 10, depth: 1)
        #expect(try JSON(parsing: Array("[1]".utf8), limits: limits) == [1])
        #expect(throws: JSONFault.self) { try JSON(parsing: Array("[[1]]".utf8), limits: limits) }
        let long = #expect(throws: JSONFault.self) { try JSON(parsing: Array("\"12345678901\"".utf8), limits: limits) }
        #expect(long?.description == "more than 10 bytes at byte 10")
    }

    /// Python writes them into files; what comes from outside may not have them, and nothing that asks for a number gets them.
    @Test(arguments: ["-Infinity", "Infinity", "NaN"]) func pythonsNumbersAreForFilesAlone(word: String) throws {
        let text = Array("{\"a\": [\(word), 1], \"b\": \(word)}".utf8)
        #expect(throws: JSONFault.self) { try JSON(parsing: text) }
        let file = try JSON(parsing: text, limits: .file)
        #expect(file["a"]?.array?.last == 1)
        #expect(file["b"]?.number == nil && file["b"]?.integer == nil)
        #expect(throws: JSONFault.self) { try JSON(parsing: Array("\(word)s".utf8), limits: .file) }
    }

    /// No double holds these integers.
    @Test func integersAreExactTo64Bits() throws {
        for number in [Int.max, Int.max - 1, Int.min, (1 << 53) + 1] {
            #expect(try JSON(parsing: Array("\(number)".utf8)).integer == number)
        }
        for text in ["9223372036854775808", "1.5", "1e300", "\"1\"", "true"] {
            #expect(try JSON(parsing: Array(text.utf8)).integer == nil, "\(text)")
        }
        #expect(try JSON(parsing: Array("4e0".utf8)).integer == 4)
        #expect(try JSON(parsing: Array("1e999".utf8)).number == nil)
        #expect(try JSON(parsing: Array("-2.5e-1".utf8)).number == -0.25)
    }

    @Test func numbersKeepTheirDigits() throws {
        #expect(try JSON(parsing: Array("9223372036854775807".utf8)) == .number("9223372036854775807"))
        #expect(JSON(0.9 as Float).text == "0.9")
        #expect(JSON(16.0).text == "16")
        #expect(JSON(Double.infinity) == .null)
    }

    /// Random bytes and damaged documents end in a value or an error, whatever they are.
    @Test func survivesDamage() {
        var generator = SplitMix64(seed: 7)
        let whole = Array(#"{"prompt":"a\u00e9","n":[1,-2.5e3,true,null],"x":{"y":"\ud83d\ude00"}}"#.utf8)
        var read = 0
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                bytes[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0...3, using: &generator))
            if (try? JSON(parsing: bytes)) != nil { read += 1 }
        }
        #expect(read > 0 && read < 20_000)
    }
}
