import Foundation
import GRDB
import Jobs
import Testing

/// Rows that another version wrote, or somebody's hand.
@Suite(.timeLimit(.minutes(5)))
struct RowTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func edit(_ sql: String, _ id: String) async throws {
        let other = try DatabaseQueue(path: scratch("state/jobs.sqlite"))
        try await other.write { try $0.execute(sql: "UPDATE job SET \(sql) WHERE id = ?", arguments: [id]) }
        try other.close()
    }

    private static let edits = [
        "priority = 'urgent'", "state = 'paused'", "parameters = '{}'", "parameters = 'x'", "parameters = x'ff00'",
        "parameters = replace(parameters, '\"kind\":\"image\"', '\"kind\":\"edit\"')",
        "parameters = replace(parameters, '\"fps\":16', '\"fps\":0')",
        "parameters = replace(parameters, '\"n\":1', '\"n\":1000000000')",
        "created_at = 'noon'", "created_at = 1e300", "steps = 'many'", "steps = -1",
    ]

    @Test(arguments: edits)
    func aWaitingJobThatCannotBeReadFailsAlone(sql: String) async throws {
        let gate = Gate(at: "text")
        let engine = try scratch.engine(AnalyticModel(gate: gate)) { $0.activeRuns = 1 }
        let running = try await engine.submit(.image("first"))
        try await gate.arrival()
        let ids = try await [engine.submit(.image(seed: 2)).id, engine.submit(.image(seed: 3)).id]
        async let drained: Void = engine.drain(within: 0)
        while engine.readiness == .ready { try await Task.sleep(for: .milliseconds(1)) }
        try await Task.sleep(for: .milliseconds(30))
        gate.open()
        await drained
        try await edit(sql, ids[0])

        let next = try scratch.engine(AnalyticModel())
        #expect(try await next.end(of: running.id).state == .succeeded)
        #expect(try await next.end(of: ids[1]).state == .succeeded)
        let bad = try await next.end(of: ids[0])
        #expect(bad.state == .failed)
        #expect(bad.failure?.code == "unreadable_job")
        let page = try await next.jobs()
        #expect(Set(page.jobs.map(\.id) + page.unreadable) == Set([running.id] + ids))
        // It goes like any other.
        try await next.delete(ids[0])
        await #expect(throws: ServingError.unknownJob(ids[0])) { try await next.job(ids[0]) }
    }

    @Test(arguments: edits + ["timings = '[]'", "finished_at = 'later'", "failure = '7'"])
    func aFinishedJobThatCannotBeReadIsLeftOutOfLists(sql: String) async throws {
        let engine = try scratch.engine(AnalyticModel())
        let jobs = try await [engine.run(.image(seed: 1)), engine.run(.image(seed: 2)), engine.run(.image(seed: 3))]
        try await edit(sql, jobs[1].id)
        let page = try await engine.jobs(limit: 2)
        #expect(page.jobs.contains { $0.id == jobs[2].id } && !page.hasMore || page.unreadable.isEmpty)
        let all = try await engine.jobs()
        #expect(Set(all.jobs.map(\.id) + all.unreadable) == Set(jobs.map(\.id)))
        let shown = try await engine.job(jobs[1].id)
        #expect(shown.state.isTerminal)
        // Its picture is there whatever its row says.
        #expect(try await engine.files(of: shown) == engine.files(of: jobs[1]))
        _ = try JSONEncoder().encode(shown)
        await engine.drain(within: 10)
        let next = try scratch.engine(AnalyticModel())
        #expect(try await next.run(.image(seed: 4)).state == .succeeded)
    }

    @Test func artifactsOfOtherVersionsEndNothing() async throws {
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.image())
        let other = try DatabaseQueue(path: scratch("state/jobs.sqlite"))
        try await other.write { try $0.execute(sql: "UPDATE artifact SET bytes = 'big', content_type = x'00ff'") }
        #expect(try await engine.job(job.id).artifacts.map(\.bytes) == [0])
        try await other.write { try $0.execute(sql: "UPDATE artifact SET file = '../../secret'") }
        try other.close()
        await #expect(throws: ServingError.unknownArtifact(job.artifacts[0].id)) {
            try await engine.artifact(job.artifacts[0].id)
        }
        await engine.drain(within: 10)
        _ = try scratch.engine(AnalyticModel()) { $0.store.retentionBytes = 0 }
    }
}
