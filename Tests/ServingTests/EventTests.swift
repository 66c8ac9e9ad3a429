import Foundation
import Jobs
import Serving
import Testing

@Suite(.timeLimit(.minutes(5)))
struct EventTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private static let wholeStory: [JobEvent.Name] = [
        .queued, .step, .step, .preview, .step, .preview, .step, .preview, .step, .decoding, .encoding, .done,
    ]

    /// A job that waits behind another, which is held, so that nothing of it is missed.
    private func story(_ request: GenerationRequest) async throws -> (Engine, [JobEvent]) {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        _ = try await engine.submit(.image("the first"))
        try await gate.arrival()
        let job = try await engine.submit(request)
        let stream = try await engine.events(of: job.id)
        gate.open()
        var events: [JobEvent] = []
        for await event in stream { events.append(event) }
        return (engine, events)
    }

    @Test func eventsTellTheWholeStoryInOrder() async throws {
        let (_, events) = try await story(.image(previews: 3))
        #expect(events.map(\.name) == Self.wholeStory)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.id < $1.id })
        #expect(events[0].job.queuePosition == 0)
        let steps = events.filter { $0.name == .step }
        #expect(steps.map(\.job.step) == [0, 1, 2, 3, 4])
        #expect(steps.map(\.job.sigma) == [1, 1, 0.9375, 5.0 / 6, 0.625])
        #expect(
            steps.map(\.job.expert) == ["transformer", "transformer", "transformer", "transformer_2", "transformer_2"])
        #expect(steps.map { $0.seconds != nil } == [false, true, true, true, true])
        #expect(events.dropLast().allSatisfy { $0.job.state == .running || $0.name == .queued })
        #expect(events.last?.job.artifacts.count == 1)
    }

    @Test func previewsArePicturesOfTheirSteps() async throws {
        let (_, events) = try await story(.image(count: 2, previews: 2))
        let previews = events.compactMap(\.preview)
        #expect(previews.map(\.image) == [0, 1, 0, 1])
        #expect(previews.map(\.index) == [0, 0, 1, 1])
        #expect(previews.map(\.step) == [1, 1, 2, 2])
        #expect(Set(previews.map(\.file)).count == 4)
        for preview in previews {
            let path = scratch("preview.png")
            try Data(preview.file).write(to: URL(filePath: path))
            let size = try output(
                "ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", path)
            #expect(String(decoding: size, as: UTF8.self) == "64,48\n")
        }
        let (_, video) = try await EventTests().story(.video())
        #expect(video.allSatisfy { $0.preview == nil })
    }

    @Test func aVideoIsPreviewedByItsFirstFrame() async throws {
        var request = GenerationRequest.video()
        request.previews = GenerationRequest.previewEveryStep
        let (_, events) = try await story(request)
        #expect(events.map(\.name) == Self.wholeStory)
    }

    @Test func aStreamIsTakenUpWhereItBroke() async throws {
        let (engine, events) = try await story(.image(previews: 3))
        let id = try #require(events.first).job.id
        for position in [0, 4, 10] {
            var rest: [Int64] = []
            for await event in try await engine.events(of: id, after: events[position].id) { rest.append(event.id) }
            #expect(rest == events[(position + 1)...].map(\.id))
        }
        // Nothing followed the last one.
        for await event in try await engine.events(of: id, after: events.last?.id) { Issue.record("\(event.name)") }
    }

    @Test func whoComesLateHearsHowItEnded() async throws {
        let (engine, events) = try await story(.image())
        let done = try #require(events.last)
        var late: [JobEvent] = []
        for await event in try await engine.events(of: done.job.id) { late.append(event) }
        #expect(late.map(\.name) == [.done])
        #expect(late.first?.job == done.job)
        // And after a restart, from the disk.
        await engine.drain(within: 10)
        let next = try scratch.engine(AnalyticModel())
        for after in [nil, events[3].id] {
            late = []
            for await event in try await next.events(of: done.job.id, after: after) { late.append(event) }
            #expect(late.map(\.name) == [.done])
            #expect(late.first?.job.artifacts == done.job.artifacts)
        }
        for await event in try await next.events(of: done.job.id, after: done.id) { Issue.record("\(event.name)") }
        await #expect(throws: ServingError.unknownJob("nobody")) { try await next.events(of: "nobody") }
    }

    @Test func whoComesInBetweenHearsThePresentState() async throws {
        let gate = Gate(at: "evaluation 3")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let job = try await engine.submit(.image(previews: 3))
        try await gate.arrival()
        var names: [JobEvent.Name] = []
        for await event in try await engine.events(of: job.id) {
            if names.isEmpty {
                #expect(event.job.step == 2)
                gate.open()
            }
            names.append(event.name)
        }
        #expect(names == [.step, .step, .preview, .step, .decoding, .encoding, .done])
    }

    @Test func theJobObjectHasAllItsKeys() async throws {
        let (_, events) = try await story(.image("x", seed: UInt64(Int64.max)))
        for event in events {
            let object = try #require(
                try JSONSerialization.jsonObject(with: JSONEncoder().encode(event.job)) as? [String: Any])
            #expect(
                Set(object.keys) == [
                    "id", "object", "kind", "priority", "state", "progress", "step", "steps", "sigma", "phase",
                    "expert", "ran", "eta_seconds",
                    "queue_position", "created_at", "started_at", "finished_at", "expires_at", "parameters", "timings",
                    "artifacts", "error",
                ])
            #expect(object["object"] as? String == "job")
        }
        let text = String(decoding: try JSONEncoder().encode(try #require(events.last).job), as: UTF8.self)
        #expect(text.contains("\"seed\":9223372036854775807"))
        #expect(text.contains("\"error\":null"))
        #expect(text.contains("\"content_type\":\"image\\/png\""))
    }
}
