import Foundation
import Media
import Testing

/// What a file says beside its picture comes back, and does not disturb other programs.
@Suite struct FileNotesTests {
    private static let notes = FileNotes(
        parameters: "雪の山, \"a fox\" 🏔\nNegative prompt: blurry\nSteps: 4, Seed: 7",
        record: #"{"prompt": "雪の山 🏔", "steps": 4}"#)

    @Test(arguments: PictureFormat.allCases)
    func whatIsWrittenIsRead(format: PictureFormat) throws {
        let image = try noise(width: 21, height: 13)
        let bare = try image.encoded(as: format)
        #expect(try FileNotes(ofPicture: bare) == FileNotes())
        var told = Self.notes
        told.provenance = Provenance(generator: "Phasor 1", model: "m")
        let file = try image.encoded(as: format, told)
        #expect(try FileNotes(ofPicture: file) == Self.notes)
        #expect(try Picture.decode(file) == Picture.decode(bare))
        // Each alone.
        for notes in [FileNotes(parameters: "a"), FileNotes(record: "b")] {
            let file = try image.encoded(as: format, notes)
            #expect(try FileNotes(ofPicture: file) == notes)
            #expect(try Picture.decode(file) == Picture.decode(bare))
        }
    }

    /// A record may be longer than a segment of a JPEG; FFmpeg still reads the picture, and exiftool complains of nothing.
    @Test(arguments: PictureFormat.allCases)
    func longRecordsAreStoredWhole(format: PictureFormat) throws {
        let scratch = try Scratch()
        let image = try noise(width: 20, height: 12)
        let notes = FileNotes(
            parameters: "a fox", record: String(repeating: "雪 is snow, ", count: 20_000),
            provenance: Provenance(generator: "Phasor 1", model: "m"))
        let name = "a.\(FileType(format).rawValue)"
        let file = try image.encoded(as: format, notes)
        try Data(file).write(to: scratch.url.appending(path: name))
        #expect(try FileNotes(path: scratch.path(name)).record == notes.record)
        let pixels = try run(
            "ffmpeg", "-v", "error", "-xerror", "-i", scratch.path(name), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        #expect(pixels.count == image.bytes.count)
        let told = try run(
            "exiftool", "-s3", "-Error", "-Warning", "-UserComment", "-Parameters", "-XMP:CreatorTool",
            scratch.path(name))
        #expect(String(decoding: told, as: UTF8.self) == "a fox\nPhasor 1\n")
    }

    /// exiftool writes UserComment in both byte orders.
    @Test(arguments: ["II", "MM"], ["jpg", "webp"])
    func commentsOfOthersAreRead(order: String, ending: String) throws {
        let scratch = try Scratch()
        let format: PictureFormat = ending == "jpg" ? .jpeg : .webp
        try Data(noise(width: 8, height: 8).encoded(as: format)).write(to: scratch.url.appending(path: "a.\(ending)"))
        for text in ["Steps: 4, Seed: 7", "雪の山 🏔"] {
            _ = try run(
                "exiftool", "-q", "-overwrite_original", "-charset", "utf8", "-ExifByteOrder=\(order)",
                "-Make=somebody",
                "-UserComment=\(text)", scratch.path("a.\(ending)"))
            #expect(try FileNotes(path: scratch.path("a.\(ending)")).parameters == text)
        }
    }

    /// Cut anywhere and damaged anywhere, a file is read or refused.
    @Test(arguments: PictureFormat.allCases)
    func damagedFilesAreRefusedOrRead(format: PictureFormat) throws {
        let file = try noise(width: 4, height: 4).encoded(as: format, Self.notes)
        for length in 0..<file.count { _ = try? FileNotes(ofPicture: Array(file.prefix(length))) }
        for index in file.indices {
            for value: UInt8 in [0, 0xFF, file[index] ^ 1] {
                var wrong = file
                wrong[index] = value
                _ = try? FileNotes(ofPicture: wrong)
            }
        }
    }

    @Test func theTypeOfAFileIsItsEnding() {
        for (name, type) in [
            ("a.png", .png), ("a.JPG", .jpg), ("b/a.x.jpeg", .jpg), ("a.webp", .webp), ("a.mp4", .mp4), ("png", nil),
            ("a.png/b", nil), ("a.gif", nil), ("", nil), ("a.", nil),
        ] as [(String, FileType?)] {
            #expect(FileType(path: name) == type, "\(name)")
        }
        #expect(FileType.allCases.map(\.contentType) == ["image/png", "image/jpeg", "image/webp", "video/mp4"])
    }
}
