import Benchmarks
import Foundation
import FoundationXML
import Jobs
import Models
import Pipelines
import Tensor
import Testing

/// The embedded model under both policies.
@Suite struct ScheduleTests {
    private func trace(_ pattern: ArrivalTrace.Pattern, count: Int, every seconds: Double) -> ArrivalTrace {
        ArrivalTrace(pattern, count: count, every: seconds, prompts: ["a dog", "a <red> car"], seed: 3, clips: true)
    }

    @Test func `A burst costs one change of expert instead of one for each request`() async throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let pipeline = try Pipeline(
            folder: root.appending(path: "Models/emoji-scenes").path, compute: Compute(threads: 2))
        let replay = ScheduleReplay(
            model: pipeline, trace: trace(.bursts, count: 6, every: 0), width: 64, height: 64, frames: 5)
        let records = try await [replay.run(.fifo), replay.run(.phaseSynchronous)]
        let figures = try records.map { try #require(ScheduleReport.Figures($0)) }
        #expect(figures[0].expertSwitches == 11 && figures[0].evaluations == 24)
        // The first may have begun before the others came.
        #expect(figures[1].expertSwitches <= 3 && figures[1].evaluations <= 12)
        for (record, figures) in zip(records, figures) {
            #expect(record.runs.count == 6)
            let latencies = record.runs.map { $0.end - $0.arrival }.sorted()
            #expect(figures.p50Seconds == (latencies[2] + latencies[3]) / 2)
            #expect(figures.p99Seconds <= latencies[5] && figures.p99Seconds >= latencies[4])
            // Each request: its prompt or another's, four steps, and its file.
            for run in record.runs {
                let own = record.turns.filter { $0.runs.contains(run.id) }
                #expect(own.filter { $0.pass.stage == .decode }.count == 1)
                #expect(own.filter { $0.pass == Pass(.steps, "transformer") }.count == 2)
                #expect(own.allSatisfy { $0.start >= 0 && $0.start + $0.seconds <= run.end + 0.05 })
            }
        }
        let report = ScheduleReport(
            model: "m", requests: 6, rounds: 1, expertBytes: [:], memoryBytes: nil,
            policies: .init(fifo: figures[0], phaseSynchronous: figures[1]))
        let object = try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
        let policies = try #require(object["policies"] as? [String: [String: Any]])
        for name in ["fifo", "phase_synchronous"] {
            #expect(
                Set(try #require(policies[name]).keys).isSuperset(of: [
                    "expert_switches", "stall_seconds", "throughput_per_minute", "p50_seconds", "p95_seconds",
                    "p99_seconds", "peak_resident_bytes",
                ]))
        }
        #expect(report.table.split(separator: "\n").count == 3)
        let svg = ScheduleDrawing([("one & two", records[0]), ("three", records[1])]).svg
        #expect(XMLParser(data: Data(svg.utf8)).parse())
        #expect(svg.components(separatedBy: "<circle").count == 13)
    }

    @Test func `Traces are the same for the same seed and come at the pace that is asked for`() throws {
        for pattern in ArrivalTrace.Pattern.allCases {
            let (one, other) = (trace(pattern, count: 400, every: 2), trace(pattern, count: 400, every: 2))
            #expect(one.arrivals.map(\.at) == other.arrivals.map(\.at))
            #expect(one.arrivals.map(\.at) == one.arrivals.map(\.at).sorted())
            let last = try #require(one.arrivals.last).at
            #expect((1.4...2.6).contains(last / 400))
            #expect(one.arrivals.contains { $0.kind == .video } == (pattern == .mixed))
        }
        let file = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID()).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(
            #"[{"at": 2, "kind": "video", "prompt": "b"}, {"at": 1, "kind": "image", "prompt": "a", "seed": 7}]"#.utf8
        )
        .write(to: file)
        let read = try ArrivalTrace(file: file.path)
        #expect(read.arrivals.map(\.prompt) == ["a", "b"])
        #expect(read.arrivals.map(\.seed) == [7, 0])
        try Data(#"[{"at": -1, "kind": "image", "prompt": "a"}]"#.utf8).write(to: file)
        #expect(throws: DecodingError.self) { try ArrivalTrace(file: file.path) }
    }
}
