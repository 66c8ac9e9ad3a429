import Benchmarks
import Foundation
import Pictures
import Pipelines
import Tensor
import Testing

@Suite struct PrecisionTests {
    private func row(_ name: String, _ seconds: Double, _ ratios: [Double]) throws -> PrecisionBenchmark.Row {
        let likenesses = try ratios.map { ratio in
            // A grey picture beside one whose every sample differs by what makes that ratio.
            let difference = UInt8((255 / pow(10, ratio / 20)).rounded())
            return try Similarity(
                RGBImage(width: 2, height: 1, bytes: [UInt8](repeating: 100, count: 6)),
                RGBImage(width: 2, height: 1, bytes: [UInt8](repeating: 100 + difference, count: 6)))
        }
        return PrecisionBenchmark.Row(name: name, steps: [seconds, seconds * 3, seconds / 2], likenesses: likenesses)
    }

    @Test func theFastestThatIsNearEnoughIsRecommended() throws {
        func report(_ least: Double) throws -> PrecisionBenchmark.Report {
            let rows = try [
                row("f32", 4, []), row("bf16", 2, [45, 40]), row("int8", 1, [45, 30]), row("q4_k", 3, [20, 20]),
            ]
            return PrecisionBenchmark.Report(model: "m", pictures: 2, least: least, rows: rows)
        }
        #expect(try report(35).recommended == "bf16")
        #expect(try report(29).recommended == "int8")
        #expect(try report(44).recommended == "f32")
        let lines = try report(35).table.split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("| int8 | 1.0000 s | 4.00 |") }.count == 1)
        #expect(lines.last == "The fastest whose pictures all reach 35.0 dB: bf16.")
    }

    /// Of a median step, the mean of the ratios, and the least of them.
    @Test func rowsSumUp() throws {
        let some = try row("int8", 1, [48, 30])
        #expect(some.stepSeconds == 1)
        // 255 beside differences of 1 and 8.
        let ratios = [20 * log10(255.0), 20 * log10(255.0 / 8)]
        #expect(abs(try #require(some.leastPSNR) - ratios[1]) < 1e-9)
        #expect(abs(try #require(some.meanPSNR) - (ratios[0] + ratios[1]) / 2) < 1e-9)
        #expect(some.ssim == nil)
        #expect(try row("f32", 1, []).meanPSNR == nil)
    }

    /// The embedded model in f32 twice, and in bf16.
    @Test func picturesAreComparedWithTheFirst() throws {
        let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Models/emoji-scenes").path
        let compute = Compute(threads: 2)
        func variant(_ precision: Precision) -> PrecisionBenchmark.Variant {
            .init(name: precision.rawValue) {
                try Pipeline(ModelFiles(folder: model), compute: compute.with(precision), vaeCompute: compute)
            }
        }
        let benchmark = PrecisionBenchmark(
            prompts: ["a cat in the grass"], seeds: [1], width: 128, height: 128)
        let report = try benchmark.run([variant(.f32), variant(.f32), variant(.bf16)], least: 35)
        #expect(report.rows.map(\.name) == ["f32", "f32", "bf16"])
        #expect(report.rows[1].leastPSNR == nil)
        if InstructionSet.current.roundsToBfloat {
            #expect(try #require(report.rows[2].leastPSNR) > 40)
        } else {
            #expect(report.rows[2].leastPSNR == nil)
        }
        #expect(report.rows.allSatisfy { $0.stepSeconds > 0 })
    }
}
