import Blobs
import Cluster
import Foundation
import Jobs
import PostgreSQL
import Synchronization
import TestSupport
import Testing

/// What several machines see of one database.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct SharedTests {
    private let text = PartLine.Place(model: "m", part: "text")

    // MARK: Events

    @Test func `Two fronts see the same events of a job, and where it is`() async throws {
        let bench = try Bench(.postgres)
        let worker = try #require(bench.postgres)
        let front = try bench.another()
        let job = try await worker.insert(.new(), idempotency: nil).job
        let queued = try await front.events(of: job.id, after: nil).events
        #expect(queued.map(\.name) == [.queued] && queued[0].job.state == .queued && queued[0].job.queuePosition == 0)

        let claim = try #require(try worker.claim(worker: "w", places: [text], held: nil, limit: 1).first)
        var running = claim.job
        var blobs: [String] = []
        for step in 1...3 {
            running.timings.steps.append(
                .init(step: step, sigma: 1 / Float(step), phase: "p\(step)", expert: "e", seconds: 0.5))
            running.show(running.timings.steps.last)
            blobs.append("\(job.id)-preview-\(step)")
            let told = try worker.append([
                WorkEvent(.step, running, fence: claim.fence),
                WorkEvent(
                    .preview, running, fence: claim.fence,
                    preview: .init(image: 0, index: step - 1, step: step, blob: blobs[step - 1])),
            ])
            #expect(told.lost.isEmpty && told.givenUp.isEmpty)
        }
        let shown = try await front.job(job.id)
        #expect(shown.state == .running && shown.step == 3 && shown.sigma == 1 / Float(3) && shown.phase == "p3")
        #expect(shown.timings == running.timings)
        let all = try await front.events(of: job.id, after: queued[0].id).events
        #expect(all.map(\.name) == [.step, .preview, .step, .preview, .step, .preview])
        #expect(all.map(\.job.step) == [1, 1, 2, 2, 3, 3] && all.compactMap(\.preview?.blob) == blobs)
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.id < $1.id } && queued[0].id < all[0].id)
        #expect(all.allSatisfy { abs(Double($0.id) / 1e6 - Date().timeIntervalSince1970) < 60 })
        // From the middle on, from nowhere, from beyond the end, and with nothing new.
        #expect(try await front.events(of: job.id, after: all[2].id).events.map(\.id) == all.dropFirst(3).map(\.id))
        #expect(try await front.events(of: job.id, after: nil).events.map(\.id) == [all[4].id])
        #expect(try await front.events(of: job.id, after: all[5].id + 5_000_000).events.map(\.id) == [all[4].id])
        #expect(try await front.events(of: job.id, after: all[5].id).events.isEmpty)

        // Cancelled at another front.
        #expect(try await front.cancel(shown, at: Date()))
        let end = try await worker.events(of: job.id, after: all[5].id).events
        #expect(
            end.map(\.name) == [.cancelled] && end[0].job.state == .cancelled && end[0].job.timings == running.timings)
        #expect(try worker.append([WorkEvent(.step, running, fence: claim.fence)]).lost == [job.id])
        #expect(try await front.events(of: job.id, after: end[0].id).events.isEmpty)
        try await front.delete(job.id)
        await #expect(throws: ServingError.unknownJob(job.id)) { try await worker.events(of: job.id, after: nil) }
    }

    @Test func `No more events are kept than a watcher needs`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        let job = try await ledger.insert(.new(), idempotency: nil).job
        let claim = try #require(try ledger.claim(worker: "w", places: [text], held: nil, limit: 1).first)
        var given: [String] = []
        var gone: [String] = []
        for round in 0..<40 {
            given.append("preview-\(round)")
            var events = (0..<9).map { _ in WorkEvent(.step, claim.job, fence: claim.fence) }
            events.append(
                WorkEvent(
                    .preview, claim.job, fence: claim.fence,
                    preview: .init(image: 0, index: round, step: round, blob: given[round])))
            gone += try ledger.append(events).givenUp
        }
        let kept = try await ledger.events(of: job.id, after: 0).events
        #expect(kept.count <= EventLog.capacity && kept.count > EventLog.capacity - 10)
        #expect(kept.compactMap(\.preview?.blob) == given.suffix(EventLog.previewCapacity))
        #expect(gone == given.dropLast(EventLog.previewCapacity))
    }

    @Test func `What happens is told to whoever listens, once for many`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        let heard = Mutex<[LedgerNews]>([])
        let listener = ledger.listen { news in heard.withLock { $0.append(news) } }
        defer { listener.stop() }
        func until(_ condition: ([LedgerNews]) -> Bool) async throws {
            for _ in 0..<1000 {
                if condition(heard.withLock { $0 }) { return }
                try await Task.sleep(for: .milliseconds(5))
            }
            Issue.record("\(heard.withLock { $0 })")
        }
        func lines() -> Int { heard.withLock { $0.count { if case .line = $0 { true } else { false } } } }
        func jobs() -> Set<String> {
            heard.withLock { Set($0.flatMap { if case .jobs(let ids) = $0 { ids } else { [String]() } }) }
        }
        try await until { $0 == [.connected] }
        let first = try await ledger.insert(.new("x", model: "model of \"mine\""), idempotency: nil).job
        try await until { _ in jobs() == [first.id] }
        #expect(heard.withLock { $0.contains(.line(model: "model of \"mine\"", part: "text")) })
        // The line is not empty: nobody is woken.
        for _ in 0..<20 { _ = try await ledger.insert(.new("x", model: "model of \"mine\""), idempotency: nil) }
        try await until { _ in jobs().count == 21 }
        #expect(lines() == 1)
        let place = PartLine.Place(model: "model of \"mine\"", part: "text")
        while try !ledger.claim(worker: "w", places: [place], held: nil, limit: 9).isEmpty {}
        _ = try await ledger.retry({ try await ledger.cancel(first, at: Date()) ? first.id : "" }())
        try await until { _ in lines() == 2 }
    }

    // MARK: Notices and retention

    @Test func `Two fronts do not tell one notice at once`() async throws {
        let bench = try Bench(.postgres)
        let fronts = try [#require(bench.postgres), bench.another()]
        #expect(try fronts[0].setWebhooks(["a"]) == 0 && fronts[1].setWebhooks(["a"]) == 0)
        for _ in 0..<30 {
            #expect(try await fronts[0].cancel(fronts[0].insert(.new(), idempotency: nil).job, at: Date()))
        }
        let told = try await withThrowingTaskGroup(of: [EndNotice].self) { group in
            for index in 0..<6 { group.addTask { try fronts[index % 2].dueNotices(for: "a", at: Date(), limit: 7) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(told.count == 30 && Set(told.map(\.id)).count == 30)
        // One that was asked for and not told is told by another a minute later.
        for notice in told.dropFirst(2) { try fronts[1].settle(notice) }
        #expect(try fronts[1].dueNotices(for: "a", at: Date().addingTimeInterval(55), limit: 99).isEmpty)
        let again = try fronts[1].dueNotices(for: "a", at: Date().addingTimeInterval(65), limit: 99)
        #expect(Set(again.map(\.id)) == Set(told.prefix(2).map(\.id)))
    }

    @Test func `Old artifacts go, then old jobs`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        var jobs: [Job] = []
        for days in [100, 20, 3, 1, 0] {
            let job = try await ledger.insert(.new(), idempotency: nil).job
            try bench.start(job)
            #expect(try bench.end(job, .succeeded))
            try bench.edit(job.id, "finished_at = finished_at - \(days) * 86400")
            jobs.append(job)
        }
        // It has a copy here.
        let copy = try await ledger.artifact("artifact_\(jobs[1].id)").path
        #expect(FileManager.default.fileExists(atPath: copy))
        #expect(try ledger.retain() == (2, 1))
        #expect(!FileManager.default.fileExists(atPath: copy))
        await #expect(throws: ServingError.unknownJob(jobs[0].id)) { try await ledger.job(jobs[0].id) }
        #expect(try await ledger.job(jobs[1].id).isExpired)
        await #expect(throws: ServingError.expiredArtifact("artifact_\(jobs[1].id)")) {
            try await ledger.artifact("artifact_\(jobs[1].id)")
        }
        #expect(try bench.files() == jobs.suffix(3).map { "\($0.id)-0.png" }.sorted())
        // By size, the youngest stay: each file has 44 bytes.
        let small = try bench.another { $0.retentionBytes = 100 }
        #expect(try small.retain() == (1, 0) && bench.files() == jobs.suffix(2).map { "\($0.id)-0.png" }.sorted())
        #expect(try small.retain() == (0, 0))
        // How it ended is known without its events.
        let end = try await ledger.events(of: jobs[2].id, after: nil).events
        #expect(end.map(\.name) == [.done] && end[0].job.state == .succeeded)
        #expect(try await ledger.events(of: jobs[4].id, after: nil).events.map(\.name) == [.done])
    }

    /// What workers leave that are killed between a blob and its row: no row names it.
    @Test func `What no row names goes with the job's events, and all of a job with the job`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        let store = try FolderBlobs(path: "\(bench.folder)/blobs")
        var kept: [[String]] = []
        var jobs: [Job] = []
        for hours in [2, 0] {
            let job = try await ledger.insert(.new(), idempotency: nil).job
            try bench.start(job)
            #expect(try bench.end(job, .succeeded))
            let state = OwnName.state(2, of: job.id, fence: 7)
            try bench.edit(job.id, "finished_at = finished_at - \(hours) * 3600, blob = '\(state)'")
            let lasting = ["\(job.id)-0.png", OwnName.picture(String(repeating: "a", count: 64), of: job.id)]
            let way =
                (1...3).map { OwnName.state(Int64($0), of: job.id, fence: 7) }
                + [OwnName.preview(1, of: job.id, fence: 7)]
            for blob in lasting.dropFirst() + way { try store.put([1], as: #require(BlobName(blob))) }
            kept.append((lasting + (hours > 0 ? [way[1]] : way)).sorted())
            jobs.append(job)
        }
        try store.put([1], as: #require(BlobName("somebody-elses.state")))
        #expect(try ledger.retain() == (0, 0))
        #expect(try bench.files() == (kept[0] + kept[1] + ["somebody-elses.state"]).sorted())
        try await ledger.delete(jobs[0].id)
        #expect(try bench.files() == (kept[1] + ["somebody-elses.state"]).sorted())
        try await ledger.delete(jobs[1].id)
        #expect(try bench.files() == ["somebody-elses.state"])
    }

    /// As a front leaves them that is killed between its pictures and its job.
    @Test func `Pictures that came without a job go`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try bench.another { $0.uploadSeconds = 0 }
        let store = try FolderBlobs(path: "\(bench.folder)/blobs")
        let (stored, lost) = (Job.new(), Job.new())
        for job in [stored, lost] {
            try ledger.noteUpload(of: job.id)
            try store.put([1], as: #require(BlobName("\(job.id)-picture")))
        }
        _ = try await ledger.insert(stored, idempotency: nil)
        try await #require(bench.postgres).retain()
        #expect(try bench.files() == ["\(stored.id)-picture", "\(lost.id)-picture"].sorted())
        try ledger.retain()
        #expect(try bench.files() == ["\(stored.id)-picture"])
        #expect(try bench.connection().execute("SELECT 1 FROM \(bench.schema).upload").isEmpty)
    }

    /// A reader goes on behind the last number that it has; so none may come later with a lower one.
    @Test func `Events of a job are numbered in the order in which they can be read`() async throws {
        let bench = try Bench(.postgres)
        let ledger = try #require(bench.postgres)
        let job = try await ledger.insert(.new(), idempotency: nil).job
        let tell = "SELECT \(bench.schema).tell($1, NULL, 'queued', NULL, NULL, NULL, NULL, NULL)"
        let (slow, fast) = try (bench.connection(), bench.connection())
        try slow.execute("BEGIN")
        try slow.execute(tell, [.text(job.id)])
        let isTold = Atomic(false)
        let told = DispatchSemaphore(value: 0)
        nonisolated(unsafe) let other = fast
        Thread.detachNewThread {
            _ = try? other.execute(tell, [.text(job.id)])
            isTold.store(true, ordering: .releasing)
            told.signal()
        }
        // Events of another job do not wait.
        let another = try await ledger.insert(.new(), idempotency: nil).job
        try bench.connection().execute(tell, [.text(another.id)])
        try await Task.sleep(for: .milliseconds(300))
        let isEarly = isTold.load(ordering: .acquiring)
        #expect(!isEarly)
        #expect(try await ledger.events(of: job.id, after: 0).events.count == 1)
        try slow.execute("COMMIT")
        await withCheckedContinuation { done in
            Thread.detachNewThread {
                told.wait()
                done.resume()
            }
        }
        #expect(try await ledger.events(of: job.id, after: 0).events.count == 3)
    }

    // MARK: Versions

    @Test func `Tables of the first version are brought up to this one`() async throws {
        let bench = try Bench(.postgres)
        let job = try await #require(bench.postgres).insert(.new(), idempotency: nil).job
        let connection = try bench.connection()
        let versions = "SELECT number FROM \(bench.schema).version ORDER BY number"
        let latest = try connection.execute(versions).compactMap { $0.integer("number") }
        for statement in [
            "ALTER TABLE \(bench.schema).line DROP COLUMN turn",
            """
            CREATE INDEX line_waiting ON \(bench.schema).line (model, part, priority, since, sequence)
            WHERE worker IS NULL
            """,
            """
            CREATE INDEX line_shape ON \(bench.schema).line (model, part, priority, shape, since, sequence)
            WHERE worker IS NULL
            """,
            "DROP TABLE \(bench.schema).arithmetic", "DROP TABLE \(bench.schema).upload",
            "DELETE FROM \(bench.schema).version WHERE number > 1",
        ] { try connection.execute(statement) }
        let ledger = try bench.another()
        #expect(try connection.execute(versions).compactMap { $0.integer("number") } == latest && latest.count > 1)
        #expect(try await ledger.job(job.id).state == .queued)
        let place = PartLine.Place(model: "m", part: "text")
        #expect(try ledger.claim(worker: "w", places: [place], held: nil, limit: 1).map(\.job.id) == [job.id])
    }

    @Test func `A newer schema is refused, unless it says that this version may`() throws {
        let bench = try Bench(.postgres)
        let connection = try bench.connection()
        try connection.execute("INSERT INTO \(bench.schema).version (number, compatible) VALUES (99, 99)")
        let fault = #expect(throws: ClusterFault.self) { try bench.another() }
        #expect(fault?.description.contains("a newer version of Phasor has changed its tables (schema 99") == true)
        try connection.execute("UPDATE \(bench.schema).version SET compatible = 1 WHERE number = 99")
        try bench.another().probe()
    }

    @Test(arguments: ["", "1a", "Phasor", "a-b", "a;b", "a b", "ä", String(repeating: "a", count: 41)])
    func `Names that are no schema's`(_ name: String) {
        #expect(throws: ClusterFault.schemaName(name)) { try LedgerSchema(name) }
    }

    @Test func `Many that start at once make the tables once`() async throws {
        let bench = try Bench(.postgres)
        let schema = "s\(bench.schema)"
        let count = try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { try bench.another { $0.schema = schema }.probe() }
            }
            return try await group.reduce(0) { count, _ in count + 1 }
        }
        #expect(count == 8)
        let versions = { (name: String) in try bench.connection().execute("SELECT number FROM \(name).version").count }
        #expect(try versions(schema) == versions(bench.schema))
    }

    // MARK: Outages

    /// Four workers and a front, while the server is killed as by a power cut and started again, three times.
    @Test func `Nothing accepted is lost or done twice while the database goes away`() async throws {
        let server = try PostgresServer()
        let folder = FileManager.default.temporaryDirectory.appending(path: "outage-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let ledger = try Bench.open(server.address, schema: "phasor", folder: folder)
        let isOver = Atomic(false)
        let finished = Mutex<[String: Int]>([:])
        let outages = Atomic(0)

        /// Does until it is done.
        @Sendable func insist<T>(_ body: () throws -> T) throws -> T {
            while true {
                do { return try body() } catch ServingError.storage {
                    outages.add(1, ordering: .relaxed)
                    Thread.sleep(forTimeInterval: 0.02)
                }
            }
        }
        let group = DispatchGroup()
        for worker in 0..<4 {
            group.enter()
            Thread.detachNewThread {
                defer { group.leave() }
                do {
                    while !isOver.load(ordering: .acquiring) {
                        let claims = try insist {
                            try ledger.claim(worker: "w\(worker)", places: [text], held: nil, limit: 2, lease: 1)
                        }
                        for claim in claims {
                            var job = claim.job
                            job.state = .succeeded
                            job.artifacts = [
                                Artifact(
                                    id: "a_\(claim.fence)", job: job.id, contentType: "image/png", bytes: 1,
                                    path: "\(job.id)-0.png", isExpired: false)
                            ]
                            if try insist({ try ledger.finish(job, fence: claim.fence) }) {
                                finished.withLock { $0[job.id, default: 0] += 1 }
                            }
                        }
                        if claims.isEmpty { Thread.sleep(forTimeInterval: 0.01) }
                    }
                } catch {
                    Issue.record(error)
                }
            }
        }
        let front = Task {
            var accepted: [String] = []
            for index in 0..<400 {
                let job = Job.new("\(index)")
                while true {
                    do {
                        let acceptance = try await ledger.insert(job, idempotency: nil)
                        #expect(!acceptance.isKnown && acceptance.job.id == job.id)
                        break
                    } catch ServingError.storage { try await Task.sleep(for: .milliseconds(20)) }
                }
                accepted.append(job.id)
                try await Task.sleep(for: .milliseconds(5))
            }
            return accepted
        }
        for signal in ["QUIT", "INT", "QUIT"] {
            try await Task.sleep(for: .milliseconds(700))
            server.stop(signal)
            try await Task.sleep(for: .milliseconds(200))
            try server.start()
        }
        let accepted = try await front.value
        for _ in 0..<3000 where finished.withLock({ $0.count }) < accepted.count {
            try await Task.sleep(for: .milliseconds(10))
        }
        isOver.store(true, ordering: .releasing)
        while group.wait(timeout: .now()) == .timedOut { try await Task.sleep(for: .milliseconds(10)) }
        #expect(accepted.count == 400 && outages.load(ordering: .relaxed) > 0)
        #expect(finished.withLock { $0 } == Dictionary(uniqueKeysWithValues: accepted.map { ($0, 1) }))
        let page = try await ledger.jobs(kind: nil, owner: nil, limit: 1000, after: nil, oldestFirst: true)
        #expect(page.jobs.map(\.id) == accepted)
        #expect(page.jobs.allSatisfy { $0.state == .succeeded && $0.artifacts.count == 1 })
        #expect(try ledger.counts() == (0, 0))
    }
}
