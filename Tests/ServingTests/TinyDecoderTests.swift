import Foundation
import Jobs
import Media
import Models
import Pipelines
import Serving
import Testing

/// Requests that a tiny decoder serves.
@Suite(.timeLimit(.minutes(5))) struct TinyDecoderTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private static func request(_ decoder: LatentDecoder?, previews: Int = 0) -> GenerationRequest {
        var request = GenerationRequest.image(count: 2, previews: previews, generator: "teacher")
        request.decoder = decoder
        return request
    }

    @Test func whatIsNotThereIsRefusedByName() async throws {
        let engine = try scratch.engine(AnalyticModel())
        await #expect {
            try await engine.submit(Self.request(.tiny))
        } throws: { error in
            guard case ServingError.invalid("decoder", let reason) = error else { return false }
            return reason.contains("full alone") && reason.contains("--preview-vae")
        }
        #expect(try await engine.run(Self.request(.full)).state == .succeeded)
    }

    /// The decoder is told in the file, in the record and in the job; files of the model's own say nothing new.
    @Test func theDecoderIsTold() async throws {
        let engine = try scratch.engine(AnalyticModel(hasTiny: true))
        let (plain, full) = (try await engine.run(Self.request(nil)), try await engine.run(Self.request(.full)))
        let tiny = try await engine.run(Self.request(.tiny))
        #expect(plain.ran?.decoder == .full && tiny.ran?.decoder == .tiny)
        let (first, second, third) = (
            try await engine.files(of: plain), try await engine.files(of: full), try await engine.files(of: tiny)
        )
        #expect(first[0] != third[0] && first[0].count > 0)
        func texts(_ job: Job) throws -> (text: String, record: String) {
            let notes = try FileNotes(path: job.artifacts[0].path)
            return (notes.parameters ?? "", notes.record ?? "")
        }
        #expect(try texts(tiny).text.contains("VAE Decoder: tiny"))
        #expect(try texts(tiny).record.contains(#""decoder":"tiny""#))
        #expect(try !texts(plain).text.contains("Decoder") && !texts(plain).record.contains("decoder"))
        // The same model without a tiny decoder makes the same file.
        let other = try scratch.engine("other", AnalyticModel())
        #expect(try await other.files(of: other.run(Self.request(nil))) == first)
        #expect(try PNG.decode(path: plain.artifacts[0].path).bytes == PNG.decode(path: full.artifacts[0].path).bytes)
        #expect(second.count == 2)
    }

    /// Half as bright: the tiny decoder makes the previews whatever makes the picture, and one of each step but the last.
    @Test(arguments: [LatentDecoder.full, .tiny]) func previewsAreTheTinyDecoders(decoder: LatentDecoder) async throws {
        let engine = try scratch.engine(AnalyticModel(hasTiny: true))
        let bright = try scratch.engine("bright", AnalyticModel())
        func previews(_ engine: Engine, _ request: GenerationRequest) async throws -> [JobEvent.Preview] {
            var all: [JobEvent.Preview] = []
            for await event in try await engine.events(of: engine.submit(request).id, after: 0) {
                if let preview = event.preview { all.append(preview) }
            }
            return all
        }
        let count = GenerationRequest.previewEveryStep
        var request = Self.request(decoder, previews: count)
        request.count = 1
        let dark = try await previews(engine, request)
        #expect(dark.map(\.step) == [1, 2, 3, 4, 5])
        request.decoder = nil
        let own = try await previews(bright, request)
        func pixels(_ preview: JobEvent.Preview) throws -> [UInt8] {
            let path = scratch("preview.png")
            try Data(preview.file).write(to: URL(filePath: path))
            return try PNG.decode(path: path).bytes
        }
        for (a, b) in zip(dark, own) {
            #expect(try zip(pixels(a), pixels(b)).allSatisfy { abs(2 * Int($0) - Int($1)) <= 2 })
        }
    }

    /// A run that was stopped between two steps is decoded by what was asked for.
    @Test func aStoppedRunIsDecodedByTheSameDecoder() async throws {
        let alone = try scratch.engine("alone", AnalyticModel(hasTiny: true))
        let expected = try await alone.files(of: alone.run(Self.request(.tiny)))
        let gate = Gate(at: "evaluation 4")
        let engine = try scratch.engine(AnalyticModel(gate: gate, hasTiny: true))
        let id = try await engine.submit(Self.request(.tiny)).id
        try await gate.arrival()
        async let drained: Void = engine.drain(within: 0)
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        gate.open()
        await drained
        let next = try scratch.engine(AnalyticModel(hasTiny: true))
        #expect(try await next.files(of: next.end(of: id)) == expected)
    }

    @Test func aClipIsDecodedFrameByFrame() async throws {
        let engine = try scratch.engine(AnalyticModel(hasTiny: true))
        var request = GenerationRequest.video()
        request.decoder = .tiny
        let job = try await engine.run(request)
        #expect(job.state == .succeeded && job.ran?.decoder == .tiny)
        #expect(try VideoReader.tags(path: job.artifacts[0].path)["comment"]?.contains("VAE Decoder: tiny") == true)
    }
}
