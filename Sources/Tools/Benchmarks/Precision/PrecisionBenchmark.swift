import Foundation
import Pictures
import Pipelines

/// What a model loses when it computes in fewer bits, or with narrower weights, and what time that saves.
package struct PrecisionBenchmark {
    /// A way to compute; the first is what the others are compared with.
    package struct Variant {
        package let name: String
        package let open: () throws -> Pipeline

        package init(name: String, open: @escaping () throws -> Pipeline) {
            self.name = name
            self.open = open
        }
    }

    /// What one way came to.
    package struct Row: Codable, Sendable, Equatable {
        package let name: String
        /// The seconds of a step, the median over all pictures.
        package let stepSeconds: Double
        /// Decibels, over all pictures; nil where nothing differs, as for the first.
        package let meanPSNR: Double?
        package let leastPSNR: Double?
        /// The mean; nil for pictures that are too small for it.
        package let ssim: Double?

        private enum CodingKeys: String, CodingKey {
            case name, ssim
            case stepSeconds = "seconds_per_step"
            case meanPSNR = "psnr_mean"
            case leastPSNR = "psnr_min"
        }

        /// - Parameters:
        ///   - steps: seconds of each; at least one.
        ///   - likenesses: of each picture with the first way's.
        package init(name: String, steps: [Double], likenesses: [Similarity]) {
            self.name = name
            stepSeconds = Summary.quantile(0.5, of: steps)
            let ratios = likenesses.compactMap(\.psnr)
            meanPSNR = ratios.isEmpty ? nil : ratios.reduce(0, +) / Double(ratios.count)
            leastPSNR = ratios.min()
            ssim = Similarity.mean(likenesses)?.ssim
        }
    }

    package struct Report: Codable, Sendable {
        package let model: String
        package let pictures: Int
        /// Decibels that each picture must reach to be recommended.
        package let least: Double
        package let rows: [Row]
        /// The fastest way whose pictures all do.
        package let recommended: String?

        package init(model: String, pictures: Int, least: Double, rows: [Row]) {
            self.model = model
            self.pictures = pictures
            self.least = least
            self.rows = rows
            let near = rows.filter { $0.leastPSNR ?? .infinity >= least }
            recommended = near.min { $0.stepSeconds < $1.stepSeconds }?.name
        }

        /// The results as Markdown.
        package var table: String {
            let first = rows.first?.stepSeconds ?? 0
            let lines = rows.map { row in
                let cells = [
                    row.name, String(format: "%.4f s", row.stepSeconds),
                    String(format: "%.2f", first / row.stepSeconds),
                    row.meanPSNR.map { String(format: "%.1f dB", $0) } ?? "same",
                    row.leastPSNR.map { String(format: "%.1f dB", $0) } ?? "same",
                    row.ssim.map { String(format: "%.4f", $0) } ?? "",
                ]
                return "| " + cells.joined(separator: " | ") + " |"
            }
            let advice = recommended.map { "The fastest whose pictures all reach \(least) dB: \($0)." }
            return """
                \(model), \(pictures) picture\(pictures == 1 ? "" : "s") of each, beside those of \(rows.first?.name ?? "")

                | computed in | a step | times as fast | PSNR, mean | least | SSIM |
                | --- | --- | --- | --- | --- | --- |
                \(lines.joined(separator: "\n"))

                \(advice ?? "None of the pictures reach \(least) dB.")
                """
        }
    }

    private let prompts: [String]
    private let seeds: [UInt64]
    private let size: (width: Int, height: Int)

    package init(prompts: [String], seeds: [UInt64], width: Int, height: Int) {
        self.prompts = prompts
        self.seeds = seeds
        size = (width, height)
    }

    /// Ways take turns as wholes: a model is opened once for each.
    /// - Parameters:
    ///   - least: decibels that a recommended way reaches.
    ///   - progress: called with the pictures done, of how many, and the way.
    /// - Throws: what opening or computing throws.
    package func run(
        _ variants: [Variant], least: Double, progress: (Int, Int, String) -> Void = { _, _, _ in }
    ) throws -> Report {
        var reference: [RGBImage] = []
        var rows: [Row] = []
        var model = ""
        let each = prompts.count * seeds.count
        for (turn, variant) in variants.enumerated() {
            let pipeline = try variant.open()
            model = pipeline.id
            var images: [RGBImage] = []
            var steps: [Double] = []
            for prompt in prompts {
                for seed in seeds {
                    progress(turn * each + images.count, variants.count * each, variant.name)
                    var run = try Run(
                        GenerationParameters(
                            prompt: prompt, width: size.width, height: size.height, frames: 1, seed: seed), of: pipeline
                    )
                    let record = try run.finish { images += try $0.images().prefix(1) }
                    steps += record.steps.map(\.seconds)
                }
            }
            if turn == 0 { reference = images }
            rows.append(
                Row(
                    name: variant.name, steps: steps,
                    likenesses: zip(images, reference).map { Similarity($0, $1) }))
        }
        return Report(model: model, pictures: each, least: least, rows: rows)
    }
}
