import Foundation
import Media
import Pictures
import Testing

@Suite struct JPEGWebPTests {
    /// Decoded by FFmpeg, whose decoders are its own.
    private func decoded(_ file: [UInt8], _ demuxer: String) throws -> [UInt8] {
        try run(
            "ffmpeg", "-v", "error", "-xerror", "-f", demuxer, "-i", "-", "-vf",
            "scale=flags=accurate_rnd+full_chroma_int+full_chroma_inp,format=rgb24", "-f", "rawvideo", "-", input: file)
    }

    private func psnr(_ a: [UInt8], _ b: [UInt8]) -> Double {
        guard a.count == b.count else { return 0 }
        let squares = zip(a, b).reduce(0) { $0 + (Int($1.0) - Int($1.1)) * (Int($1.0) - Int($1.1)) }
        return 10 * log10(255 * 255 * Double(a.count) / Double(max(squares, 1)))
    }

    private func soft(width: Int, height: Int) throws -> RGBImage {
        try picture(width: width, height: height) { x, y in [UInt8(20 + x / 2), UInt8(30 + y), UInt8(200 - y / 2)] }
    }

    @Test(arguments: [(1, 1), (7, 5), (64, 64), (321, 190)])
    func jpegLooksLikeThePicture(width: Int, height: Int) throws {
        let image = try soft(width: width, height: height)
        #expect(psnr(try decoded(try JPEG.encode(image, quality: 95), "jpeg_pipe"), image.bytes) > 38)
        #expect(psnr(try Picture.decode(try JPEG.encode(image, quality: 60)).bytes, image.bytes) > 30)
    }

    @Test(arguments: [(1, 1), (7, 5), (64, 64), (321, 190)])
    func webpLooksLikeThePicture(width: Int, height: Int) throws {
        let image = try soft(width: width, height: height)
        #expect(psnr(try decoded(try WebP.encode(image, quality: 95), "webp_pipe"), image.bytes) > 34)
        let noise = try noise(width: width, height: height)
        #expect(try decoded(try WebP.encode(noise, lossless: true), "webp_pipe") == noise.bytes)
        #expect(try Picture.decode(try WebP.encode(noise, lossless: true, comment: "a")) == noise)
    }

    /// Chroma for each pixel from quality 90 on.
    @Test(arguments: [(89, "yuvj420p"), (90, "yuvj444p")])
    func jpegKeepsColoursAtHighQuality(quality: Int, format: String) throws {
        let scratch = try Scratch()
        try Data(try JPEG.encode(try noise(width: 32, height: 32), quality: quality))
            .write(to: scratch.url.appending(path: "a.jpg"))
        let found = try run(
            "ffprobe", "-v", "error", "-show_entries", "stream=pix_fmt", "-of", "csv=p=0", scratch.path("a.jpg"))
        #expect(String(decoding: found, as: UTF8.self).hasPrefix(format))
    }

    @Test func higherQualityIsLarger() throws {
        let image = try noise(width: 64, height: 64)
        for encode in [
            { try JPEG.encode(image, quality: $0) }, { try WebP.encode(image, quality: $0) },
        ] as [(Int) throws -> [UInt8]] {
            let sizes = try [1, 30, 60, 95].map { try encode($0).count }
            #expect(sizes == sizes.sorted() && Set(sizes).count == 4)
        }
    }

    @Test func sameArgumentsGiveTheSameBytes() throws {
        let image = try noise(width: 100, height: 60)
        let provenance = Provenance(generator: "Phasor 1", model: "a")
        #expect(
            try JPEG.encode(image, comment: "a", provenance: provenance)
                == JPEG.encode(image, comment: "a", provenance: provenance))
        for lossless in [true, false] {
            #expect(
                try WebP.encode(image, lossless: lossless, comment: "a", provenance: provenance)
                    == WebP.encode(image, lossless: lossless, comment: "a", provenance: provenance))
        }
    }

    /// UTF-16 where it fits, else ASCII or UTF-8; read by exiftool, which knows all three.
    @Test(arguments: [
        String(repeating: "a", count: 32_000), String(repeating: "a", count: 60_000),
        "é" + String(repeating: "a", count: 60_000),
        String(repeating: "雪", count: 20_000),
    ])
    func longCommentsAreStoredWhole(comment: String) throws {
        let scratch = try Scratch()
        try Data(try JPEG.encode(try noise(width: 8, height: 8), comment: comment))
            .write(to: scratch.url.appending(path: "a.jpg"))
        let found = try run(
            "exiftool", "-b", "-UserComment", "-api", "charsetEXIF=utf8", "-charset", "exif=utf8", scratch.path("a.jpg")
        )
        #expect(String(decoding: found, as: UTF8.self) == comment)
    }

    @Test func whatCannotBeWrittenIsRefused() throws {
        let image = try noise(width: 8, height: 8)
        for quality in [0, 101, -1] {
            #expect(throws: MediaError.invalidQuality(given: quality)) { try JPEG.encode(image, quality: quality) }
            #expect(throws: MediaError.invalidQuality(given: quality)) { try WebP.encode(image, quality: quality) }
        }
        let strip = try noise(width: 65_536, height: 1)
        #expect(
            throws: MediaError.unsupportedPictureSize(width: 65_536, height: 1, format: .jpeg, allowed: 1...65_500)
        ) { try JPEG.encode(strip) }
        #expect(
            throws: MediaError.unsupportedPictureSize(width: 65_536, height: 1, format: .webp, allowed: 1...16_383)
        ) { try WebP.encode(strip) }
        #expect(throws: MediaError.self) { try JPEG.encode(image, comment: String(repeating: "a", count: 70_000)) }
        #expect(throws: MediaError.self) {
            try JPEG.encode(
                image, provenance: Provenance(generator: "a", model: String(repeating: "a", count: 70_000)))
        }
    }
}
