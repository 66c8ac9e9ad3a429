import Foundation
import Jobs
import Testing

/// The text encoder runs once for a prompt.
@Suite(.timeLimit(.minutes(5)))
struct PromptCacheTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func sizes() throws -> [Int] {
        let folder = scratch("state/prompts")
        return try FileManager.default.contentsOfDirectory(atPath: folder).map { name in
            try Data(contentsOf: URL(filePath: "\(folder)/\(name)")).count
        }
    }

    /// Encodings that a run of these prompts costs an engine that was just started.
    private func encodings(_ prompts: [String], version: String = "1", bytes: Int = 1 << 30) async throws -> Int {
        let model = try AnalyticModel(version: version)
        let engine = try scratch.engine(model) { $0.promptCacheBytes = bytes }
        for prompt in prompts { #expect(try await engine.run(.image(prompt)).state == .succeeded) }
        let count = model.parts.encodings.load(ordering: .relaxed)
        let text = await engine.renderMetrics()
        #expect(text.contains("phasor_prompt_cache_total{result=\"miss\"} \(count)\n") == (count > 0))
        let hits = prompts.count - count
        #expect(text.contains("phasor_prompt_cache_total{result=\"hit\"} \(hits)\n") == (hits > 0))
        await engine.drain(within: 10)
        return count
    }

    @Test func aPromptIsEncodedOnceForAllProcesses() async throws {
        #expect(try await encodings(["a", "b", "a"]) == 2)
        // What is the same when cleaned is the same prompt.
        #expect(try await encodings(["A", "b", "c"]) == 1)
        #expect(try await encodings(["a", "b", "c"]) == 0)
        // Another text encoder gives other embeddings.
        #expect(try await encodings(["a"], version: "2") == 1)
        #expect(try sizes().count == 4)
    }

    @Test func whatIsDamagedIsEncodedAgain() async throws {
        #expect(try await encodings(["a"]) == 1)
        let folder = scratch("state/prompts")
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first)
        let path = URL(filePath: "\(folder)/\(name)")
        var bytes = try Data(contentsOf: path)
        bytes[bytes.count - 5] ^= 4
        try bytes.write(to: path)
        try Data().write(to: URL(filePath: "\(folder)/0123456789abcdef0123456789abcdef.partial"))
        #expect(try await encodings(["a"]) == 1)
        #expect(try await encodings(["a"]) == 0)
        #expect(try sizes().count == 1)
    }

    @Test func thoseUsedLongestAgoMakeRoom() async throws {
        #expect(try await encodings(["a", "b", "c"]) == 3)
        let one = try #require(try sizes().max())
        // "b" was used longest ago once "a" has been used again.
        #expect(try await encodings(["a"], bytes: 3 * one) == 0)
        #expect(try await encodings(["d"], bytes: 3 * one) == 1)
        #expect(try sizes().reduce(0, +) <= 3 * one)
        #expect(try await encodings(["a", "c", "d"], bytes: 3 * one) == 0)
        #expect(try await encodings(["b"], bytes: 3 * one) == 1)
    }
}
