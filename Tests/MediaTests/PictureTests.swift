import Foundation
import Media
import Testing

@Suite struct PictureTests {
    /// All depths, colour types, interlacing, tRNS; grey, subsampled, progressive, CMYK and YCCK; the eight orientations;
    /// lossy and lossless with and without alpha.
    @Test func thereAreFixturesOfEveryKind() throws {
        let files = try PictureFixtures.manifest.get().pictures.map(\.file)
        #expect(files.count { $0.hasSuffix(".png") } >= 40)
        #expect(files.count { $0.hasSuffix(".jpg") } >= 19)
        #expect(files.count { $0.hasSuffix(".webp") } == 5)
    }

    /// libpng reads as Pillow does to the bit. Other versions of libjpeg and libwebp may round a sample otherwise.
    @Test(arguments: PictureFixtures.readable)
    func pixelsAreThoseOfPillow(_ fixture: PictureFixtures.Read) throws {
        let file = try PictureFixtures.file(fixture.file)
        let image = try Picture.decode(file)
        #expect([image.height, image.width, 3] == Array(fixture.rgb.dropFirst()))
        let tolerance = fixture.lossy == true ? 2 : 0
        let rgb = try PictureFixtures.samples(fixture.rgb)
        #expect(largestDifference(image.bytes, rgb) <= tolerance)

        let withAlpha = try Picture.decodeRGBA(file)
        #expect((withAlpha.width, withAlpha.height) == (image.width, image.height))
        if let place = fixture.rgba {
            #expect(largestDifference(withAlpha.bytes, try PictureFixtures.samples(place)) <= tolerance)
        } else {
            var opaque: [UInt8] = []
            for pixel in 0..<rgb.count / 3 { opaque += rgb[pixel * 3..<pixel * 3 + 3] + [255] }
            #expect(largestDifference(withAlpha.bytes, opaque) <= tolerance)
        }

        let header = try Picture.header(of: file)
        #expect((header.width, header.height) == (image.width, image.height))
        #expect(header.hasAlpha || fixture.rgba == nil)
    }

    @Test(arguments: [("gray8.png", PictureFormat.png), ("444.jpg", .jpeg), ("lossy.webp", .webp)])
    func theFormatIsToldFromTheBytes(name: String, format: PictureFormat) throws {
        #expect(try Picture.header(of: PictureFixtures.file(name)).format == format)
    }

    @Test(arguments: [
        ("other.gif", "a GIF"), ("animated.gif", "a GIF"), ("other.bmp", "a BMP"), ("other.tiff", "a TIFF"),
        ("other.avif", "an AVIF"), ("other.jp2", "a JPEG 2000"), ("other.ico", "an icon (ICO)"),
        ("other.ppm", "a Netpbm picture"),
    ])
    func otherFormatsAreNamed(name: String, called: String) throws {
        let error = #expect(throws: PictureError.self) { try Picture.decode(try PictureFixtures.file(name)) }
        #expect(error == .unsupportedFormat(called))
        #expect(error?.description == "the data is \(called), which is not read: send PNG, JPEG or WebP")
    }

    @Test(arguments: [("animated.png", PictureFormat.png), ("animated.webp", .webp)])
    func animationsAreRefused(name: String, format: PictureFormat) throws {
        #expect(throws: PictureError.animated(format)) { try Picture.decode(try PictureFixtures.file(name)) }
    }

    /// Cut anywhere, a file is refused. All cuts of PNG, JPEG and WebP in all their ways of coding.
    @Test(arguments: [
        "rgb8.png", "palette4-trns.png", "gray16-interlaced.png", "444.jpg", "progressive.jpg", "cmyk-adobe.jpg",
        "restarts.jpg",
        "lossy.webp", "lossless.webp", "lossy-alpha.webp", "orientation8.webp",
    ])
    func aFileThatIsCutIsRefused(name: String) throws {
        let file = try PictureFixtures.file(name)
        for count in 0..<file.count {
            let error = #expect(throws: PictureError.self, "\(count) of \(file.count) bytes") {
                try Picture.decode(Array(file.prefix(count)))
            }
            switch error {
            case .truncated, .unreadable: break
            case .empty: #expect(count == 0)
            case .unknownFormat: #expect(count < 12)
            default: Issue.record("\(String(describing: error)) of \(count) bytes")
            }
        }
        // Well behind the header it is called what it is.
        let format = try PictureFormat(of: file)
        #expect(throws: PictureError.truncated(format)) { try Picture.decode(Array(file.dropLast(3))) }
    }

    @Test func whatFollowsAPictureIsPassedOver() throws {
        for name in ["rgb8.png", "444.jpg", "progressive.jpg", "lossy.webp"] {
            let file = try PictureFixtures.file(name)
            #expect(try Picture.decode(file + Array("anything".utf8)) == Picture.decode(file))
        }
    }

    /// Written by exiftool, in both byte orders, for all formats.
    @Test(arguments: ["444.jpg", "rgb8.png", "lossless.webp"], ["MM", "II"])
    func orientationIsReadInBothByteOrders(name: String, order: String) throws {
        let scratch = try Scratch()
        let image = try Picture.decode(try PictureFixtures.file(name))
        try Data(try PictureFixtures.file(name)).write(to: scratch.url.appending(path: name))
        _ = try run(
            "exiftool", "-q", "-ExifByteOrder=\(order)", "-IFD0:Orientation#=6", "-IFD0:Artist=somebody",
            scratch.path(name))
        let turned = try Picture.decode([UInt8](try Data(contentsOf: scratch.url.appending(path: name))))
        #expect((turned.width, turned.height) == (image.height, image.width))
        // The first row of the store is the right column of what is seen.
        for x in 0..<image.width {
            let seen = (x * turned.width + turned.width - 1) * 3
            #expect(turned.bytes[seen..<seen + 3] == image.bytes[x * 3..<x * 3 + 3])
        }
    }

    @Test func limitsHoldBeforeAnythingIsDecoded() throws {
        let limits = PictureLimits(pixels: 100, side: 28)
        for (name, width, height) in [("444.jpg", 29, 21), ("lossy.webp", 29, 21), ("orientation6.jpg", 21, 29)] {
            #expect(throws: PictureError.sideTooLong(width: width, height: height, limit: 28)) {
                try Picture.decode(try PictureFixtures.file(name), limits: limits)
            }
        }
        #expect(throws: PictureError.tooManyPixels(width: 13, height: 9, limit: 100)) {
            try Picture.decode(try PictureFixtures.file("rgb8.png"), limits: limits)
        }
        #expect(
            try Picture.decode(try PictureFixtures.file("rgb8.png"), limits: PictureLimits(pixels: 117)).width == 13)
    }

    /// A few times as much memory as the file's own, whatever size it claims: the header alone decides.
    @Test func aBombCostsNothing() throws {
        var file = try PictureFixtures.file("gray8.png")
        file.replaceSubrange(16..<24, with: [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF])
        let before = try peakMemory()
        #expect(throws: PictureError.tooManyPixels(width: 65_535, height: 65_535, limit: 1 << 26)) {
            try Picture.decode(file)
        }
        #expect(try peakMemory() - before < 8 << 20)
    }
}
