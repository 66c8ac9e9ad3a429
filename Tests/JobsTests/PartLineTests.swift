import Models
import Pipelines
import Testing

import Jobs

@Suite struct PartLineTests {
    private func run(_ id: String, _ part: String, stage: Stage.Kind = .steps) throws -> WaitingRun {
        try #require(
            WaitingRun(
                id: id, course: [StageWeights(model: "m", stage: stage, part: Part(part))][...], shape: nil, pixels: 1,
                priority: .batch, arrival: 0))
    }

    @Test func `A wait goes on while nothing changes, and begins anew after a turn or for another part`() throws {
        var waits = PartWaits()
        func lines() -> [String: String] {
            Dictionary(
                uniqueKeysWithValues: waits.lines.map { ($0.key.part.name, "\($0.value.jobs) \($0.value.since ?? -1)") }
            )
        }
        try waits.update([run("a", "high"), run("b", "high"), run("c", "low")], computed: ["c"], at: 10)
        #expect(lines() == ["high": "2 10.0"])
        try waits.update([run("a", "high"), run("b", "high"), run("c", "low")], computed: ["a"], at: 20)
        #expect(lines() == ["high": "1 10.0", "low": "1 20.0"])
        try waits.update([run("a", "high"), run("b", "low"), run("c", "low")], computed: [], at: 30)
        #expect(lines() == ["high": "1 30.0", "low": "2 20.0"])
        waits.update([], computed: [], at: 40)
        #expect(lines().isEmpty)
    }
}
