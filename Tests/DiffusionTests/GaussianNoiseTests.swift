import Diffusion
import Foundation
import Tensor
import Testing

@Suite struct GaussianNoiseTests {
    /// The vectors that Random123 publishes (kat_vectors, philox4x32 10).
    @Test func philoxKnownAnswers() {
        let all: UInt32 = 0xffff_ffff
        #expect(Philox(key: 0).block(SIMD4(0, 0, 0, 0)) == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        #expect(
            Philox(key: .max).block(SIMD4(all, all, all, all))
                == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            Philox(key: 0x299f_31d0_a409_3822).block(SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
                == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    /// Values of a Python script that has its own Philox and Box-Muller.
    @Test func agreesWithAnIndependentImplementation() {
        let latentReference: [Float] = [
            -0.9701898, 0.19401896, -1.2356207, 1.9239267, -0.07318151, 0.13913749, -1.106665, 0.32668296,
        ]
        let farReference: [Float] = [1.0495301, -0.4446827, -1.4486729, -0.7740442]
        let latent = GaussianNoise(seed: 42, purpose: .initialLatent).tensor(shape: [8]).array
        #expect(excess(latent, over: latentReference, atol: 0, rtol: 1e-7) <= 0)

        var far = [Float](repeating: 0, count: 4)
        far.withUnsafeMutableBufferPointer {
            GaussianNoise(seed: (1 << 40) + 7, purpose: .renoise(step: 3)).fill($0, from: 4 << 32 | 2)
        }
        #expect(excess(far, over: farReference, atol: 0, rtol: 1e-7) <= 0)
    }

    @Test func doesNotDependOnHowItIsCutUp() {
        let noise = GaussianNoise(seed: 7, purpose: .initialLatent)
        let whole = noise.tensor(shape: [3, 5, 67]).array
        for sizes in [[1], [3], [4, 1, 7], [1000]] {
            var pieces: [Float] = []
            var turn = 0
            while pieces.count < whole.count {
                var piece = [Float](repeating: 0, count: min(sizes[turn % sizes.count], whole.count - pieces.count))
                piece.withUnsafeMutableBufferPointer { noise.fill($0, from: pieces.count) }
                pieces += piece
                turn += 1
            }
            #expect(pieces == whole)
        }
    }

    @Test func isStandardNormal() {
        let count = 1_000_000
        let values = GaussianNoise(seed: 1, purpose: .initialLatent).tensor(shape: [count]).array.map(Double.init)
        func moment(_ power: Int) -> Double {
            values.reduce(0) { $0 + Foundation.pow($1, Double(power)) } / Double(count)
        }
        // Five standard errors: var(x^k) = 1, 2, 15, 96.
        let error = 5 / Double(count).squareRoot()
        #expect(abs(moment(1)) < error)
        #expect(abs(moment(2) - 1) < error * 2.squareRoot())
        #expect(abs(moment(3)) < error * 15.squareRoot())
        #expect(abs(moment(4) - 3) < error * 96.squareRoot())
        #expect(kolmogorovDistance(values) { 0.5 * erfc(-$0 / 2.0.squareRoot()) } < 1.63 / Double(count).squareRoot())
    }

    /// Neighbours in a stream, lanes of a block, seeds s and s + 1, purposes and steps.
    @Test func streamsAreNotCorrelated() {
        let count = 200_000
        func stream(_ seed: UInt64, _ purpose: GaussianNoise.Purpose) -> [Float] {
            GaussianNoise(seed: seed, purpose: purpose).tensor(shape: [count]).array
        }
        func correlation(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
            zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } / Double(count)
        }
        let base = stream(5, .initialLatent)
        let limit = 5 / Double(count).squareRoot()
        for lag in 1...8 { #expect(abs(correlation(base, base.dropFirst(lag))) < limit, "lag \(lag)") }
        for other in [
            stream(6, .initialLatent), stream(4, .initialLatent), stream(5 + (1 << 32), .initialLatent),
            stream(5, .renoise(step: 0)), stream(5, .renoise(step: 1)),
        ] {
            #expect(abs(correlation(base, other)) < limit)
            // Radii, which linear correlation does not see.
            #expect(abs(correlation(base.map { $0 * $0 - 1 }, other.map { $0 * $0 - 1 })) < 2 * limit)
        }
        #expect(abs(correlation(stream(5, .renoise(step: 0)), stream(5, .renoise(step: 1)))) < limit)
    }
}

/// The largest distance between the empirical distribution of `values` and `cumulative`.
/// Under the hypothesis that they agree it exceeds 1.63 / sqrt(n) with probability 0.01.
func kolmogorovDistance(_ values: [Double], _ cumulative: (Double) -> Double) -> Double {
    let count = Double(values.count)
    return values.sorted().enumerated().map { rank, value in
        let expected = cumulative(value)
        return max(abs(expected - Double(rank) / count), abs(expected - Double(rank + 1) / count))
    }.max() ?? 1
}
