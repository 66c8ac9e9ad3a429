import Foundation
import Media
import Testing

/// What exiftool, which shares no code with the libraries that Media uses, reads in the files.
@Suite struct ProvenanceTests {
    private static let provenance = Provenance(generator: "Phasor 1.2.3", model: "emoji <scenes> & \"雪\" \u{1}")
    private static let parameters = "雪の山, \"a fox\" & <b>\nNegative prompt: blurry\nSteps: 4, Seed: 7"

    private struct Tags: Decodable {
        let digitalSourceType, creatorTool, systemUsed, systemVersion, userComment, parameters, error, warning: String?
        let fileType: String
        let validate: String?

        enum CodingKeys: String, CodingKey {
            case digitalSourceType = "XMP-iptcExt:DigitalSourceType"
            case creatorTool = "XMP-xmp:CreatorTool"
            case systemUsed = "XMP-iptcExt:AISystemUsed"
            case systemVersion = "XMP-iptcExt:AISystemVersionUsed"
            case userComment = "ExifIFD:UserComment"
            case parameters = "PNG:Parameters"
            case fileType = "File:FileType"
            case error = "ExifTool:Error"
            case warning = "ExifTool:Warning"
            case validate = "ExifTool:Validate"
        }
    }

    private func tags(_ path: String) throws -> Tags {
        // -n: values as they are stored. -x: how a program checks Exif of pictures, not whether it is there at all.
        let json = try run("exiftool", "-json", "-G1", "-n", "-api", "charset=utf8", "-all", path)
        return try #require(try JSONDecoder().decode([Tags].self, from: Data(json)).first)
    }

    private func tags(of file: [UInt8], _ name: String) throws -> Tags {
        let scratch = try Scratch()
        try Data(file).write(to: scratch.url.appending(path: name))
        return try tags(scratch.path(name))
    }

    private func check(_ tags: Tags) {
        #expect(
            tags.digitalSourceType == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
        #expect(tags.creatorTool == "Phasor 1.2.3")
        #expect(tags.systemUsed == "emoji <scenes> & \"雪\" \u{FFFD}")
        #expect(tags.systemVersion == "Phasor 1.2.3")
        #expect(tags.error == nil && tags.warning == nil, "\(tags)")
    }

    @Test func pngCarriesBoth() throws {
        let image = try noise(width: 20, height: 12)
        let file = try PNG.encode(image, text: [("parameters", "a fox")], provenance: Self.provenance)
        let tags = try tags(of: file, "a.png")
        check(tags)
        #expect(tags.fileType == "PNG" && tags.parameters == "a fox")
        #expect(try Picture.decode(file) == image)
    }

    @Test func jpegCarriesBoth() throws {
        let file = try JPEG.encode(
            try noise(width: 20, height: 12), comment: Self.parameters, provenance: Self.provenance)
        let tags = try tags(of: file, "a.jpg")
        check(tags)
        #expect(tags.fileType == "JPEG" && tags.userComment == Self.parameters)
    }

    @Test(arguments: [true, false])
    func webpCarriesBoth(lossless: Bool) throws {
        let file = try WebP.encode(
            try noise(width: 21, height: 13), lossless: lossless, comment: Self.parameters, provenance: Self.provenance)
        let tags = try tags(of: file, "a.webp")
        check(tags)
        #expect(tags.fileType == "Extended WEBP" && tags.userComment == Self.parameters)
    }

    /// The box stands behind a file that is otherwise the same, so that its index holds and stays in front.
    @Test(arguments: [VideoOptions.Codec.h264, .av1])
    func mp4CarriesIt(codec: VideoOptions.Codec) throws {
        let scratch = try Scratch()
        let frames = try clip(width: 64, height: 64, frames: 5)
        func encode(_ name: String, _ provenance: Provenance?) throws -> [UInt8] {
            let options = VideoOptions(codec: codec, comment: Self.parameters, provenance: provenance)
            let encoder = try MP4Encoder(path: scratch.path(name), width: 64, height: 64, options: options)
            for frame in frames { try encoder.append(frame) }
            try encoder.finish()
            return [UInt8](try Data(contentsOf: URL(filePath: scratch.path(name))))
        }
        let without = try encode("a.mp4", nil)
        let with = try encode("b.mp4", Self.provenance)
        #expect(with.starts(with: without))
        let box = Array(with.dropFirst(without.count))
        #expect(box.prefix(4).reduce(0) { $0 << 8 | Int($1) } == box.count)
        #expect(box[4..<8].elementsEqual("uuid".utf8))
        check(try tags(scratch.path("b.mp4")))
        #expect(try tags(scratch.path("a.mp4")).digitalSourceType == nil)
        for name in ["a.mp4", "b.mp4"] {
            let count = try run(
                "ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0",
                scratch.path(name))
            #expect(String(decoding: count, as: UTF8.self).hasPrefix("5"))
        }
    }

    @Test func nilLeavesItOut() throws {
        let image = try noise(width: 20, height: 12)
        for (name, file) in [
            ("a.png", try PNG.encode(image)), ("a.jpg", try JPEG.encode(image)), ("a.webp", try WebP.encode(image)),
        ] {
            let tags = try tags(of: file, name)
            #expect(tags.digitalSourceType == nil && tags.creatorTool == nil && tags.userComment == nil)
        }
    }
}
