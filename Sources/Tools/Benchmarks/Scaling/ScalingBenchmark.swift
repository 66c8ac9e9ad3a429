import Foundation
import Tensor

/// A transformer's block at one, two and more threads: how much faster it gets, and where the time goes.
///
/// The block is one of Wan 1.3B's dimensions with weights of noise in bf16, so that it needs no model and is the same everywhere:
/// norms, queries, keys and values, attention, and the feed-forward network, some 82 billion operations for 1,024 tokens.
package struct ScalingBenchmark {
    /// What one number of threads does.
    package struct Point: Codable, Sendable {
        package let threads: Int
        /// The seconds of one pass, the median.
        package let seconds: Double
        /// GF/s, and its share of the peak of that many threads.
        package let gflops: Double
        package let shareOfPeak: Double
        /// Shares of the threads' time: inside kernels; inside a turn of the threads without an item; and between turns, where
        /// one thread computes and the others have nothing.
        package let kernels: Double
        package let waiting: Double
        package let serial: Double

        private enum CodingKeys: String, CodingKey {
            case threads, seconds, gflops, kernels, waiting, serial
            case shareOfPeak = "share_of_peak"
        }
    }

    private static let tokens = 1024
    private static let width = 1536
    private static let inner = 8960
    private static let heads = 12

    private let precision: Precision
    private let rounds: Int
    private let block: Block

    /// - Parameter rounds: passes at each number of threads, of which the median counts.
    package init(precision: Precision, rounds: Int) {
        self.precision = precision
        self.rounds = rounds
        block = Block(tokens: Self.tokens, width: Self.width, inner: Self.inner, heads: Self.heads)
    }

    /// 1, 2, 4 and so on up to `most`, and that.
    package static func counts(upTo most: Int) -> [Int] {
        sequence(first: 1) { $0 * 2 }.prefix { $0 < most } + [most]
    }

    /// - Parameter make: a compute of a precision with a number of threads, in their places.
    package func run(
        upTo most: Int, model: [Int], make: (Int) -> Compute, progress: (Int) -> Void = { _ in }
    ) -> ScalingReport {
        var points: [Point] = []
        var law: ScalingLaw?
        for threads in Self.counts(upTo: most) {
            progress(threads)
            let compute = make(threads).with(precision)
            points.append(measure(compute))
            if threads == 1 { law = self.law(of: compute) }
        }
        let turn = Self.turnSeconds(make(most))
        let predictions = (law?.withTurn(of: turn, at: most)).map { law in
            (model + points.map(\.threads)).sorted().map { threads in
                law.prediction(threads: threads, items: items(at: threads))
            }
        }
        return ScalingReport(
            instructions: InstructionSet.current.description, precision: precision.rawValue,
            operations: block.operations, points: points, predictions: predictions ?? [], turnSeconds: turn)
    }

    private func measure(_ compute: Compute) -> Point {
        block.run(compute)
        var passes: [(seconds: Double, kernels: Double, batches: Double)] = []
        var peak = 0.0
        for _ in 0..<rounds {
            peak = max(peak, compute.peakMultiplyRate(precision, clock: .wall))
            let before = compute.times
            let nanoseconds = compute.measure(.wall) { block.run(compute) }
            let after = compute.times
            passes.append((nanoseconds / 1e9, after.working - before.working, after.batches - before.batches))
        }
        passes.sort { $0.seconds < $1.seconds }
        let pass = passes[passes.count / 2]
        let all = pass.seconds * Double(compute.threads)
        let serial = (pass.seconds - pass.batches) * Double(compute.threads) / all
        let kernels = pass.kernels / all
        return Point(
            threads: compute.threads, seconds: pass.seconds, gflops: block.operations / pass.seconds / 1e9,
            shareOfPeak: block.operations / pass.seconds / 1e9 / peak, kernels: kernels,
            waiting: max(0, 1 - kernels - serial), serial: serial)
    }

    /// What a model of more threads is made of, from the quickest of some passes on one.
    private func law(of compute: Compute) -> ScalingLaw? {
        let passes = (0..<rounds).map { _ in
            var batches: [(items: Int, seconds: Double)] = []
            let seconds =
                compute.measure(.wall) { batches = compute.noting(capacity: 1000) { block.run(compute) } } / 1e9
            return (seconds: seconds, batches: batches)
        }
        guard let pass = passes.min(by: { $0.seconds < $1.seconds }) else { return nil }
        let working = pass.batches.map(\.seconds)
        return ScalingLaw(
            working: working, serial: max(0, pass.seconds - working.reduce(0, +)), bytes: block.weightBytes)
    }

    /// How many items each turn has with a number of threads: work is cut finer for more. That does not need the processors.
    private func items(at threads: Int) -> [Int] {
        let compute = Compute(threads: threads, precision: precision)
        return compute.noting(capacity: 1000) { block.run(compute) }.map(\.items)
    }

    /// Seconds that a turn of the threads takes beside its items.
    private static func turnSeconds(_ compute: Compute) -> Double {
        let turns = 2000
        let before = compute.times.batches
        for _ in 0..<turns { compute.parallel(compute.threads) { _, _ in } }
        return (compute.times.batches - before) / Double(turns)
    }
}

/// One block of a diffusion transformer with random weights.
struct Block {
    private let tokens: Int
    private let heads: Int
    private let x: Tensor
    private let scale: Tensor
    private let shift: Tensor
    private let projections: [Linear]
    private let out: Linear
    private let up: Linear
    private let down: Linear

    init(tokens: Int, width: Int, inner: Int, heads: Int) {
        func layer(_ outputs: Int, _ inputs: Int) -> Linear {
            Linear(weight: KernelBenchmark.noise(.bf16, [outputs, inputs]), bias: nil)
        }
        self.tokens = tokens
        self.heads = heads
        x = KernelBenchmark.noise([tokens, width])
        scale = KernelBenchmark.noise([1, width])
        shift = KernelBenchmark.noise([1, width])
        projections = (0..<3).map { _ in layer(width, width) }
        out = layer(width, width)
        up = layer(inner, width)
        down = layer(width, inner)
    }

    private var layers: [Linear] { projections + [out, up, down] }

    var weightBytes: Int { layers.reduce(0) { $0 + $1.weight.bytes.count } }

    /// The operations of one pass: two for each multiply-add of products and attention.
    var operations: Double {
        let products = layers.reduce(0.0) { $0 + Double($1.weight.shape[0]) * Double($1.weight.shape[1]) }
        let attention = 2 * Double(tokens) * Double(x.shape[1])
        return 2 * Double(tokens) * (products + attention)
    }

    func run(_ compute: Compute) {
        var y = compute.modulatedLayerNorm(x, scale: scale, shift: shift, eps: 1e-6)
        let qkv = compute.linear(y, projections)
        y = compute.attention(q: qkv[0], k: qkv[1], v: qkv[2], heads: heads)
        let z = compute.linear(y, out, addingTo: GatedResidual(x))
        y = compute.modulatedLayerNorm(z, scale: scale, shift: shift, eps: 1e-6)
        y = compute.linear(y, up, activation: .geluTanh)
        _ = compute.linear(y, down, addingTo: GatedResidual(z))
    }
}
