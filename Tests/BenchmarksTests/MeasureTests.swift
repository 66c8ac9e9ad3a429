import Benchmarks
import Foundation
import Media
import Pictures
import Testing

/// Against numbers that numpy made (Tests/Fixtures/make_measures.py).
@Suite struct MeasureTests {
    private struct Golden: Decodable {
        let psnr, ssim, colour, structure, ratios, interval, values, quantiles: [Double]
        let median: Double
    }

    private let golden: Golden
    private let pictures: [RGBImage]

    init() throws {
        let fixture = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Fixtures/measures.json")
        golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: fixture))
        pictures = try (0..<4).map { seed in
            let bytes = (0..<32 * 40 * 3).map { index in
                let (x, y, c) = (index / 3 % 40, index / 120, index % 3)
                return UInt8((x * (3 + seed) + y * (5 + 2 * seed) + c * 40 + ((x * y * (seed + 1)) >> 3)) & 255)
            }
            return try RGBImage(width: 40, height: 32, bytes: bytes)
        }
    }

    private var pairs: [(RGBImage, RGBImage)] {
        (0..<4).flatMap { i in (i + 1..<4).map { j in (pictures[i], pictures[j]) } }
    }

    private func near(_ a: Double?, _ b: Double, _ tolerance: Double) -> Bool { abs((a ?? .infinity) - b) <= tolerance }

    @Test func `Similarity equals numpy's`() {
        for (index, (a, b)) in pairs.enumerated() {
            let similarity = Similarity(a, b)
            #expect(near(similarity.psnr, golden.psnr[index], 1e-9))
            #expect(near(similarity.ssim, golden.ssim[index], 1e-4))
        }
        #expect(Similarity(pictures[0], pictures[0]).psnr == nil)
        #expect(near(Similarity(pictures[0], pictures[0]).ssim, 1, 1e-6))
    }

    @Test func `Feature distances equal numpy's`() {
        let features = pictures.map(PictureFeatures.init)
        for (index, (a, b)) in pairs.enumerated() {
            let distance = PictureFeatures(a).distance(to: PictureFeatures(b))
            #expect(near(distance.colour, golden.colour[index], 1e-9))
            #expect(near(distance.structure, golden.structure[index], 1e-5))
            #expect(distance == PictureFeatures(b).distance(to: PictureFeatures(a)))
        }
        let diversity = Diversity.distance(features.map { [$0] })
        #expect(near(diversity?.colour, golden.colour.reduce(0, +) / 6, 1e-9))
        #expect(near(diversity?.structure, golden.structure.reduce(0, +) / 6, 1e-5))
        #expect(features[0].distance(to: features[0]).mean < 1e-12)
        #expect(Diversity.distance([[features[0]]]) == nil)
    }

    @Test func `Plain pictures differ by colour alone`() throws {
        let red = try RGBImage(width: 16, height: 16, bytes: (0..<768).map { $0 % 3 == 0 ? 255 : 0 })
        let black = try RGBImage(width: 16, height: 16, bytes: [UInt8](repeating: 0, count: 768))
        let distance = PictureFeatures(red).distance(to: PictureFeatures(black))
        // L*a*b* of sRGB red is 53.24, 80.09, 67.20.
        #expect(near(distance.colour, 1.17319, 2e-4))
        #expect(distance.structure == 0)
    }

    @Test func `Quantiles equal numpy's, the interval that of many more samples`() {
        let summary = Summary(golden.values)
        #expect(near(summary?.minimum, golden.quantiles[0], 1e-12))
        #expect(near(summary?.median, golden.quantiles[1], 1e-12))
        #expect(near(summary?.p95, golden.quantiles[2], 1e-12))
        #expect(near(summary?.p99, golden.quantiles[3], 1e-12))
        #expect(Summary([]) == nil)
        let speedup = Speedup(golden.ratios.map { (slow: $0 * 0.5, fast: 0.5) })
        #expect(near(speedup?.ratio, golden.median, 1e-12))
        #expect(near(speedup?.low, golden.interval[0], 0.06))
        #expect(near(speedup?.high, golden.interval[1], 0.06))
        #expect(Speedup([]) == nil)
    }
}
