import Foundation
import GRDB
import Jobs
import Testing

@Suite(.timeLimit(.minutes(5)))
struct RetentionClockTests {
    private static let day = 86_400.0

    /// Sweeps by the minute, as the engine makes them.
    private func run(
        _ clock: inout RetentionClock, wall: inout Double, uptime: inout Double, seconds: Double
    ) {
        let end = uptime + seconds
        while uptime < end {
            (wall, uptime) = (wall + 60, uptime + 60)
            clock.advance(wall: wall, uptime: uptime)
        }
    }

    @Test func itIsTheWallClockAsLongAsThatGoesRight() {
        var (wall, uptime) = (1e9, 50.0)
        var clock = RetentionClock(known: wall, uptime: uptime)
        run(&clock, wall: &wall, uptime: &uptime, seconds: 9 * Self.day)
        #expect(clock.now == wall)
        // An hour off, as by a restart; asleep for a month, which the system counts.
        wall += 3600
        clock.advance(wall: wall, uptime: uptime)
        #expect(clock.now == wall)
        (wall, uptime) = (wall + 30 * Self.day, uptime + 30 * Self.day)
        clock.advance(wall: wall, uptime: uptime)
        #expect(clock.now == wall)
    }

    @Test func aLeapIsBelievedAfterADay() {
        var (wall, uptime) = (1e9, 50.0)
        var clock = RetentionClock(known: wall, uptime: uptime)
        wall += 9 * Self.day
        clock.advance(wall: wall, uptime: uptime)
        #expect(clock.now == 1e9)
        run(&clock, wall: &wall, uptime: &uptime, seconds: 0.9 * Self.day)
        #expect(abs(clock.now - (1e9 + 0.9 * Self.day)) < 61)
        run(&clock, wall: &wall, uptime: &uptime, seconds: 0.2 * Self.day)
        #expect(clock.now == wall)
    }

    @Test func aLeapThatIsSetRightCostsNothing() {
        var (wall, uptime) = (1e9, 50.0)
        var clock = RetentionClock(known: wall, uptime: uptime)
        for _ in 0..<20 {
            clock.advance(wall: wall + 9 * Self.day, uptime: uptime)
            run(&clock, wall: &wall, uptime: &uptime, seconds: 7200)
            #expect(clock.now == wall)
        }
        // One that was believed, too.
        clock.advance(wall: wall - 30 * Self.day, uptime: uptime)
        #expect(clock.now == wall - 30 * Self.day)
    }

    /// The whole engine, on a folder all of which is nine days old by the clock of another boot.
    @Test func resultsSurviveAClockThatIsDaysAheadAtBoot() async throws {
        let scratch = try Scratch()
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.image())
        await engine.drain(within: 10)
        let database = try DatabaseQueue(path: scratch("state/jobs.sqlite"))
        try await database.write { db in
            try db.execute(
                sql: """
                    UPDATE job SET created_at = created_at - 777600, finished_at = finished_at - 777600;
                    UPDATE clock SET known = known - 777600, boot = 'another';
                    """)
        }
        let old = timespec(tv_sec: time(nil) - 777_600, tv_nsec: 0)
        #expect(utimensat(AT_FDCWD, job.artifacts[0].path, [old, old], 0) == 0)
        let next = try scratch.engine(AnalyticModel())
        // A sweep comes before anything is computed.
        _ = try await next.run(.image(seed: 2))
        #expect(try await next.files(of: job).count == 1)
        await next.drain(within: 10)

        // The same age on the same boot has been counted.
        try await database.write { db in
            try db.execute(sql: "UPDATE clock SET known = ?", arguments: [Date().timeIntervalSince1970])
        }
        let last = try scratch.engine(AnalyticModel())
        _ = try await last.run(.image(seed: 3))
        #expect(try await last.job(job.id).isExpired)
    }

    /// The row alone does not make a file old.
    @Test func aFileThatWasJustWrittenIsNotOld() async throws {
        let scratch = try Scratch()
        let engine = try scratch.engine(AnalyticModel())
        let job = try await engine.run(.image())
        await engine.drain(within: 10)
        let database = try DatabaseQueue(path: scratch("state/jobs.sqlite"))
        try await database.write { try $0.execute(sql: "UPDATE job SET finished_at = finished_at - 777600") }
        let next = try scratch.engine(AnalyticModel())
        _ = try await next.run(.image(seed: 2))
        #expect(try await !next.job(job.id).isExpired)
    }
}
