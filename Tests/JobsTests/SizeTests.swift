import Foundation
import Jobs
import Models
import Support
import Testing

@Suite struct SizeTests {
    /// Every size that can be made is looked at, for small limits: none is nearer by the same measure.
    @Test(arguments: [
        (16, 64, 48), (16, 128, 128), (32, 96, 64), (8, 40, 24),
    ])
    func theNearestSizeIsTheNearestOfAll(multiple: Int, width: Int, height: Int) {
        let limits = SizeLimits(
            sideMultiple: multiple, frameMultiple: 4, width: width, height: height, frames: 1, fps: 8)
        for wanted in [
            "1024x1024", "720x1280", "1280x720", "512x512", "100x100", "1x1", "333x111", "2048x256", "90x60",
        ] {
            let wanted = PixelSize(wanted) ?? PixelSize(width: 0, height: 0)
            let near = limits.nearest(to: wanted)
            #expect(limits.refusal(width: near.width, height: near.height) == nil, "\(wanted) \(near)")
            let area = min(
                max(Double(wanted.width * wanted.height), Double(multiple * multiple)), Double(limits.maximumPixels))
            let aspect = Double(wanted.width) / Double(wanted.height)
            func distance(_ size: PixelSize) -> Double {
                3 * abs(log(Double(size.width) / Double(size.height) / aspect))
                    + abs(log(Double(size.width * size.height) / area))
            }
            var least = Double.infinity
            for x in 1...limits.maximumPixels / multiple / multiple {
                for y in 1...limits.maximumPixels / multiple / multiple / x {
                    let size = PixelSize(width: x * multiple, height: y * multiple)
                    if limits.refusal(width: size.width, height: size.height) == nil {
                        least = min(least, distance(size))
                    }
                }
            }
            #expect(distance(near) <= least + 0.02, "\(wanted): \(near), \(distance(near)) against \(least)")
        }
    }

    /// However strange the wish, the answer is a size that is made.
    @Test(arguments: ["0x0", "999999999x1", "1x999999999", "999999999x999999999"])
    func strangeWishesHaveAnAnswer(text: String) throws {
        let limits = SizeLimits(sideMultiple: 16, frameMultiple: 4, width: 832, height: 480, frames: 81, fps: 16)
        let near = limits.nearest(to: try #require(PixelSize(text)))
        #expect(limits.refusal(width: near.width, height: near.height) == nil, "\(near)")
        #expect(limits.advice(on: try #require(PixelSize(text)))?.contains("\(near)") == true)
        #expect(limits.advice(on: near) == nil)
    }
}
