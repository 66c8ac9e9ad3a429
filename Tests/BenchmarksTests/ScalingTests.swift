import Benchmarks
import Foundation
import Tensor
import Testing

@Suite struct ScalingTests {
    @Test(arguments: [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (64, [1, 2, 4, 8, 16, 32, 64])])
    func threadsDouble(most: Int, counts: [Int]) {
        #expect(ScalingBenchmark.counts(upTo: most) == counts)
    }

    /// Two turns of 8 s and 4 s, and 1 s between them.
    private let law = ScalingLaw(working: [8, 4], serial: 1, bytes: 26_000_000_000)

    /// Worked out by hand: a turn takes as long as the thread with the most items.
    @Test(
        arguments: [
            (1, [8, 2], 13), (2, [8, 2], 7), (4, [8, 2], 5), (8, [8, 2], 4), (64, [8, 2], 4),
            (4, [6, 4], 1 + 8.0 / 3 + 1),
        ] as [(Int, [Int], Double)])
    func wholeItemsCount(threads: Int, items: [Int], seconds: Double) {
        let prediction = law.prediction(threads: threads, items: items)
        // A turn's own cost is below a millisecond.
        #expect(abs(prediction.seconds - seconds) < 1e-3)
        #expect(abs(prediction.speedup - 13 / seconds) < 1e-2)
        #expect(abs(prediction.weightRate - 26 / seconds) < 1e-2)
    }

    /// Of turns with one item only one thread takes part; the others cost what was measured and more for each thread beyond.
    @Test func turnsCost() {
        let measured = law.withTurn(of: 0.5, at: 2)
        #expect(measured.prediction(threads: 2, items: [8, 2]).seconds == 1 + 4.5 + 2.5)
        #expect(measured.prediction(threads: 2, items: [8, 1]).seconds == 1 + 4.5 + 4)
        #expect(measured.prediction(threads: 1, items: [8, 2]).seconds == 13)
        let more = measured.prediction(threads: 12, items: [8, 2]).seconds
        #expect(abs(more - (1 + 1 + 2 + 2 * (0.5 + 10 * 0.2e-6))) < 1e-9)
    }

    /// The block itself on one and two threads: shares are shares, and what the model says of one thread is what it was made of.
    @Test func aRunHasItAll() throws {
        let report = ScalingBenchmark(precision: .bf16, rounds: 1).run(upTo: 2, model: [4]) { Compute(threads: $0) }
        #expect(report.points.map(\.threads) == [1, 2])
        #expect(report.predictions.map(\.threads) == [1, 2, 4])
        // 4 products of 1536 x 1536, 2 of 1536 x 8960, and attention, for 1,024 tokens.
        let products = 4.0 * 1536 * 1536 + 2.0 * 1536 * 8960
        let attention = 2.0 * 1024 * 1536
        #expect(report.operations == 2.0 * 1024 * (products + attention))
        for point in report.points {
            #expect(point.seconds > 0 && point.shareOfPeak > 0)
            #expect(abs(point.kernels + point.waiting + point.serial - 1) < 0.01)
        }
        let alone = try #require(report.predictions.first)
        #expect(abs(alone.speedup - 1) < 1e-9)
        let lines = report.table.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("| 2 |") }.count == 2)
        let svg = ScalingDrawing(report).svg
        #expect(svg.components(separatedBy: "<circle").count == 3)
        #expect(!svg.contains("nan") && !svg.contains("inf"))
    }
}
