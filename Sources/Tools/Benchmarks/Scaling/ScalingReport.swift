import Foundation

/// What `phasor bench scaling` found.
package struct ScalingReport: Codable, Sendable {
    package let instructions: String
    package let precision: String
    /// The operations of one pass.
    package let operations: Double
    package let points: [ScalingBenchmark.Point]
    /// The predictions of the model, those for measured numbers of threads among them.
    package let predictions: [ScalingLaw.Prediction]
    /// That a turn of all threads takes beside its items.
    package let turnSeconds: Double

    private enum CodingKeys: String, CodingKey {
        case instructions, precision, operations, points
        case predictions = "model"
        case turnSeconds = "turn_seconds"
    }

    func speedup(_ point: ScalingBenchmark.Point) -> Double { (points.first?.seconds ?? 0) / point.seconds }

    /// The results as Markdown, for docs/kernels.md.
    package var table: String {
        func percent(_ share: Double) -> String { String(format: "%.1f %%", share * 100) }
        let measured = points.map { point in
            let cells = [
                "\(point.threads)", String(format: "%.4f s", point.seconds), String(format: "%.2f", speedup(point)),
                String(format: "%.0f", point.gflops), String(format: "%.0f %%", point.shareOfPeak * 100),
                percent(point.kernels), percent(point.waiting), percent(point.serial),
            ]
            return "| " + cells.joined(separator: " | ") + " |"
        }
        let modelled = predictions.map { prediction in
            String(
                format: "| %d | %.4f s | %.2f | %.1f |", prediction.threads, prediction.seconds, prediction.speedup,
                prediction.weightRate)
        }
        return """
            A block of Wan 1.3B, 1,024 tokens, \(precision), \(instructions): \
            \(String(format: "%.1f GFLOP", operations / 1e9)); a turn of the threads costs \
            \(String(format: "%.1f us", turnSeconds * 1e6))

            | threads | a pass | times one thread | GF/s | of their peak | in kernels | waiting | serial |
            | --- | --- | --- | --- | --- | --- | --- | --- |
            \(measured.joined(separator: "\n"))

            By a model, not measured: serial part, whole items, turns; without memory, clock rates and shared caches.

            | threads | a pass | times one thread | GB/s of weights |
            | --- | --- | --- | --- |
            \(modelled.joined(separator: "\n"))
            """
    }
}
