import Foundation
import GRDB
import Jobs
import Testing

@Suite(.timeLimit(.minutes(5)))
struct StorageTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    // MARK: Retention

    @Test func oldArtifactsExpireAndAreToldFromUnknownOnes() async throws {
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.image(count: 2))
        let expiry = try #require(job.expiresAt).timeIntervalSince(try #require(job.finishedAt))
        #expect(abs(expiry - 7 * 86_400) < 1)
        await engine.drain(within: 10)

        let next = try scratch.engine(AnalyticModel()) { $0.store.retentionSeconds = 0 }
        while try await !next.job(job.id).isExpired { try await Task.sleep(for: .milliseconds(5)) }
        let expired = try await next.job(job.id)
        #expect(expired.state == .succeeded)
        #expect(expired.artifacts.map(\.isExpired) == [true, true])
        for artifact in job.artifacts {
            await #expect(throws: ServingError.expiredArtifact(artifact.id)) { try await next.artifact(artifact.id) }
        }
        await #expect(throws: ServingError.unknownArtifact("nothing")) { try await next.artifact("nothing") }
        await next.drain(within: 10)
        #expect(try scratch.artifacts(of: "state").isEmpty)

        let last = try scratch.engine(AnalyticModel()) { $0.store.historySeconds = 0 }
        while (try? await last.job(job.id)) != nil { try await Task.sleep(for: .milliseconds(5)) }
        await #expect(throws: ServingError.unknownArtifact(job.artifacts[0].id)) {
            try await last.artifact(job.artifacts[0].id)
        }
    }

    @Test func theOldestArtifactsGoWhenThereAreTooManyBytes() async throws {
        let engine = try scratch.engine(AnalyticModel())
        var jobs: [Job] = []
        for seed in 0..<4 { jobs.append(try await engine.run(.image(seed: UInt64(seed)))) }
        await engine.drain(within: 10)
        let sizes = jobs.map { $0.artifacts[0].bytes }
        // Room for the last two and a half of the one before.
        let next = try scratch.engine(AnalyticModel()) { $0.store.retentionBytes = sizes[3] + sizes[2] + sizes[1] / 2 }
        while try await !next.job(jobs[0].id).isExpired { try await Task.sleep(for: .milliseconds(5)) }
        var expired: [Bool] = []
        for job in jobs { expired.append(try await next.job(job.id).isExpired) }
        #expect(expired == [true, true, false, false])
        await next.drain(within: 10)
        #expect(try scratch.artifacts(of: "state") == jobs[2...].map { "\($0.id)-0.png" }.sorted())
    }

    // MARK: Disks that do not take it

    @Test func aStateFolderThatCannotBeIsAClearError() throws {
        try Data().write(to: URL(filePath: scratch("file")))
        do {
            _ = try scratch.engine("file/state", AnalyticModel())
            Issue.record("opened")
        } catch ServingError.storage(let operation, let reason) {
            #expect(operation == "creating the folder \(scratch("file/state"))")
            #expect(reason == "Not a directory")
        }
        try FileManager.default.createDirectory(atPath: scratch("damaged"), withIntermediateDirectories: true)
        try Data(repeating: 7, count: 5000).write(to: URL(filePath: scratch("damaged/jobs.sqlite")))
        do {
            _ = try scratch.engine("damaged", AnalyticModel())
            Issue.record("opened")
        } catch ServingError.refusedState(let folder, let reason) {
            #expect(folder == scratch("damaged"))
            #expect(reason.contains("not a database") && reason.contains("phasor recover \(folder)"))
        }
    }

    @Test(arguments: GenerationRequest.Kind.allCases)
    func artifactsThatCannotBeWrittenAreWrittenLater(kind: GenerationRequest.Kind) async throws {
        let gate = Gate(at: "decode")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let job = try await engine.submit(kind == .image ? .image() : .video())
        try await gate.arrival()
        // A link to nowhere: creating a file below it fails, as it does for want of rights or room.
        let folder = scratch("state/artifacts")
        try FileManager.default.moveItem(atPath: folder, toPath: scratch("aside"))
        try FileManager.default.createSymbolicLink(atPath: folder, withDestinationPath: "/proc/self/mem")
        gate.open()
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        guard case .notReady(let reason) = engine.readiness else { return }
        #expect(reason.contains(folder))
        #expect(try await engine.job(job.id).state == .running)
        try FileManager.default.removeItem(atPath: folder)
        try FileManager.default.moveItem(atPath: scratch("aside"), toPath: folder)
        let done = try await engine.end(of: job.id)
        #expect(done.state == .succeeded)
        #expect(try await engine.files(of: done)[0].count == done.artifacts[0].bytes)
        #expect(engine.readiness == .ready)
    }

    @Test func aJobThatCannotBeSavedCanBeCancelled() async throws {
        let gate = Gate(at: "decode")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let job = try await engine.submit(.image())
        try await gate.arrival()
        try FileManager.default.removeItem(atPath: scratch("state/artifacts"))
        gate.open()
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        try await engine.cancel(job.id)
        #expect(try await engine.end(of: job.id).state == .cancelled)
    }

    @Test func aLockedDatabaseRefusesNewJobsAndLosesNone() async throws {
        let gate = Gate(at: "decode")
        let engine = try scratch.engine(AnalyticModel(gate: gate))
        let job = try await engine.submit(.image())
        try await gate.arrival()
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let other = try DatabaseQueue(path: scratch("state/jobs.sqlite"), configuration: configuration)
        try await other.writeWithoutTransaction { try $0.execute(sql: "BEGIN IMMEDIATE") }
        gate.open()
        do {
            _ = try await engine.submit(.image(seed: 2))
            Issue.record("accepted")
        } catch ServingError.storage(let operation, let reason) {
            #expect(operation == "storing a job")
            #expect(reason.contains("locked"))
        }
        // The running one has finished computing, and waits as well.
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await engine.job(job.id).state == .running)
        try await other.writeWithoutTransaction { try $0.execute(sql: "ROLLBACK") }
        #expect(try await engine.end(of: job.id).state == .succeeded)
        #expect(try await engine.run(.image(seed: 2)).state == .succeeded)
        #expect(try await engine.jobs().jobs.count == 2)
    }
}
