import Blobs
import Foundation
import GRDB
import Jobs
import Serving
import Testing

/// Finished files that are kept in a blob store as well.
@Suite(.timeLimit(.minutes(5)))
struct BlobServingTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func blobs() throws -> FolderBlobs { try FolderBlobs(path: scratch("shared")) }

    private var stored: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: scratch("shared")).sorted() }
    }

    @Test func aFileIsThereBeforeItsJobSucceedsAndComesBackWhenItsCopyIsGone() async throws {
        let store = try blobs()
        let engine = try scratch.engine(AnalyticModel()) { $0.store.blobs = store }
        let jobs = try await [engine.run(.image(count: 2)), engine.run(.video())]
        let artifacts = jobs.flatMap(\.artifacts)
        #expect(try stored == scratch.artifacts(of: "state") && stored.count == 3)
        let files = try artifacts.map { try Data(contentsOf: URL(filePath: $0.path)) }
        for artifact in artifacts { unlink(artifact.path) }
        // Many ask at once.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for artifact in artifacts + artifacts + artifacts {
                group.addTask {
                    let path = try await engine.artifact(artifact.id).path
                    #expect(path == artifact.path)
                }
            }
            try await group.waitForAll()
        }
        #expect(try artifacts.map { try Data(contentsOf: URL(filePath: $0.path)) } == files)
        // Gone everywhere, by somebody's hand.
        unlink(artifacts[0].path)
        unlink(scratch("shared/\(URL(filePath: artifacts[0].path).lastPathComponent)"))
        await #expect(throws: ServingError.expiredArtifact(artifacts[0].id)) {
            try await engine.artifact(artifacts[0].id)
        }
        try await engine.delete(jobs[1].id)
        #expect(try stored.count == 1 && scratch.artifacts(of: "state").count == 1)
    }

    @Test func aStoreThatIsAwayKeepsTheJobWaitingNotFailing() async throws {
        let store = try blobs()
        let model = try AnalyticModel()
        let engine = try scratch.engine(model) { $0.store.blobs = store }
        try FileManager.default.removeItem(atPath: scratch("shared"))
        let id = try await engine.submit(.image()).id
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(2)) }
        #expect("\(engine.readiness)".contains(scratch("shared")))
        #expect(try await engine.job(id).state == .running)
        try FileManager.default.createDirectory(atPath: scratch("shared"), withIntermediateDirectories: false)
        let done = try await engine.end(of: id)
        #expect(done.state == .succeeded && engine.readiness == .ready)
        let alone = try scratch.engine("alone", AnalyticModel())
        #expect(try await engine.files(of: done) == alone.files(of: alone.run(.image())))
        #expect(try stored == scratch.artifacts(of: "state"))
    }

    /// Retention takes files from both; what the store does not give up now it gives up later.
    @Test func retentionTakesFilesFromTheStoreToo() async throws {
        let store = try blobs()
        let engine = try scratch.engine(AnalyticModel()) { $0.store.blobs = store }
        let job = try await engine.run(.image(count: 2))
        await engine.drain(within: 10)
        #expect(try stored.count == 2)
        // A folder in the place of a file cannot be unlinked.
        let first = URL(filePath: job.artifacts[0].path).lastPathComponent
        unlink(scratch("shared/\(first)"))
        try FileManager.default.createDirectory(atPath: scratch("shared/\(first)"), withIntermediateDirectories: false)
        func retain() throws {
            var options = StoreOptions(folder: scratch("state"))
            (options.blobs, options.retentionSeconds) = (store, 0)
            let folder = try JobStore(options: options, logger: .init(label: "test"))
            defer { folder.release() }
            try folder.retain(now: Date().addingTimeInterval(1))
        }
        #expect(throws: ServingError.self) { try retain() }
        #expect(try scratch.artifacts(of: "state").isEmpty && stored == [first])
        try FileManager.default.removeItem(atPath: scratch("shared/\(first)"))
        try Data("x".utf8).write(to: URL(filePath: scratch("shared/\(first)")))
        try retain()
        #expect(try stored.isEmpty)
        let next = try scratch.engine(AnalyticModel()) { $0.store.blobs = store }
        await #expect(throws: ServingError.expiredArtifact(job.artifacts[1].id)) {
            try await next.artifact(job.artifacts[1].id)
        }
    }

    @Test func copiesGoByTheirSizeAndTheFilesStay() async throws {
        let store = try blobs()
        let engine = try scratch.engine(AnalyticModel()) { $0.store.blobs = store }
        let jobs = try await [engine.run(.image(seed: 1)), engine.run(.image(seed: 2))]
        let files = try await [engine.files(of: jobs[0]), engine.files(of: jobs[1])]
        await engine.drain(within: 10)
        utimes(jobs[1].artifacts[0].path, [timeval(tv_sec: 1000, tv_usec: 0), timeval(tv_sec: 1000, tv_usec: 0)])
        var options = StoreOptions(folder: scratch("state"))
        (options.blobs, options.cacheBytes) = (store, files[0][0].count)
        let folder = try JobStore(options: options, logger: .init(label: "test"))
        try folder.retain(now: Date())
        folder.release()
        #expect(
            try scratch.artifacts(of: "state") == [URL(filePath: jobs[0].artifacts[0].path).lastPathComponent])
        #expect(try stored.count == 2)
        let next = try scratch.engine(AnalyticModel()) { $0.store.blobs = store }
        #expect(try await next.files(of: jobs[1]) == files[1])
    }
}
