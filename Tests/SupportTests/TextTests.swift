import Foundation
import Support
import Testing

@Suite struct HMACTests {
    /// RFC 4231, test cases 1, 2 and 6.
    @Test(arguments: [
        (
            [UInt8](repeating: 0x0B, count: 20), "Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), "what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xAA, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
    ])
    func agreesWithTheStandard(key: [UInt8], message: String, code: String) {
        #expect(Hexadecimal.text(HMAC.code(of: Array(message.utf8), key: key)) == code)
    }

    @Test func comparesWhole() {
        #expect(HMAC.areEqual([1, 2], [1, 2]))
        for other: [UInt8] in [[], [1], [1, 3], [1, 2, 0]] { #expect(!HMAC.areEqual([1, 2], other)) }
    }
}

@Suite struct HexadecimalTests {
    @Test func writesAndReadsBytes() {
        let bytes: [UInt8] = [0, 1, 0x0F, 0x10, 0xAB, 0xFF]
        #expect(Hexadecimal.text(bytes) == bytes.map { String(format: "%02x", $0) }.joined())
        #expect(Hexadecimal.bytes("00010f10ABff") == bytes)
        #expect(Hexadecimal.text(0x1F as UInt64) == String(format: "%016x", 0x1F))
        #expect(Hexadecimal.text(0xABCD as UInt16) == "abcd")
        for wrong in ["0", "0g", "+1", " 1", "é1"] { #expect(Hexadecimal.bytes(wrong) == nil, "\(wrong)") }
        #expect(Hexadecimal.bytes("") == [])
    }
}

@Suite struct PixelSizeTests {
    @Test func readsBothSides() {
        #expect(PixelSize("832x480") == PixelSize(width: 832, height: 480))
        #expect(PixelSize("832X480"[...]) == PixelSize(width: 832, height: 480))
        #expect(PixelSize("999999999x1")?.description == "999999999x1")
    }

    @Test(arguments: [
        "", "x", "832", "832x", "x480", "832x480x1", "-1x2", "+1x2", " 1x2", "1x2 ", "1e2x2", "1234567890x1",
        "1\u{D7}2",
        "\u{661}x\u{662}", "1x\u{301}2",
    ])
    func refuses(text: String) {
        #expect(PixelSize(text) == nil)
    }
}

@Suite struct HTMLTextTests {
    /// XML's own reader gives back what was written.
    @Test(arguments: ["<a href=\"x\">&amp;</a>", "<\u{301}script>", "a\u{200D}<", "plain é 漢 😀"])
    func readsBack(text: String) throws {
        let page = "<p title=\"\(HTMLText.escaped(text))\">\(HTMLText.escaped(text))</p>"
        #expect(!HTMLText.escaped(text).unicodeScalars.contains { "<>\"".unicodeScalars.contains($0) })
        #expect(page.unicodeScalars.count { $0 == "<" } == 2)
        let back = HTMLText.escaped(text).replacingOccurrences(of: "&lt;", with: "<", options: .literal)
            .replacingOccurrences(of: "&gt;", with: ">", options: .literal)
            .replacingOccurrences(of: "&quot;", with: "\"", options: .literal)
            .replacingOccurrences(of: "&amp;", with: "&", options: .literal)
        #expect(Array(back.utf8) == Array(text.utf8))
    }
}

@Suite struct AtomicFileTests {
    private func folder() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "phasor-atomic-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test func aFileAppearsWholeAndTakesThePlaceOfAnOlderOne() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try AtomicFile.write(Array("one".utf8), to: "\(folder)/a", mode: 0o600)
        try AtomicFile.write(Array("two".utf8), to: "\(folder)/a", mode: 0o600)
        #expect(try String(contentsOfFile: "\(folder)/a", encoding: .utf8) == "two")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
        let mode = try FileManager.default.attributesOfItem(atPath: "\(folder)/a")[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func whatCannotBeWrittenLeavesWhatWasThere() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: "\(folder)/a", withIntermediateDirectories: true)
        let onto = #expect(throws: FileFault.self) { try AtomicFile.write([1], to: "\(folder)/a") }
        #expect(onto?.code == EISDIR)
        let into = #expect(throws: FileFault.self) { try AtomicFile.write([1], to: "\(folder)/none/a") }
        #expect(into?.code == ENOENT)
        #expect(into?.description.contains("\(folder)/none/a") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
    }
}
