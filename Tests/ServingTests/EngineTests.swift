import Diffusion
import Foundation
import Jobs
import Pipelines
import Tensor
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EngineTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// The picture, from the recurrence x <- x + (sigma' - sigma) v in float64 over the four sigmas of the student.
    private func pixels(prompt: String, seed: UInt64) -> [UInt8] {
        let noise = GaussianNoise(seed: seed, purpose: .initialLatent).tensor(shape: [3, 1, 6, 8]).array
        let offset = Double(AnalyticModel.value(of: prompt))
        let steps = [
            (1.0, 0.9375, 0.5, offset), (0.9375, 5.0 / 6, 0.5, offset),
            (5.0 / 6, 0.625, 0.25, -offset), (0.625, 0, 0.25, -offset),
        ]
        let latent = noise.map { start in
            steps.reduce(Double(start)) { x, step in x + (step.1 - step.0) * (step.2 * x + step.3) }
        }
        var pixels: [UInt8] = []
        for y in 0..<48 {
            for x in 0..<64 {
                for channel in 0..<3 {
                    let value = 0.5 + 0.125 * latent[(channel * 6 + y / 8) * 8 + x / 8]
                    pixels.append(UInt8((min(max(value, 0), 1) * 255).rounded()))
                }
            }
        }
        return pixels
    }

    @Test func anImageJobMakesThePictureOfItsSeed() async throws {
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.image("a blue cat", seed: 41))
        #expect(job.state == .succeeded)
        #expect(job.step == 4 && job.steps == 4 && job.progress == 1)
        let artifact = try #require(job.artifacts.first)
        #expect(artifact.contentType == "image/png")
        let decoded = try output(
            "ffmpeg", "-v", "error", "-i", artifact.path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
        let expected = pixels(prompt: "a blue cat", seed: 41)
        try #require(decoded.count == expected.count)
        let worst = zip(decoded, expected).map { abs(Int($0) - Int($1)) }.max() ?? 0
        #expect(worst <= 1)
        #expect(try Data(contentsOf: URL(filePath: artifact.path)).count == artifact.bytes)

        #expect(job.timings.steps.map(\.expert) == ["transformer", "transformer", "transformer_2", "transformer_2"])
        #expect(job.timings.steps.map(\.phase) == ["high noise", "high noise", "low noise", "low noise"])
        #expect(job.timings.steps.map(\.sigma) == [1, 0.9375, 5.0 / 6, 0.625])
        #expect(job.timings.decode != nil && job.timings.encode != nil && job.timings.text != nil)
        // What the row keeps is what the last event told.
        await engine.drain(within: 10)
        let again = try await scratch.engine(AnalyticModel()).job(job.id)
        #expect(again.artifacts == job.artifacts)
        #expect(again.timings == job.timings)
        #expect(again.request == job.request)
    }

    @Test func pictureAndClipSayHowTheyWereMade() async throws {
        let engine = try scratch.engine(AnalyticModel())
        var request = GenerationRequest.image("ein Bär, 熊", seed: 3)
        request.negativePrompt = "blur"
        let image = try await engine.run(request)
        let text = try await String(decoding: engine.files(of: image)[0], as: UTF8.self)
        #expect(
            text.contains(
                "ein Bär, 熊\nNegative prompt: blur\nSteps: 4, Sampler: euler, CFG scale: 1.0, CFG scale 2: 1.0, Seed: 3, "
                    + "Size: 64x48, Model: analytic, Generator: student"))
        let video = try await engine.run(.video())
        let tags = try output(
            "ffprobe", "-v", "error", "-show_entries", "format_tags=comment", "-of", "json", video.artifacts[0].path)
        #expect(String(decoding: tags, as: UTF8.self).contains("Frames: 9, FPS: 12"))
    }

    @Test func aVideoJobMakesAClipOfItsFrames() async throws {
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.video(frames: 9))
        #expect(job.state == .succeeded)
        #expect(job.artifacts.map(\.contentType) == ["video/mp4"])
        let json = try output(
            "ffprobe", "-v", "error", "-count_frames", "-show_entries",
            "stream=codec_name,width,height,nb_read_frames,r_frame_rate", "-of", "csv=p=0", job.artifacts[0].path)
        #expect(String(decoding: json, as: UTF8.self) == "h264,64,48,12/1,9\n")
        #expect(try scratch.artifacts(of: "state") == ["\(job.id)-0.mp4"])
    }

    @Test(arguments: [64 * 48, 2 * 64 * 48, 8 * 64 * 48])
    func imagesOfOneJobEqualSingleOnes(batchPixels: Int) async throws {
        let engine = try scratch.engine(AnalyticModel()) { $0.batchPixels = batchPixels }
        let together = try await engine.run(.image(count: 3, seed: 100))
        #expect(together.artifacts.count == 3)
        let files = try await engine.files(of: together)
        for (index, file) in files.enumerated() {
            let single = try await engine.run(.image(seed: 100 + UInt64(index)))
            #expect(try await engine.files(of: single) == [file])
        }
        #expect(Set(files).count == 3)
    }

    @Test func theNetworksOfAModelFolderDoTheSame() async throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/wan22-tiny").path
        let engine = try scratch.engine(Pipeline(folder: folder, compute: Compute(threads: 2)))
        var request = GenerationRequest(
            kind: .image, prompt: "a cat", model: "wan22-tiny", width: 32, height: 32, count: 2, seed: 5, steps: 3,
            guidanceScale: 3, previews: 1)
        let together = try await engine.run(request)
        #expect(together.failure == nil)
        let files = try await engine.files(of: together)
        request.count = 1
        request.seed = 6
        let single = try await engine.run(request)
        #expect(try await engine.files(of: single) == [files[1]])
        request.kind = .video
        request.frames = 5
        let video = try await engine.run(request)
        #expect(video.failure == nil)
        #expect(video.artifacts.count == 1)
    }

    @Test func theTeacherUsesItsNegativePrompt() async throws {
        let model = try AnalyticModel()
        let engine = try scratch.engine(model)
        let request = GenerationRequest.image("a", generator: "teacher")
        let plain = try await engine.files(of: engine.run(request))
        var negative = request
        negative.negativePrompt = "ugly"
        #expect(try await engine.files(of: engine.run(negative)) != plain)
        // "a", "" and "ugly" are encoded once each, the student's "a" not again.
        _ = try await engine.run(.image("a"))
        #expect(model.parts.encodings.load(ordering: .relaxed) == 3)
    }

    @Test func numbersThatAreNotFiniteAreAnError() async throws {
        var request = GenerationRequest.image()
        let broken = try scratch.engine("broken", AnalyticModel(gain: 1e6))
        for kind in GenerationRequest.Kind.allCases {
            request.kind = kind
            let job = try await broken.run(request)
            #expect(job.state == .failed)
            #expect(job.failure?.code == "not_finite")
            #expect(job.artifacts.isEmpty)
        }
        #expect(try scratch.artifacts(of: "broken").isEmpty)
        // The engine goes on.
        #expect(broken.readiness == .ready)
        // The VAE is not blamed for what it was given.
        let endless = try scratch.engine("endless", AnalyticModel(stepGain: .infinity))
        let message = try await endless.run(.image()).failure?.message ?? ""
        #expect(
            message.hasPrefix("the steps of ") && message.hasSuffix(" gave values that are not finite numbers"),
            "\(message)")
    }

    @Test func metricsCountWhatHappened() async throws {
        let engine = try scratch.engine(AnalyticModel())
        _ = try await engine.run(.image())
        _ = try await engine.run(.image(seed: 8))
        let text = await engine.renderMetrics()
        #expect(text.contains("phasor_jobs_accepted_total{kind=\"image\"} 2\n"))
        #expect(text.contains("phasor_jobs_finished_total{kind=\"image\",state=\"succeeded\"} 2\n"))
        let steps = "phasor_step_seconds_count{phase=\"high noise\",expert=\"transformer\"} 4\n"
        #expect(text.contains(steps))
        // High to low, and back for the second job, and to low again.
        #expect(text.contains("phasor_expert_switches_total{policy=\"phase_synchronous\"} 3\n"))
        #expect(text.contains("phasor_jobs{state=\"queued\"} 0\n"))
        #expect(text.contains("# TYPE phasor_step_seconds histogram\n"))
    }
}
