import Blobs
import Cluster
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import PostgreSQL
import Serving
import Synchronization
import TestSupport
import Testing

/// Fronts and workers on a real PostgreSQL and a shared folder, in one process.
@Suite(.timeLimit(.minutes(5)), .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct SharedStoreTests {
    let scratch: Scratch
    private let schema = "t" + UUID().uuidString.lowercased().filter { $0 != "-" }

    init() throws { scratch = try Scratch() }

    // MARK: A cluster

    private func process(
        _ name: String, _ model: AnalyticModel, computes: Bool = true, parts: [String]? = nil, lease: Double = 30,
        _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> ClusterProcess {
        var options = ClusterOptions()
        options.schema = schema
        options.leaseSeconds = lease
        options.parts = parts.map { Set($0.map { PartLine.Place(model: AnalyticParts.id, part: Part($0)) }) }
        var serving = EngineOptions(stateFolder: scratch(name))
        change(&serving)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return try ClusterProcess(
            models: [model.pipeline], address: PostgresAddress(PostgresServer.shared.get().address),
            blobs: FolderBlobs(path: scratch("blobs")), folder: WorkFolder(path: scratch(name), isPrivate: true),
            options: options, serving: serving, computes: computes, logger: logger)
    }

    private var blobs: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: scratch("blobs")).sorted() }
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try await !condition() {
            let left = try blobs
            try #require(ContinuousClock.now < deadline, "not within a minute; blobs: \(left)")
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    // MARK: Bytes

    @Test func phasesOnTwoWorkersMakeTheBytesOfOneMachine() async throws {
        let requests: [GenerationRequest] = [
            .image(count: 2), .video(), .image("another", seed: 3, generator: "teacher"), .video(frames: 5),
        ]
        let alone = try scratch.engine("alone", AnalyticModel())
        var expected: [[Data]] = []
        for request in requests { expected.append(try await alone.files(of: alone.run(request))) }

        let (first, second) = (try AnalyticModel(), try AnalyticModel())
        let front = try process("front", AnalyticModel(), computes: false).engine
        let workers = [
            try process("one", first, parts: ["text_encoder", "transformer", "teacher"]),
            try process("two", second, parts: ["transformer_2", "vae"]),
        ]
        var ids: [String] = []
        for request in requests { ids.append(try await front.submit(request).id) }
        for (index, id) in ids.enumerated() {
            let job = try await front.end(of: id)
            #expect(job.state == .succeeded && job.progress == 1)
            #expect(try await front.files(of: job) == expected[index])
            #expect(job.timings.steps.count == job.steps)
        }
        // Embeddings and latents were handed over, not made again.
        #expect(second.parts.encodings.load(ordering: .relaxed) == 0)
        let evaluations =
            first.parts.evaluations.load(ordering: .relaxed) + second.parts.evaluations.load(ordering: .relaxed)
        #expect(evaluations <= 3 * 4 + 2 * 4 + 6)
        // Neither was told to bring weights of what the other does.
        let told = [first, second].map { model in Set(model.parts.expectations.withLock { $0.joined() }.map(\.name)) }
        #expect(told[0] == ["text_encoder", "transformer", "teacher"] && told[1] == ["transformer_2", "vae"])
        // The latents of a finished job go a moment after its end.
        for worker in workers { await worker.engine.drain(within: 5) }
        #expect(
            try blobs
                == ids.enumerated().flatMap { index, id in
                    expected[index].indices.map { "\(id)-\($0).\(requests[index].kind == .image ? "png" : "mp4")" }
                }.sorted())
    }

    @Test func whatAnotherFrontIsAskedItAnswers() async throws {
        let model = try AnalyticModel(gate: Gate(at: "evaluation 3"))
        let fronts = try ["a", "b"].map { try process($0, AnalyticModel(), computes: false) }
        let id = try await fronts[0].engine.submit(.image(previews: 2)).id
        let stream = try await fronts[1].engine.events(of: id)
        let heard = Mutex(false)
        let seen = Task {
            await stream.reduce(into: [JobEvent]()) { events, event in
                events.append(event)
                heard.withLock { $0 = true }
            }
        }
        try await until { heard.withLock { $0 } }
        let worker = try process("worker", model)
        try await model.gate.arrival()
        try await until { try await fronts[1].engine.job(id).step == 2 }
        let running = try await fronts[1].engine.job(id)
        #expect(running.state == .running && running.expert == "transformer" && running.timings.steps.count == 2)
        model.gate.open()
        let done = try await fronts[0].engine.end(of: id)
        let events = await seen.value
        #expect(events.first?.name == .queued && events.last?.name == .done)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.id <= $1.id })
        let previews = events.compactMap(\.preview)
        let story = events.map { "\($0.name) \($0.id) \($0.preview?.index ?? -1)" }
        #expect(previews.map(\.index) == [0, 1], "\(story)")
        #expect(previews.allSatisfy { $0.file.starts(with: [0x89, 0x50, 0x4E, 0x47]) })
        // Whoever reconnects elsewhere hears what followed.
        let half = events[events.count / 2].id
        let rest = try await fronts[0].engine.events(of: id, after: half).reduce(into: [Int64]()) { $0.append($1.id) }
        #expect(rest == events.map(\.id).filter { $0 > half })
        #expect(try await fronts[1].engine.files(of: done) == fronts[0].engine.files(of: done))
        let secrets = try fronts.map { try $0.ledger.secret("link") { [UInt8.random(in: 0...255), 7] } }
        #expect(secrets[0] == secrets[1] && secrets[0].count == 2)
        try await fronts[1].engine.delete(id)
        try await until { try blobs.isEmpty }
        await #expect(throws: ServingError.unknownJob(id)) { try await fronts[0].engine.job(id) }
        await worker.engine.drain(within: 5)
    }

    @Test func aPictureTravelsWithItsJob() async throws {
        let picture = try PictureFile([UInt8](Data(contentsOf: URL(filePath: Self.fixture))))
        var request = GenerationRequest.image()
        request.image = picture.digest
        request.strength = 0.5
        let alone = try scratch.engine("alone", AnalyticModel())
        let expected = try await alone.files(of: alone.end(of: alone.submit(request, pictures: [picture]).id))
        let front = try process("front", AnalyticModel(), computes: false).engine
        let worker = try process("worker", AnalyticModel())
        let job = try await front.end(of: front.submit(request, pictures: [picture]).id)
        #expect(try await front.files(of: job) == expected)
        let path = try await front.picturePath(picture.digest, of: job)
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(picture.bytes))
        // The picture and the file: what was handed over goes a moment later.
        try await until { try blobs.count == 2 }
        try await front.delete(job.id)
        #expect(try blobs == [])
        await worker.engine.drain(within: 5)
    }

    private static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../docs/page-phone.png").standardizedFileURL.path

    // MARK: What goes wrong

    @Test func aWorkerThatIsGoneLosesNothing() async throws {
        let front = try process("front", AnalyticModel(), computes: false)
        let id = try await front.engine.submit(.image()).id
        let lost = try front.ledger.claim(
            worker: "ghost", places: [PartLine.Place(model: AnalyticParts.id, part: .textEncoder)], held: nil, limit: 1,
            lease: 0.3)
        #expect(lost.map(\.job.id) == [id])
        let worker = try process("worker", AnalyticModel())
        let done = try await front.engine.end(of: id)
        #expect(done.state == .succeeded)
        // The one that comes back changes nothing.
        var late = done
        late.state = .failed
        #expect(try !front.ledger.finish(late, fence: lost[0].fence))
        #expect(try await front.engine.job(id).state == .succeeded)
        await worker.engine.drain(within: 5)
    }

    @Test func aWorkerThatStopsHandsItsWorkOn() async throws {
        let model = try AnalyticModel(gate: Gate(at: "evaluation 4"))
        let front = try process("front", AnalyticModel(), computes: false).engine
        let worker = try process("one", model)
        let id = try await front.submit(.video()).id
        try await model.gate.arrival()
        let drained = Task { await worker.engine.drain(within: 0) }
        try await Task.sleep(for: .milliseconds(50))
        model.gate.open()
        await drained.value
        let next = try AnalyticModel()
        let other = try process("two", next)
        let done = try await front.end(of: id)
        let alone = try scratch.engine("alone", AnalyticModel())
        #expect(try await front.files(of: done) == alone.files(of: alone.run(.video())))
        // The steps before the stop were not done again, nor the prompt.
        #expect(next.parts.evaluations.load(ordering: .relaxed) <= 2)
        #expect(next.parts.encodings.load(ordering: .relaxed) == 0)
        await other.engine.drain(within: 5)
    }

    @Test func aCancelledJobStopsWhereverItIs() async throws {
        let model = try AnalyticModel(blockSeconds: 0.02)
        let front = try process("front", AnalyticModel(), computes: false).engine
        let worker = try process("worker", model)
        let id = try await front.submit(.video()).id
        try await until { model.parts.blocks.load(ordering: .relaxed) > 5 }
        #expect(try await front.cancel(id).state == .cancelled)
        let blocks = model.parts.blocks.load(ordering: .relaxed)
        // The worker goes on with the next job.
        let done = try await front.run(.image())
        #expect(done.state == .succeeded)
        #expect(model.parts.blocks.load(ordering: .relaxed) < blocks + 4 * AnalyticModel.blocksPerEvaluation + 60)
        #expect(try await front.job(id).state == .cancelled)
        let again = try await front.retry(id)
        #expect(again.state == .queued)
        #expect(try await front.end(of: id).state == .succeeded)
        await worker.engine.drain(within: 5)
    }

    @Test func aFailureIsToldAndOtherWeightsAreRefused() async throws {
        let front = try process("front", AnalyticModel(), computes: false).engine
        let worker = try process("worker", AnalyticModel())
        let failed = try await front.run(.image(AnalyticModel.poison))
        #expect(failed.state == .failed && failed.failure?.code == "generation_failed")
        await worker.engine.drain(within: 5)
        let id = try await front.submit(.image()).id
        let other = try process("other", AnalyticModel(version: "2"))
        let refused = try await front.end(of: id)
        #expect(refused.failure?.code == "weights_differ")
        #expect(refused.failure?.message.contains("text_encoder") == true)
        await other.engine.drain(within: 5)
    }

    @Test func aWorkerLeavesTheWebhooksOfTheFrontsAlone() async throws {
        // Nobody listens there, so what is to be told stays in the ledger.
        let front = try process("front", AnalyticModel(), computes: false) {
            $0.webhooks.urls = ["http://127.0.0.1:1/"]
        }
        let worker = try process("worker", AnalyticModel())
        let first = try await front.engine.run(.image())
        let other = try process("other", AnalyticModel(), computes: false)
        let second = try await other.engine.run(.image("another"))
        #expect(first.state == .succeeded && second.state == .succeeded)
        #expect(try front.ledger.noticeCount() == 2)
        await worker.engine.drain(within: 5)
    }

    @Test func aFolderOfOneMachineIsNoWorkersFolder() async throws {
        let engine = try scratch.engine("state", AnalyticModel())
        await engine.drain(within: 1)
        #expect(throws: ServingError.self) { try WorkFolder(path: scratch("state"), isPrivate: true) }
    }
}
