import Foundation
import Media
import Testing

@Suite struct PNGTests {
    /// FFmpeg has a decoder of its own, which shares only zlib with libpng.
    @Test(arguments: [(1, 1), (7, 5), (64, 64), (321, 190)])
    func pixelsComeBackExactly(width: Int, height: Int) throws {
        let image = try noise(width: width, height: height)
        let decoded = try run(
            "ffmpeg", "-v", "error", "-err_detect", "crccheck+explode", "-f", "png_pipe", "-i", "-", "-f", "rawvideo",
            "-pix_fmt", "rgb24", "-", input: try PNG.encode(image))
        #expect(decoded == image.bytes)
    }

    @Test func latinTextIsReadByOthers() throws {
        let scratch = try Scratch()
        let text = "a red fox, \"quoted\"\nNegative prompt: blurry\nSteps: 4, Seed: 7"
        let file = try PNG.encode(try noise(width: 8, height: 8), text: [("parameters", text), ("Software", "Phasor")])
        try Data(file).write(to: scratch.url.appending(path: "a.png"))
        let json = try run("ffprobe", "-v", "error", "-show_frames", "-of", "json", scratch.path("a.png"))
        let frames = try snakeCase.decode(ProbedFrames.self, from: Data(json)).frames
        #expect(frames.first?.tags == ["parameters": text, "Software": "Phasor"])
    }

    /// The chunks that Pillow's `PngInfo.add_text` makes of the same texts.
    @Test(arguments: [
        ("café\nSteps: 4", "0000001874455874706172616d657465727300636166e90a53746570733a20345c8c01f3"),
        (
            "雪の山 🏔",
            "0000001d69545874706172616d65746572730000000000e99baae381aee5b1b120f09f8f94f4f14cb7"
        ),
    ])
    func chunksAreThoseOfPillow(text: String, hex: String) throws {
        let file = try PNG.encode(try noise(width: 3, height: 3), text: [("parameters", text)])
        let chunk = try chunks(of: file)[1]
        #expect(chunk.bytes.map { String(format: "%02x", $0) }.joined() == hex)
    }

    /// With CRCs checked by FFmpeg: a wrong one fails the command.
    @Test(arguments: ["", "tab\there", "é", "İstanbul", "e\u{301}", "\u{80}"], [1, 50_000])
    func anyTextIsStoredWhole(part: String, count: Int) throws {
        let text = String(repeating: part, count: count)
        let image = try noise(width: 6, height: 4)
        let file = try PNG.encode(image, text: [("parameters", text)])
        let decoded = try run(
            "ffmpeg", "-v", "error", "-err_detect", "crccheck+explode", "-f", "png_pipe", "-i", "-", "-f", "rawvideo",
            "-pix_fmt", "rgb24", "-", input: file)
        #expect(decoded == image.bytes)

        let chunk = try chunks(of: file)[1]
        switch chunk.type {
        case "tEXt":
            let data = Data(chunk.data.dropFirst("parameters".utf8.count + 1))
            #expect(String(data: data, encoding: .isoLatin1) == text)
        case "iTXt":
            #expect(Array(chunk.data.dropFirst("parameters".utf8.count + 5)) == Array(text.utf8))
        default:
            Issue.record("chunk \(chunk.type) follows the header")
        }
    }

