import Foundation
import Models
import Pictures
import Pipelines
import Tensor

/// What a tiny decoder gains and loses beside the model's own: both decode the same latents, in turn.
package struct DecoderBenchmark {
    private let model: Pipeline
    private let rounds: Int
    private let now: () -> Double

    /// - Parameters:
    ///   - model: has both decoders.
    ///   - rounds: decodes of each latent by each decoder.
    ///   - now: seconds on the clock that times are taken from.
    package init(model: Pipeline, rounds: Int, now: @escaping () -> Double = RunObserver.wall) {
        self.model = model
        self.rounds = rounds
        self.now = now
    }

    /// Makes the latents and measures.
    /// - Parameters:
    ///   - wanted: what to make a latent of, one entry each, of one size and length.
    ///   - onLatent: called when the latent of an entry is there.
    /// - Throws: as `Run.init` and `Pipeline.decode`.
    package func run(
        _ wanted: [GenerationParameters], onLatent: (_ done: Int) -> Void = { _ in }
    ) throws -> DecoderReport {
        var seconds: [LatentDecoder: [Double]] = [:]
        var pairs: [(slow: Double, fast: Double)] = []
        var previews: [Double] = []
        var steps: [Double] = []
        var alike: [Similarity] = []
        for (index, parameters) in wanted.enumerated() {
            var alone = [try Run(parameters, of: model)]
            try Run.encodePictures(of: &alone)
            var run = alone[0]
            try run.encodeTexts { try model.encode($0, by: $1) }
            steps += try run.finishSteps().map(\.seconds)
            onLatent(index + 1)
            // The first round makes the frames that are compared. It is not counted, as it packs the convolutions' weights.
            for round in 0...rounds {
                let full = try decode(run.generation.latent, by: .full)
                let tiny = try decode(run.generation.latent, by: .tiny)
                let began = now()
                _ = try model.preview(of: run.generation.latent)
                let preview = now() - began
                guard round > 0 else {
                    alike += zip(full.frames, tiny.frames).map { Similarity($0, $1) }
                    continue
                }
                previews.append(preview)
                seconds[.full, default: []].append(full.seconds)
                seconds[.tiny, default: []].append(tiny.seconds)
                pairs.append((full.seconds, tiny.seconds))
            }
        }
        func row(_ decoder: LatentDecoder) throws -> DecoderReport.Row? {
            guard let summary = Summary(seconds[decoder] ?? []), let first = wanted.first else { return nil }
            let plan = try model.activationPlan(
                width: first.width, height: first.height, frames: first.frames, generator: first.generator,
                decoder: decoder)
            return DecoderReport.Row(decoder: decoder, seconds: summary, activationBytes: plan.decode)
        }
        return DecoderReport(
            model: model.id, width: wanted.first?.width ?? 0, height: wanted.first?.height ?? 0,
            frames: wanted.first?.frames ?? 0, latents: wanted.count,
            decoders: try [row(.full), row(.tiny)].compactMap(\.self), speedup: Speedup(pairs),
            alike: Similarity.mean(alike), preview: Summary(previews), step: Summary(steps))
    }

    private func decode(
        _ latent: Tensor, by decoder: LatentDecoder
    ) throws -> (seconds: Double, frames: [RGBImage]) {
        let began = now()
        var frames: [RGBImage] = []
        try model.decode(latent, by: decoder) { frames += try $0.images() }
        return (now() - began, frames)
    }
}

/// What a `DecoderBenchmark` found.
package struct DecoderReport: Codable, Sendable {
    package struct Row: Codable, Sendable {
        package let decoder: LatentDecoder
        /// The seconds from one latent to frames of 8 bits a sample.
        package let seconds: Summary
        /// Predicted, beside the weights where they lie.
        package let activationBytes: Int

        enum CodingKeys: String, CodingKey {
            case decoder, seconds
            case activationBytes = "activation_bytes"
        }
    }

    package let model: String
    package let width, height, frames, latents: Int
    package let decoders: [Row]
    /// How many times as fast the tiny decoder is.
    package let speedup: Speedup?
    /// How alike its frames are to the full one's, frame by frame, the mean of all.
    package let alike: Similarity?
    /// Seconds of a preview by the tiny decoder, and of a step of one latent.
    package let preview, step: Summary?

    /// The figures as a table.
    package var text: String {
        var lines = ["\(model), \(width)x\(height), \(frames) frame\(frames == 1 ? "" : "s"), \(latents) latents"]
        for row in decoders {
            lines.append(
                "  \(row.decoder.rawValue): \(Self.seconds(row.seconds.median)) a decode, "
                    + "\(Self.figure(Double(row.activationBytes) / 1e6, places: 0)) MB of activations")
        }
        if let speedup {
            lines.append(
                "  tiny is \(Self.figure(speedup.ratio, places: 1)) times as fast "
                    + "(\(Self.figure(speedup.low, places: 1)) to \(Self.figure(speedup.high, places: 1)))")
        }
        if let alike {
            let psnr = alike.psnr.map { "PSNR \(Self.figure($0, places: 1)) dB" } ?? "the same pixels"
            lines.append("  beside full: \(psnr)" + (alike.ssim.map { ", SSIM \(Self.figure($0, places: 3))" } ?? ""))
        }
        if let preview, let step {
            lines.append("  a preview takes \(Self.seconds(preview.median)), a step \(Self.seconds(step.median))")
        }
        return lines.joined(separator: "\n")
    }

    private static func seconds(_ value: Double) -> String { "\(figure(value, places: 3)) s" }

    private static func figure(_ value: Double, places: Int) -> String { String(format: "%.\(places)f", value) }
}
