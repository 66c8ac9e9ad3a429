import Foundation
import Jobs
import Testing

@Suite
struct ValidationTests {
    struct Case: Sendable {
        let field: String
        let change: @Sendable (inout GenerationRequest) -> Void

        init(_ field: String, _ change: @escaping @Sendable (inout GenerationRequest) -> Void) {
            self.field = field
            self.change = change
        }
    }

    static let wrong = [
        Case("prompt") { $0.prompt = String(repeating: "é", count: 8193) },
        Case("prompt") { $0.prompt = "a\0b" },
        Case("prompt") { $0.prompt = String(repeating: "very ", count: 100) + "red" },
        Case("negative_prompt") { $0.negativePrompt = "a\0b" },
        Case("size") { $0.width = 65 },
        Case("size") { $0.height = 0 },
        Case("size") { $0.width = -64 },
        Case("size") { ($0.width, $0.height) = (1 << 40, 1 << 40) },
        Case("size") { ($0.width, $0.height) = (256, 64) },
        Case("num_frames") { ($0.kind, $0.frames) = (.video, 8) },
        Case("num_frames") { ($0.kind, $0.frames) = (.video, .min) },
        Case("num_frames") { ($0.kind, $0.frames) = (.video, 401) },
        Case("num_frames") { $0.frames = 5 },
        Case("n") { $0.count = 0 },
        Case("n") { $0.count = 11 },
        Case("n") { ($0.kind, $0.count) = (.video, 2) },
        Case("partial_images") { $0.previews = -1 },
        Case("num_inference_steps") { $0.steps = 0 },
        Case("num_inference_steps") { $0.steps = 1001 },
        Case("guidance_scale") { $0.guidanceScale = .nan },
        Case("guidance_scale_2") { $0.guidanceScale2 = -1 },
        Case("generator") { $0.generator = "nobody" },
        Case("fps") { ($0.kind, $0.fps) = (.video, 0) },
        Case("crf") { ($0.kind, $0.crf) = (.video, 99) },
        Case("preset") { ($0.kind, $0.preset) = (.video, "fastest") },
    ]

    @Test(arguments: wrong.indices)
    func whatCannotBeDoneIsRefusedByTheNameOfItsField(index: Int) throws {
        let model = try AnalyticModel()
        var request = GenerationRequest.image()
        #expect(try request.validate(for: model.pipeline) == 4)
        Self.wrong[index].change(&request)
        do {
            _ = try request.validate(for: model.pipeline)
            Issue.record("accepted")
        } catch ServingError.invalid(let field, let reason) {
            #expect(field == Self.wrong[index].field)
            #expect(!reason.isEmpty)
        }
    }

    @Test func aModelOfPicturesMakesNoClips() throws {
        let model = try AnalyticModel(picturesOnly: true)
        for (frames, wrong) in [(5, "num_frames"), (1, "model")] {
            var request = GenerationRequest.image()
            (request.kind, request.frames) = (.video, frames)
            #expect(throws: ServingError.self) { try request.validate(for: model.pipeline) }
            do {
                _ = try request.validate(for: model.pipeline)
            } catch ServingError.invalid(let field, _) {
                #expect(field == wrong)
            }
        }
        #expect(try GenerationRequest.image().validate(for: model.pipeline) == 4)
    }

    /// Guidance needs something to guide away from, for models that take no empty negative prompt for it.
    @Test func guidanceWithoutANegativePrompt() throws {
        func evaluations(_ picturesOnly: Bool, negative: String?, scale: Float? = nil) throws -> Int {
            let model = try AnalyticModel(picturesOnly: picturesOnly)
            var request = GenerationRequest.image()
            (request.generator, request.negativePrompt, request.guidanceScale) = ("teacher", negative, scale)
            let steps = try request.validate(for: model.pipeline)
            #expect(steps == 6)
            return try model.pipeline.makeGeneration(request.parameters()).evaluations
        }
        #expect(try evaluations(false, negative: nil) == 12)
        #expect(try evaluations(true, negative: nil) == 6)
        #expect(try evaluations(true, negative: " ") == 12)
        #expect(try evaluations(true, negative: " ", scale: 4) == 12)
        #expect(try evaluations(true, negative: nil, scale: 1) == 6)
        #expect(throws: ServingError.self) { try evaluations(true, negative: nil, scale: 4) }
    }

    @Test func whatIsRefusedLeavesNoTrace() async throws {
        let scratch = try Scratch()
        let engine = try scratch.engine(AnalyticModel()) { $0.queueCapacity = 1 }
        for wrong in Self.wrong {
            var request = GenerationRequest.image()
            wrong.change(&request)
            await #expect(throws: ServingError.self) { try await engine.submit(request) }
        }
        var stranger = GenerationRequest.image()
        stranger.model = "stranger"
        await #expect(throws: ServingError.unknownModel("stranger", known: ["analytic"])) {
            try await engine.submit(stranger)
        }
        #expect(try await engine.jobs().jobs.isEmpty)
        #expect(engine.readiness == .ready)
        #expect(try scratch.artifacts(of: "state").isEmpty)
    }

    @Test func seedsAreDrawnWhenNoneIsGiven() {
        let seeds = (0..<20).map { _ in
            GenerationRequest(kind: .image, prompt: "", model: "m", width: 16, height: 16).seed
        }
        #expect(Set(seeds).count > 15)
        #expect(seeds.allSatisfy { $0 <= UInt64(UInt32.max) })
        let last = GenerationRequest(kind: .image, prompt: "", model: "m", width: 16, height: 16, count: 2, seed: .max)
        #expect(last.seed(ofImage: 1) == 0)
    }
}
