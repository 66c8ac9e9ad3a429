import Foundation
import Jobs
import Serving
import TestSupport
import Testing

/// Whatever happens to jobs on their way, the bytes are those of a job alone.
@Suite(.timeLimit(.minutes(5)))
struct RandomScheduleTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private static let requests: [GenerationRequest] = (0..<10).map { index in
        var request = index % 5 == 4 ? GenerationRequest.video(frames: 5) : .image(count: 1 + index % 3)
        request.prompt = "prompt \(index % 4)"
        request.seed = UInt64(index * 7)
        request.generator = index % 3 == 0 ? "teacher" : "student"
        request.previews = index % 2
        if index == 7 { (request.width, request.height) = (32, 32) }
        return request
    }

    private enum Mishap: CaseIterable { case none, cancel, kill, stop }

    @Test func twoHundredSchedulesGiveTheSameBytes() async throws {
        let alone = try scratch.engine("alone", AnalyticModel()) { $0.policy = .fifo }
        var expected: [[Data]] = []
        for request in Self.requests { expected.append(try await alone.files(of: alone.run(request))) }
        let bytes = expected
        // Most of the time goes into waiting for the disk.
        let counts = try await withThrowingTaskGroup(of: [Mishap: Int].self) { group in
            for lane in 0..<4 {
                group.addTask {
                    var counts: [Mishap: Int] = [:]
                    for number in 0..<50 {
                        var random = SplitMix64(seed: UInt64(lane * 1000 + number))
                        counts[try await schedule("\(lane)-\(number)", bytes, &random), default: 0] += 1
                    }
                    return counts
                }
            }
            return try await group.reduce(into: [Mishap: Int]()) { $0.merge($1, uniquingKeysWith: +) }
        }
        #expect(counts.values.reduce(0, +) == 200)
        for mishap in Mishap.allCases { #expect(counts[mishap, default: 0] > 20) }
    }

    /// - Returns: what happened in the middle.
    private func schedule(
        _ name: String, _ expected: [[Data]], _ random: inout SplitMix64
    ) async throws -> Mishap {
        let mishap = Mishap.allCases.randomElement(using: &random) ?? .none
        let gate = Gate(at: mishap == .none ? nil : "evaluation \(Int.random(in: 1...8, using: &random))")
        let pixels = [64 * 48, 3 * 64 * 48, 1 << 19].randomElement(using: &random) ?? 1
        let memory = [nil, 1, 2].randomElement(using: &random) ?? nil
        let active = Int.random(in: 1...4, using: &random)
        let settings = { (options: inout EngineOptions) in
            (options.batchPixels, options.activeRuns) = (pixels, active)
        }
        var engine = try scratch.engine(name, AnalyticModel(gate: gate, memory: memory), settings)
        var jobs: [(id: String, request: Int)] = []
        for _ in 0..<Int.random(in: 2...5, using: &random) {
            let request = Self.requests.indices.randomElement(using: &random) ?? 0
            let priority = Priority.allCases.randomElement(using: &random) ?? .batch
            jobs.append((try await engine.submit(Self.requests[request], priority: priority).id, request))
        }
        var unwanted: String?
        if mishap != .none {
            try await gate.arrival()
            switch mishap {
            case .none: break
            case .cancel:
                unwanted = jobs.randomElement(using: &random)?.id
                if let unwanted { try await engine.cancel(unwanted) }
                gate.open()
            case .kill:
                // The engine stands still: what a kill leaves is what is on disk.
                try FileManager.default.copyItem(atPath: scratch(name), toPath: scratch(name + "-left"))
                let killed = engine
                engine = try scratch.engine(name + "-left", AnalyticModel(memory: memory), settings)
                async let gone: Void = killed.drain(within: 0)
                gate.open()
                await gone
            case .stop:
                let stopped = engine
                async let gone: Void = stopped.drain(within: 0)
                while stopped.readiness == .ready { await Task.yield() }
                gate.open()
                await gone
                engine = try scratch.engine(name, AnalyticModel(memory: memory), settings)
            }
        }
        for (id, request) in jobs {
            let job = try await engine.end(of: id)
            if id == unwanted, job.state == .cancelled { continue }
            #expect(job.state == .succeeded)
            #expect(try await engine.files(of: job) == expected[request], "\(mishap) in \(name)")
        }
        await engine.drain(within: 10)
        try FileManager.default.removeItem(atPath: scratch(name))
        return mishap
    }
}
