import Media
import Pictures
import Testing

@Suite struct ResizeTests {
    /// To the bit, for all filters, reducing and enlarging, with and without a box, with and without alpha.
    @Test(arguments: ResizeFilter.allCases)
    func samplesAreThoseOfPillow(filter: ResizeFilter) throws {
        let jobs = try PictureFixtures.manifest.get().resizes.filter { $0.filter == filter }
        try #require(jobs.count == 16)
        for job in jobs {
            let expected = try PictureFixtures.samples(job.result)
            let (height, width, channels) = (job.result[1], job.result[2], job.result[3])
            let box = job.box.map { ResizeBox(left: $0[0], top: $0[1], right: $0[2], bottom: $0[3]) }
            let samples = noiseSamples(job.source[0] * job.source[1] * channels)
            let bytes: [UInt8]
            if channels == 3 {
                let image = try RGBImage(width: job.source[0], height: job.source[1], bytes: samples)
                bytes = try image.resized(width: width, height: height, filter: filter, box: box).bytes
            } else {
                let image = try RGBAImage(width: job.source[0], height: job.source[1], bytes: samples)
                bytes = try image.resized(width: width, height: height, filter: filter, box: box).bytes
            }
            let isEqual = bytes == expected
            #expect(isEqual, "\(job)")
        }
    }

    @Test(arguments: PictureFit.allCases)
    func fitsAreThoseOfPillow(fit: PictureFit) throws {
        let jobs = try PictureFixtures.manifest.get().fits.filter { $0.fit == fit }
        try #require(jobs.count == 14)
        for job in jobs {
            let image = try noise(width: job.source[0], height: job.source[1])
            let fitted = try image.fitted(
                width: job.result[2], height: job.result[1], fit: fit, filter: job.filter, ground: SIMD3(40, 50, 60))
            let isEqual = fitted.bytes == (try PictureFixtures.samples(job.result))
            #expect(isEqual, "\(job)")
        }
    }

    @Test func sizesAreThoseOfTheModelsCodes() throws {
        let rows = try PictureFixtures.manifest.get().sizes
        try #require(rows.count > 40)
        var differences = 0
        for row in rows {
            let size = PictureSize(width: row.source[0], height: row.source[1])
            func sides(_ size: PictureSize) -> [Int] { [size.width, size.height] }
            for (area, diffusers, own) in [
                (480 * 832, row.diffusers480, row.wan480), (720 * 1280, row.diffusers720, row.wan720),
            ] {
                #expect(sides(size.scaled(toArea: area, multiple: 16, .integerThenDown)) == diffusers)
                #expect(sides(size.scaled(toArea: area, multiple: 16, .down)) == own)
                differences += diffusers == own ? 0 : 1
            }
            #expect(sides(size.nearestRatio(withinArea: 704 * 1280, multiple: 32)) == row.wanRatio)
            #expect(sides(size.scaled(toArea: 1024 * 1024, multiple: 32, .nearest)) == row.qwenEdit)
            #expect(sides(size.reduced(toArea: 1024 * 1024)) == row.flux2)
            #expect(sides(size.scaled(toShorterSide: 224)) == row.clip)
        }
        #expect(differences > 0, "the two rules of Wan I2V are told apart")
    }

    /// One row of pixels covers a square only as a strip of millions of columns, of which a few are kept.
    @Test func extremeRatiosCostLittle() throws {
        let strip = try noise(width: 65_536, height: 1)
        let clock = ContinuousClock()
        let time = try clock.measure {
            let square = try strip.fitted(width: 256, height: 256, fit: .crop)
            #expect((square.width, square.height) == (256, 256))
            #expect(try strip.fitted(width: 256, height: 256, fit: .pad, filter: .nearest).height == 256)
        }
        #expect(time < .seconds(2))
    }

    /// Pillow's `pad` loses a picture whose shorter side rounds to none.
    @Test func aLineIsPaddedToALine() throws {
        let line = try picture(width: 2, height: 40) { _, _ in [9, 8, 7] }
        let padded = try line.fitted(width: 20, height: 6, fit: .pad)
        #expect(padded.bytes.count { $0 == 8 } == 6)
    }

    @Test func theMiddleIsCutOut() throws {
        let image = try picture(width: 7, height: 4) { x, y in [UInt8(x), UInt8(y), 0] }
        let middle = try image.middle(width: 4, height: 4)
        #expect(middle.bytes.prefix(3) == [1, 0, 0])
        #expect(try image.middle(width: 3, height: 1).bytes == [2, 1, 0, 3, 1, 0, 4, 1, 0])
        #expect(throws: ImageError.self) { try image.middle(width: 8, height: 4) }
        #expect(throws: ImageError.self) { try image.middle(width: 0, height: 4) }
    }

    @Test func badSizesAndBoxesAreRefused() throws {
        let image = try noise(width: 8, height: 6)
        for (width, height) in [(0, 4), (4, -1), (.max, 4), (65_537, 1)] {
            for fit in PictureFit.allCases {
                #expect(throws: ImageError.invalidSize(width: width, height: height)) {
                    try image.fitted(width: width, height: height, fit: fit)
                }
            }
        }
        for box in [
            ResizeBox(left: -1, top: 0, right: 4, bottom: 4), ResizeBox(left: 0, top: 0, right: 9, bottom: 4),
            ResizeBox(left: 4, top: 0, right: 4, bottom: 4), ResizeBox(left: 0, top: 5, right: 4, bottom: 4),
            ResizeBox(left: .nan, top: 0, right: 4, bottom: 4), ResizeBox(left: 0, top: 0, right: .infinity, bottom: 4),
        ] {
            #expect(throws: ImageError.self) { try image.resized(width: 4, height: 4, filter: .lanczos, box: box) }
        }
    }
}
