import Benchmarks
import Foundation
import Pictures
import Pipelines
import Tensor
import Testing

@Suite struct DecoderBenchmarkTests {
    /// Both decode the same latents; a clock of the test's own tells how long, and the frames how alike.
    @Test func `Both decoders decode the same latents`() throws {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures").standardized
        var files = ModelFiles(folder: fixtures.appending(path: "wan22-tiny").path)
        files.previewVAE = fixtures.appending(path: "taehv-tiny/taew2_1.safetensors").path
        let model = try Pipeline(files, compute: Compute(threads: 2))
        let wanted = (0..<2).map {
            GenerationParameters(prompt: "a cat", width: 64, height: 48, frames: 5, seed: UInt64($0), steps: 2)
        }
        var ticks = 0.0
        var intervals = 0
        let benchmark = DecoderBenchmark(model: model, rounds: 3) {
            // Pairs of calls: 6 s for the first of each three intervals, 2 s and 1 s for the others.
            if intervals % 2 == 1 { ticks += [6, 2, 1][intervals / 2 % 3] }
            intervals += 1
            return ticks
        }
        var told: [Int] = []
        let report = try benchmark.run(wanted) { told.append($0) }
        #expect(told == [1, 2])
        #expect(report.decoders.map(\.decoder) == [.full, .tiny])
        #expect(report.decoders.map(\.seconds.median) == [6, 2] && report.decoders.map(\.seconds.count) == [6, 6])
        #expect(report.speedup?.ratio == 3 && report.preview?.median == 1)
        #expect(report.decoders.allSatisfy { $0.activationBytes > 0 })

        var alike: [Similarity] = []
        for parameters in wanted {
            var run = try Run(parameters, of: model)
            try run.encodeTexts { try model.encode($0, by: $1) }
            _ = try run.finishSteps()
            func images(_ decoder: LatentDecoder) throws -> [RGBImage] {
                var all: [RGBImage] = []
                try model.decode(run.generation.latent, by: decoder) { all += try $0.images() }
                return all
            }
            alike += try zip(images(.full), images(.tiny)).map { Similarity($0, $1) }
        }
        #expect(alike.count == 10 && report.alike == Similarity.mean(alike))
        #expect(report.text.contains("3.0 times as fast") && report.text.contains("PSNR"))
    }
}
