import Foundation
import Jobs
import TestSupport
import Testing

/// One suite for all ledgers: what clients may rely on, wherever jobs are kept.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct LedgerTests {
    // MARK: Coming in

    @Test(arguments: LedgerKind.all)
    func `A job comes back as it was given`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        var jobs: [Job] = []
        for (index, prompt) in ["", "zero \u{0} and e\u{301}", "'; DROP TABLE job; --", "日本語 👩‍👩‍👧", "\\x \"q\" {}"]
            .enumerated()
        {
            let job = Job.new(
                prompt, kind: index % 2 == 0 ? .image : .video, priority: index % 2 == 0 ? .batch : .interactive,
                owner: index == 3 ? nil : "owner'\(index)", seed: .max - UInt64(index))
            let acceptance = try await bench.ledger.insert(job, idempotency: nil)
            #expect(!acceptance.isKnown)
            #expect(codePoints(acceptance.job.request.prompt) == codePoints(prompt))
            jobs.append(acceptance.job)
            let read = try await bench.ledger.job(job.id)
            #expect(read.request == job.request && read.priority == job.priority && read.owner == job.owner)
            #expect(read.state == .queued && read.steps == 4 && read.createdAt == acceptance.job.createdAt)
            #expect(abs(read.createdAt.timeIntervalSinceNow) < 60)
            #expect(read.startedAt == nil && read.finishedAt == nil && read.artifacts.isEmpty && read.failure == nil)
        }
        let page = try await bench.ledger.jobs(kind: nil, owner: nil, limit: 10, after: nil, oldestFirst: true)
        #expect(page.jobs.map(\.id) == jobs.map(\.id) && !page.hasMore && page.unreadable.isEmpty)
    }

    @Test(arguments: LedgerKind.all)
    func `The same key is the same job, another body a conflict`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let key = Idempotency(key: "k", body: Array("one".utf8))
        #expect(try await bench.ledger.known(key) == nil)
        let first = try await bench.ledger.insert(.new(), idempotency: key)
        let again = try await bench.ledger.insert(.new("another id, same key"), idempotency: key)
        #expect(again.isKnown && again.job.id == first.job.id && again.sequence == first.sequence)
        #expect(try await bench.ledger.known(key)?.job.id == first.job.id)
        let other = Idempotency(key: "k", body: Array("two".utf8))
        await #expect(throws: ServingError.idempotencyConflict(key: "k")) { try await bench.ledger.known(other) }
        await #expect(throws: ServingError.idempotencyConflict(key: "k")) {
            try await bench.ledger.insert(.new(), idempotency: other)
        }
        // Two clients may choose the same.
        let second = try await bench.ledger.insert(.new(), idempotency: other.owned(by: "b"))
        #expect(!second.isKnown && second.sequence > first.sequence)
        let page = try await bench.ledger.jobs(kind: nil, owner: nil, limit: 10, after: nil, oldestFirst: true)
        #expect(page.jobs.map(\.id) == [first.job.id, second.job.id])
        // A job that has ended is still the job of its key.
        #expect(try await bench.ledger.cancel(first.job, at: .storable))
        #expect(try await bench.ledger.insert(.new(), idempotency: key).job.state == .cancelled)
    }

    @Test(arguments: LedgerKind.all)
    func `Of many that come with one key at once, one is accepted`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let acceptances = try await withThrowingTaskGroup(of: Acceptance.self) { group in
            for _ in 0..<24 {
                group.addTask {
                    try await bench.ledger.insert(.new(), idempotency: Idempotency(key: "k", body: [1]))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(acceptances.count { !$0.isKnown } == 1)
        #expect(Set(acceptances.map(\.job.id)).count == 1)
    }

    // MARK: Pages

    @Test(arguments: LedgerKind.all, [true, false])
    func `Pages follow each other, of all, of a kind and of an owner`(
        _ kind: LedgerKind, oldestFirst: Bool
    ) async throws {
        let bench = try Bench(kind)
        var accepted: [Job] = []
        for index in 0..<17 {
            let job = Job.new(kind: index % 3 == 0 ? .video : .image, owner: index % 2 == 0 ? "a" : "b")
            accepted.append(try await bench.ledger.insert(job, idempotency: nil).job)
        }
        if !oldestFirst { accepted.reverse() }
        for (kind, owner) in [
            (nil, nil), (.video, nil), (nil, "a"), (.image, "b"), (nil, "nobody"),
        ] as [(GenerationRequest.Kind?, String?)] {
            let wanted = accepted.filter { (kind ?? $0.kind) == $0.kind && (owner ?? $0.owner) == $0.owner }
            var found: [String] = []
            var after: String?
            repeat {
                let page = try await bench.ledger.jobs(
                    kind: kind, owner: owner, limit: 3, after: after, oldestFirst: oldestFirst)
                #expect(page.jobs.count <= 3 && page.hasMore == (found.count + page.jobs.count < wanted.count))
                found += page.jobs.map(\.id)
                after = page.hasMore ? page.jobs.last?.id : nil
            } while after != nil
            #expect(found == wanted.map(\.id))
        }
        for (after, owner) in [("image_nobody", nil), (accepted[0].id, "nobody")] as [(String, String?)] {
            await #expect(throws: ServingError.unknownJob(after)) {
                try await bench.ledger.jobs(kind: nil, owner: owner, limit: 3, after: after, oldestFirst: oldestFirst)
            }
        }
        // A limit that is none is the next that is one.
        let least = try await bench.ledger.jobs(kind: nil, owner: nil, limit: -5, after: nil, oldestFirst: oldestFirst)
        #expect(least.jobs.map(\.id) == [accepted[0].id])
    }

    // MARK: Ends

    @Test(arguments: LedgerKind.all)
    func `A job that has succeeded has its file`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let job = try await bench.ledger.insert(.new(), idempotency: nil).job
        try bench.start(job)
        #expect(try await bench.ledger.job(job.id).state == .running)
        #expect(try await bench.ledger.job(job.id).startedAt != nil)
        var done = job
        done.timings.text = 0.25
        done.timings.steps = [.init(step: 1, sigma: 0.5, phase: "p", expert: "e", seconds: 0.125)]
        #expect(try bench.end(done, .succeeded))
        let read = try await bench.ledger.job(job.id)
        #expect(read.state == .succeeded && read.progress == 1 && read.timings.text == 0.25)
        #expect(read.step == 1 && read.sigma == 0.5 && read.phase == "p" && read.expert == "e")
        #expect(
            read.artifacts.map(\.id) == ["artifact_\(job.id)"]
                && read.artifacts[0].bytes == "\(job.id)-0.png".utf8.count)
        let started = try #require(read.startedAt)
        let finished = try #require(read.finishedAt)
        #expect(started <= finished && read.createdAt <= started)
        #expect(read.expiresAt == finished.addingTimeInterval(7 * 86_400))
        let artifact = try await bench.ledger.artifact("artifact_\(job.id)")
        #expect(artifact.contentType == "image/png" && artifact.url == "/v1/artifacts/artifact_\(job.id).png")
        #expect(FileManager.default.contents(atPath: artifact.path) == Data("\(job.id)-0.png".utf8))
        let page = try await bench.ledger.jobs(kind: nil, owner: nil, limit: 1, after: nil, oldestFirst: false)
        #expect(page.jobs == [read])
        // What has ended stays as it is.
        #expect(try await !bench.ledger.cancel(read, at: .storable))
        await #expect(throws: ServingError.notRetriable(job.id, state: .succeeded)) {
            try await bench.ledger.retry(job.id)
        }
    }

    @Test(arguments: LedgerKind.all, [true, false])
    func `A cancelled job stays cancelled, whoever finishes it`(_ kind: LedgerKind, isRunning: Bool) async throws {
        let bench = try Bench(kind)
        var job = try await bench.ledger.insert(.new(), idempotency: nil).job
        if isRunning { try bench.start(job) }
        job.timings.text = 1.5
        #expect(try await bench.ledger.cancel(job, at: .storable))
        #expect(try await !bench.ledger.cancel(job, at: .storable))
        if isRunning {
            #expect(try !bench.end(job, .succeeded))
            #expect(try !bench.end(job, .failed, failure: .init(code: "x", message: "y")))
        }
        let read = try await bench.ledger.job(job.id)
        #expect(read.state == .cancelled && read.artifacts.isEmpty && read.failure == nil && read.timings.text == 1.5)
        #expect(read.finishedAt.map { abs($0.timeIntervalSinceNow) < 60 } == true)
        await #expect(throws: ServingError.unknownArtifact("artifact_\(job.id)")) {
            try await bench.ledger.artifact("artifact_\(job.id)")
        }
    }

    @Test(arguments: LedgerKind.all)
    func `What has failed or was cancelled runs again, under its id and at its place`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let first = try await bench.ledger.insert(.new(), idempotency: nil)
        let second = try await bench.ledger.insert(.new(), idempotency: nil)
        await #expect(throws: ServingError.notRetriable(first.job.id, state: .queued)) {
            try await bench.ledger.retry(first.job.id)
        }
        try bench.start(first.job)
        let failure = Job.Failure(code: "generation_failed", message: "it \u{0} did not \"do\"")
        #expect(try bench.end(first.job, .failed, failure: failure))
        #expect(try await bench.ledger.job(first.job.id).failure == failure)
        let again = try await bench.ledger.retry(first.job.id)
        #expect(again.job.id == first.job.id && again.sequence == first.sequence && again.job.state == .queued)
        #expect(again.job.failure == nil && again.job.finishedAt == nil && again.job.startedAt == nil)
        await #expect(throws: ServingError.notRetriable(first.job.id, state: .queued)) {
            try await bench.ledger.retry(first.job.id)
        }
        try bench.start(first.job)
        #expect(try bench.end(first.job, .succeeded))
        #expect(try await bench.ledger.job(first.job.id).artifacts.count == 1)

        #expect(try await bench.ledger.cancel(second.job, at: .storable))
        #expect(try await bench.ledger.retry(second.job.id).sequence == second.sequence)
        #expect(try await bench.ledger.job(second.job.id).state == .queued)
        await #expect(throws: ServingError.unknownJob("image_nobody")) { try await bench.ledger.retry("image_nobody") }
    }

    @Test(arguments: LedgerKind.all)
    func `A deleted job leaves nothing`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let key = Idempotency(key: "k", body: [1])
        let job = try await bench.ledger.insert(.new(), idempotency: key).job
        let kept = try await bench.ledger.insert(.new(), idempotency: nil).job
        for job in [job, kept] {
            try bench.start(job)
            #expect(try bench.end(job, .succeeded))
        }
        #expect(try bench.files() == ["\(job.id)-0.png", "\(kept.id)-0.png"].sorted())
        try await bench.ledger.delete(job.id)
        #expect(try bench.files() == ["\(kept.id)-0.png"])
        await #expect(throws: ServingError.unknownJob(job.id)) { try await bench.ledger.job(job.id) }
        await #expect(throws: ServingError.unknownJob(job.id)) { try await bench.ledger.delete(job.id) }
        await #expect(throws: ServingError.unknownArtifact("artifact_\(job.id)")) {
            try await bench.ledger.artifact("artifact_\(job.id)")
        }
        #expect(try await bench.ledger.known(key) == nil)
        #expect(try await bench.ledger.artifact("artifact_\(kept.id)").job == kept.id)
    }

    @Test(arguments: LedgerKind.all)
    func `What is not there is told so`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        for id in ["", "image_nobody", "' OR 1 = 1 --", String(repeating: "x", count: 100_000)] {
            await #expect(throws: ServingError.unknownJob(id)) { try await bench.ledger.job(id) }
            await #expect(throws: ServingError.unknownJob(id)) { try await bench.ledger.delete(id) }
            await #expect(throws: ServingError.unknownArtifact(id)) { try await bench.ledger.artifact(id) }
        }
        #expect(try await !bench.ledger.cancel(.new(), at: .storable))
    }

    // MARK: Other versions

    @Test(
        arguments: LedgerKind.all,
        [
            "priority = 'urgent'", "state = 'paused'", "parameters = '{}'", "parameters = 'x'",
            "parameters = replace(parameters, '\"kind\":\"image\"', '\"kind\":\"edit\"')",
            "parameters = replace(parameters, '\"fps\":16', '\"fps\":0')",
            "parameters = replace(parameters, '\"n\":1', '\"n\":1000000000')", "created_at = 1e300", "steps = -1",
        ])
    func `A row that cannot be read is named apart, and goes like any other`(_ kind: LedgerKind, sql: String)
        async throws
    {
        let bench = try Bench(kind)
        let jobs = try await [
            bench.ledger.insert(.new(), idempotency: nil).job, bench.ledger.insert(.new(), idempotency: nil).job,
            bench.ledger.insert(.new(), idempotency: nil).job,
        ]
        try bench.edit(jobs[1].id, sql)
        let page = try await bench.ledger.jobs(kind: nil, owner: nil, limit: 2, after: nil, oldestFirst: true)
        #expect(page.jobs.map(\.id) == [jobs[0].id, jobs[2].id] && page.unreadable == [jobs[1].id] && !page.hasMore)
        let shown = try await bench.ledger.job(jobs[1].id)
        #expect(shown.state == .failed && shown.failure?.code == "unreadable_job")
        _ = try JSONEncoder().encode(shown)
        try await bench.ledger.delete(jobs[1].id)
        await #expect(throws: ServingError.unknownJob(jobs[1].id)) { try await bench.ledger.job(jobs[1].id) }
    }

    @Test(arguments: LedgerKind.all)
    func `A failed job that cannot be read is not put into the line`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let job = try await bench.ledger.insert(.new(), idempotency: nil).job
        #expect(try await bench.ledger.cancel(job, at: .storable))
        try bench.edit(job.id, "parameters = '{}'")
        let fault = await #expect(throws: ServingError.self) { try await bench.ledger.retry(job.id) }
        #expect("\(fault.map { "\($0)" } ?? "")".contains("this version of Phasor cannot read the job"))
        #expect(try bench.row(job.id, "state") == "cancelled")
    }

    // MARK: Webhooks

    @Test(arguments: LedgerKind.all)
    func `Each end is told to each webhook until it has taken it`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        let ledger = bench.ledger
        #expect(try await ledger.cancel(ledger.insert(.new(), idempotency: nil).job, at: .storable))
        // Nobody was to be told of that one.
        #expect(try ledger.setWebhooks(["a", "b"]) == 0 && ledger.noticeCount() == 0)
        let jobs = try await [
            ledger.insert(.new(), idempotency: nil).job, ledger.insert(.new(kind: .video), idempotency: nil).job,
            ledger.insert(.new(), idempotency: nil).job,
        ]
        #expect(try ledger.noticeCount() == 0)
        for job in jobs.dropLast() { try bench.start(job) }
        #expect(try bench.end(jobs[0], .succeeded))
        #expect(try bench.end(jobs[1], .failed, failure: .init(code: "c", message: "m")))
        #expect(try await ledger.cancel(jobs[2], at: .storable))
        #expect(try await !ledger.cancel(jobs[2], at: .storable))
        #expect(try ledger.noticeCount() == 6)
        // What is asked for at a later time is there again, whoever had it before.
        let now = Date()
        let first = try ledger.dueNotices(for: "a", at: now, limit: 2)
        #expect(first.map(\.job) == jobs.prefix(2).map(\.id))
        #expect(first.map(\.state) == [.succeeded, .failed] && first.map(\.kind) == ["image", "video"])
        #expect(first.allSatisfy { abs($0.endedAt.timeIntervalSinceNow) < 60 && $0.attempts == 0 })
        let others = try ledger.dueNotices(for: "b", at: now, limit: 10)
        #expect(others.map(\.state) == [.succeeded, .failed, .cancelled])
        #expect(Set((first + others).map(\.id)).count == 5 && first.allSatisfy { $0.id.hasPrefix("evt_") })
        #expect(first.allSatisfy { $0.id.utf8.count == 36 })

        try ledger.settle(first[0])
        try ledger.postpone(first[1], until: now.addingTimeInterval(1000))
        #expect(try ledger.noticeCount() == 5)
        #expect(try ledger.dueNotices(for: "a", at: now.addingTimeInterval(900), limit: 10).map(\.job) == [jobs[2].id])
        let later = try ledger.dueNotices(for: "a", at: now.addingTimeInterval(1100), limit: 10)
        #expect(later.map(\.job) == [jobs[1].id, jobs[2].id] && later.map(\.attempts) == [1, 0])
        #expect(later[0].id == first[1].id)

        #expect(try ledger.setWebhooks(["b", "c", "c"]) == 2)
        #expect(try ledger.noticeCount() == 3 && ledger.dueNotices(for: "c", at: .distantFuture, limit: 9).isEmpty)
        #expect(try ledger.setWebhooks([]) == 3 && ledger.noticeCount() == 0)
        // A job that is removed is told of all the same.
        #expect(try ledger.setWebhooks(["a"]) == 0)
        let last = try await ledger.insert(.new(), idempotency: nil).job
        #expect(try await ledger.cancel(last, at: .storable))
        try await ledger.delete(last.id)
        #expect(try ledger.dueNotices(for: "a", at: Date(), limit: 9).map(\.job) == [last.id])
    }

    @Test(arguments: LedgerKind.all)
    func `A retried job is told of again when it ends again`(_ kind: LedgerKind) async throws {
        let bench = try Bench(kind)
        #expect(try bench.ledger.setWebhooks(["a"]) == 0)
        let job = try await bench.ledger.insert(.new(), idempotency: nil).job
        for count in 1...3 {
            #expect(try await bench.ledger.cancel(job, at: .storable))
            #expect(try bench.ledger.noticeCount() == count)
            _ = try await bench.ledger.retry(job.id)
        }
        #expect(Set(try bench.ledger.dueNotices(for: "a", at: Date(), limit: 9).map(\.id)).count == 3)
    }
}