    /// Chunks that Pillow's `PngInfo` made, the second as `add_itxt(..., zip=True)`, which is left alone.
    @Test func textsOfOthersAreRead() throws {
        let scratch = try Scratch()
        let pillow = """
            0000001874455874706172616d657465727300636166e90a53746570733a20345c8c01f3\
            0000001d69545874706172616d65746572730000000000e99baae381aee5b1b120f09f8f94f4f14cb7
            """
        let bytes = stride(from: 0, to: pillow.utf8.count, by: 2).compactMap { at in
            UInt8(String(Array(pillow)[at..<at + 2]), radix: 16)
        }
        var file = try PNG.encode(try noise(width: 3, height: 3))
        file.insert(contentsOf: bytes.prefix(36), at: 33)
        try Data(file).write(to: scratch.url.appending(path: "a.png"))
        #expect(try FileNotes(path: scratch.path("a.png")) == FileNotes(parameters: "café\nSteps: 4"))
        file.replaceSubrange(33..<69, with: bytes.dropFirst(36))
        try Data(file).write(to: scratch.url.appending(path: "a.png"))
        #expect(try FileNotes(path: scratch.path("a.png")) == FileNotes(parameters: "雪の山 🏔"))
        // A byte of the text, of the length, and the end of the file.
        for (at, value) in [(33 + 30, file[33 + 30] ^ 1), (33, 0x7F)] {
            var wrong = file
            wrong[at] = value
            try Data(wrong).write(to: scratch.url.appending(path: "b.png"))
            #expect(throws: MediaError.self) { try FileNotes(path: scratch.path("b.png")) }
        }
        for length in 0..<file.count - 12 {
            try Data(file.prefix(length)).write(to: scratch.url.appending(path: "c.png"))
            _ = try? FileNotes(path: scratch.path("c.png"))
        }
        #expect(throws: MediaError.self) { try FileNotes(path: scratch.path("nothing.png")) }
    }

    /// That the check above can fail.
    @Test func aBrokenCRCWouldBeSeen() throws {
        func decode(_ file: [UInt8]) throws {
            _ = try run(
                "ffmpeg", "-v", "error", "-xerror", "-err_detect", "crccheck+explode", "-f", "png_pipe", "-i", "-",
                "-f", "null", "-", input: file)
        }
        var file = try PNG.encode(try noise(width: 6, height: 4), text: [("parameters", "雪")])
        try decode(file)
        let chunk = try chunks(of: file)[1]
        file[33 + chunk.bytes.count - 1] ^= 1
        #expect(throws: ToolFailure.self) { try decode(file) }
    }

    @Test(arguments: ["", " a", "a ", "a  b", "a\nb", "a\u{A0}b", "雪", String(repeating: "k", count: 80)])
    func badKeywordsAreRefused(keyword: String) throws {
        let image = try noise(width: 2, height: 2)
        #expect(throws: MediaError.invalidKeyword(keyword)) {
            try PNG.encode(image, text: [(keyword, "text")])
        }
    }

    @Test func nulIsRefused() throws {
        let image = try noise(width: 2, height: 2)
        #expect(throws: MediaError.nulInText(keyword: "parameters")) {
            try PNG.encode(image, text: [("parameters", "a\0b")])
        }
    }

    @Test func sameArgumentsGiveTheSameBytes() throws {
        let image = try noise(width: 100, height: 60)
        #expect(try PNG.encode(image, text: [("a", "b")]) == PNG.encode(image, text: [("a", "b")]))
    }

    /// Fast compression must not cost size: within 5 % of what FFmpeg's encoder makes of a real picture at its best level.
    @Test func aPictureTakesNoMoreBytesThanElsewhere() throws {
        let picture = try PNG.decode(path: "docs/gallery.png")
        let other = try run(
            "ffmpeg", "-v", "error", "-i", "docs/gallery.png", "-compression_level", "9", "-pred", "mixed", "-f",
            "image2pipe", "-c:v", "png", "-")
        #expect(try PNG.encode(picture).count < other.count * 105 / 100)
    }

    private struct ProbedFrames: Decodable {
        struct Frame: Decodable {
            let tags: [String: String]
        }
        let frames: [Frame]
    }

    private struct Chunk {
        let type: String
        let data: [UInt8]
        let bytes: [UInt8]
    }

    private func chunks(of file: [UInt8]) throws -> [Chunk] {
        var chunks: [Chunk] = []
        var rest = file.dropFirst(8)
        while !rest.isEmpty {
            try #require(rest.count >= 12)
            let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            try #require(rest.count >= length + 12)
            let bytes = Array(rest.prefix(length + 12))
            chunks.append(
                Chunk(
                    type: String(decoding: bytes[4..<8], as: UTF8.self), data: Array(bytes[8..<8 + length]),
                    bytes: bytes))
            rest = rest.dropFirst(length + 12)
        }
        return chunks
    }
}
