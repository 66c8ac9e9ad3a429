import Media
import Testing

@Suite struct YUVFrameTests {
    /// The 100 % colour bars of BT.709 in 8 bits, as test pattern references print them.
    @Test(
        arguments: [
            ([255, 255, 255], [235, 128, 128]), ([255, 255, 0], [219, 16, 138]), ([0, 255, 255], [188, 154, 16]),
            ([0, 255, 0], [173, 42, 26]), ([255, 0, 255], [78, 214, 230]), ([255, 0, 0], [63, 102, 240]),
            ([0, 0, 255], [32, 240, 118]), ([0, 0, 0], [16, 128, 128]), ([128, 128, 128], [126, 128, 128]),
        ] as [([UInt8], [UInt8])])
    func colourBars(rgb: [UInt8], expected: [UInt8]) throws {
        let frame = try YUVFrame(try picture(width: 4, height: 2) { _, _ in rgb })
        #expect(Set(frame.luma) == [expected[0]])
        #expect(Set(frame.blueDifference) == [expected[1]])
        #expect(Set(frame.redDifference) == [expected[2]])
    }

    /// zimg (FFmpeg's zscale) converts in floating point. Columns of one colour each, so that its vertical filter,
    /// which is longer than ours, has nothing to do; the horizontal one and the siting are the same.
    @Test func agreesWithZimg() throws {
        let columns = try noise(width: 96, height: 1)
        let image = try picture(width: 96, height: 16) { x, _ in Array(columns.bytes[x * 3..<x * 3 + 3]) }
        let reference = try run(
            "ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x16", "-i", "-", "-vf",
            "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=709:range=limited:chromal=left:filter=bilinear,"
                + "format=yuv420p", "-f", "rawvideo", "-", input: image.bytes)
        let frame = try YUVFrame(image)
        #expect(largestDifference(frame.luma + frame.blueDifference + frame.redDifference, reference) <= 1)
        // A half-pixel shift of chroma would be far from this.
        let exact = zip(frame.blueDifference, reference.dropFirst(96 * 16)).count { $0 == $1 }
        #expect(exact * 10 > frame.blueDifference.count * 9)
    }

    /// The definition in BT.709-6, in double precision, on noise.
    @Test func agreesWithTheDefinition() throws {
        let (width, height) = (38, 22)
        let image = try noise(width: width, height: height, seed: 5)
        let frame = try YUVFrame(image)
        func rgb(_ x: Int, _ y: Int) -> [Double] {
            (0..<3).map { Double(image.bytes[(y * width + max(x, 0)) * 3 + $0]) / 255 }
        }
        func luma(_ c: [Double]) -> Double { 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2] }
        var worst = 0.0
        for y in 0..<height {
            for x in 0..<width {
                worst = max(worst, abs(16 + 219 * luma(rgb(x, y)) - Double(frame.luma[y * width + x])))
            }
        }
        for y in 0..<height / 2 {
            for x in 0..<width / 2 {
                var (blue, red) = (128.0, 128.0)
                for (dx, weight) in [(-1, 0.125), (0, 0.25), (1, 0.125)] {
                    for dy in 0...1 {
                        let c = rgb(2 * x + dx, 2 * y + dy)
                        blue += weight * 224 * (c[2] - luma(c)) / 1.8556
                        red += weight * 224 * (c[0] - luma(c)) / 1.5748
                    }
                }
                worst = max(worst, abs(blue - Double(frame.blueDifference[y * width / 2 + x])))
                worst = max(worst, abs(red - Double(frame.redDifference[y * width / 2 + x])))
            }
        }
        #expect(worst < 0.51, "rounding to the nearest integer leaves half a step")
    }

    @Test func oddSidesAreRefused() throws {
        let image = try noise(width: 5, height: 4)
        #expect(throws: MediaError.oddVideoSize(width: 5, height: 4)) { try YUVFrame(image) }
    }
}
