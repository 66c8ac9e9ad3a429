import Media
import Pictures
import Testing

@Suite struct RGBImageTests {
    @Test func sizesAndCountsAreChecked() throws {
        #expect(throws: ImageError.invalidSize(width: 0, height: 2)) {
            try RGBImage(width: 0, height: 2, bytes: [])
        }
        #expect(throws: ImageError.invalidSize(width: .max, height: .max)) {
            try RGBImage(width: .max, height: .max, bytes: [])
        }
        #expect(throws: ImageError.wrongSampleCount(expected: 12, given: 4)) {
            try RGBImage(width: 2, height: 2, bytes: [1, 2, 3, 4])
        }
        let image = try RGBImage(width: 1, height: 2, bytes: [1, 2, 3, 4, 5, 6])
        #expect((image.width, image.height) == (1, 2))
    }

    /// The right column is what numpy gives for `(x.clip(0, 1) * 255).round().astype("uint8")` in float32.
    @Test func floatsRoundAsNumpyDoes() throws {
        let table: [(Float, UInt8)] = [
            (-0.1, 0), (0, 0), (0.0019607844296842813, 0), (0.0058823530562222, 2), (0.009803921915590763, 2),
            (0.30000001192092896, 76), (0.5, 128), (0.9990000128746033, 255), (1, 255), (1.2000000476837158, 255),
            (-.greatestFiniteMagnitude, 0), (.greatestFiniteMagnitude, 255),
        ]
        let values = table.map(\.0)
        let image = try RGBImage(width: 2, height: 2, floats: values.span, layout: .interleaved)
        #expect(image.bytes == table.map(\.1))
    }

    @Test func planarAndInterleavedAreTheSamePicture() throws {
        let interleaved: [Float] = (0..<18).map { Float($0) / 17 }
        let planar = (0..<3).flatMap { channel in (0..<6).map { interleaved[$0 * 3 + channel] } }
        let a = try RGBImage(width: 3, height: 2, floats: interleaved.span, layout: .interleaved)
        let b = try RGBImage(width: 3, height: 2, floats: planar.span, layout: .planar)
        #expect(a == b)
        #expect(a.bytes[3...5] == [45, 60, 75])
    }

    @Test(arguments: [RGBImage.Layout.planar, .interleaved], [Float.nan, .infinity, -.infinity])
    func numbersThatAreNotFiniteAreFound(layout: RGBImage.Layout, value: Float) throws {
        var floats = [Float](repeating: 0.5, count: 12)
        floats[7] = value
        let error = #expect(throws: ImageError.self) {
            try RGBImage(width: 2, height: 2, floats: floats.span, layout: layout)
        }
        guard case .notFinite(let found, let index) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(index == 7)
        #expect(found.isNaN == value.isNaN && (value.isNaN || found == value))
    }
}
