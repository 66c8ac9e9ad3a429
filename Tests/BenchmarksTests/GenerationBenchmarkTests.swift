import Benchmarks
import Foundation
import Jobs
import Media
import Pipelines
import Tensor
import Testing

/// The embedded model's student against its teacher, whose thirty steps are cut to three.
@Suite struct GenerationBenchmarkTests {
    private func report() throws -> GenerationReport {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let pipeline = try Pipeline(
            folder: root.appending(path: "Models/emoji-scenes").path, compute: Compute(threads: 2))
        let benchmark = GenerationBenchmark(
            model: pipeline, contenders: [Contender(generator: "student"), Contender(generator: "teacher", steps: 3)],
            prompts: ["a <large> dog", "a red car"], seeds: [5, 6], rounds: 2)
        var report = GenerationReport(
            model: pipeline.id, machine: .init(instructions: "test", threads: 2, precision: "f32"), workloads: [])
        for frames in [1, 5] {
            report.workloads.append(
                try benchmark.run(width: 64, height: 64, frames: frames, fps: 8) { done, count, _ in
                    #expect(done < count)
                })
        }
        return report
    }

    @Test func `A run measures each stage of each generator, and what they lost`() throws {
        let report = try report()
        for (workload, frames) in zip(report.workloads, [1, 5]) {
            let (student, teacher) = (workload.contenders[0], workload.contenders[1])
            // Guidance doubles each of the teacher's steps.
            #expect((student.nfe, teacher.nfe) == (4, 6))
            #expect(
                student.stages.steps.map(\.expert) == ["transformer", "transformer", "transformer_2", "transformer_2"])
            #expect(teacher.stages.steps.map(\.phase) == ["teacher", "teacher", "teacher"])
            #expect(student.total.count == 8)
            let stages = student.stageMedians
            let sum = stages.filter { $0.key != "switch_stall" }.values.reduce(0, +)
            #expect(stages.values.allSatisfy { $0 >= 0 } && abs(sum / student.total.median - 1) < 0.5)
            let comparison = try #require(workload.comparisons.first)
            #expect(comparison.speedup.pairs == 8)
            #expect(
                comparison.speedup.low <= comparison.speedup.ratio
                    && comparison.speedup.ratio <= comparison.speedup.high)
            #expect((0.01...1).contains(student.diversity?.mean ?? 0))
            #expect((5...60).contains(comparison.similarity?.psnr ?? 0))
            #expect((student.motion == nil) == (frames == 1))
            // Three frames at most, of each prompt, for each contender.
            #expect(
                workload.pictures.map { $0.map(\.count) }
                    == [[Int]](repeating: [min(frames, 3), min(frames, 3)], count: 2))
        }
    }

    @Test func `The JSON has the keys that scripts read, the page all it needs`() throws {
        let report = try report()
        let object = try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
        let speedup = try #require(object["speedup"] as? Double)
        #expect(abs(speedup - report.workloads[0].comparisons[0].speedup.ratio) < 1e-9)
        for name in ["student", "teacher"] {
            let result = try #require(object[name] as? [String: Any])
            #expect(result["nfe"] is Int && result["total_seconds"] is Double && result["diversity"] is Double)
            #expect((result["motion"] as? [String: Any])?["mean_flow_pixels"] is Double)
            #expect(
                Set((result["stage_medians"] as? [String: Any] ?? [:]).keys)
                    == ["text", "steps", "switch_stall", "decode", "encode"])
        }
        let page = GenerationPage.html(report, date: Date(timeIntervalSince1970: 0))
        // Of each prompt by each contender a picture, or a clip with its first frame in its place until it plays.
        #expect(page.components(separatedBy: " src=\"data:image/png;base64,").count - 1 == 2 * 2)
        #expect(page.components(separatedBy: "poster=\"data:image/png;base64,").count - 1 == 2 * 2)
        #expect(page.components(separatedBy: "src=\"data:video/mp4;base64,").count - 1 == 2 * 2)
        for clip in report.workloads[1].clips.joined() {
            let path = NSTemporaryDirectory() + "report-\(UUID().uuidString).mp4"
            defer { try? FileManager.default.removeItem(atPath: path) }
            try Data(clip).write(to: URL(filePath: path))
            #expect(try VideoReader.middleFrame(path: path).width == 64)
        }
        // Each colour of the bars is in the legend, with the seconds of both.
        let median = report.workloads[0].contenders.map { String(format: "%.4f", $0.stages.decode.median) }
        #expect(page.contains("VAE decode <b>\(median[0]) / \(median[1]) s</b>"))
        #expect(page.contains("3 steps, teacher <b>") && page.contains("2 steps, high noise <b>"))
        #expect(!page.contains("http") && !page.contains("<large>") && page.contains("a &lt;large&gt; dog"))
        // Well-formed apart from what HTML leaves open.
        let xml = page.replacing("<!doctype html>", with: "").replacing(/<(meta|img)([^>]*)>/) { "<\($0.1)\($0.2)/>" }
            .replacing(/&(times|middot|hellip|ndash);/, with: "")
        #expect(XMLNode.isWellFormed(xml))
        #expect(GenerationTable.text(report).contains("times as fast as teacher:3"))
    }

    @Test func `The report tells what it was made with`() throws {
        var report = try report()
        #expect(!GenerationPage.html(report, date: Date()).contains("<code>"))
        report.origin = .init(
            version: "9.8.7", command: ["/opt/bin/phasor", "bench", "--prompt", "it's <large>", "--seeds", "2"],
            modelDigest: String(repeating: "c0ffee00", count: 8))
        let page = GenerationPage.html(report, date: Date(timeIntervalSince1970: 86_400))
        #expect(page.contains("Phasor 9.8.7, model sha256 c0ffee00c0ffee00<") && page.contains("1970-01-02"))
        #expect(page.contains("<code>phasor bench --prompt 'it'\\''s &lt;large&gt;' --seeds 2</code>"))
        let object = try #require(JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
        #expect((object["origin"] as? [String: Any])?["version"] as? String == "9.8.7")
    }

    @Test func `A step stands in a row of its own phase`() throws {
        let lines = try GenerationTable.text(report()).split(separator: "\n")
        let numbers = { (name: String) in
            lines.first { $0.contains(name) }.map { $0.dropFirst(26).matches(of: /\d\.\d{4}/).count }
        }
        // Least, median and 95th percentile of the one contender that has the phase.
        for name in ["step 1, high noise", "step 3, low noise", "step 1, teacher", "step 3, teacher"] {
            #expect(numbers(name) == 3, "\(name)")
        }
        #expect(numbers("step 4, teacher") == nil && numbers("text encode") == 6)
    }

    @Test(arguments: [
        ("student", "student"), ("teacher:10", "teacher:10"), (":3", nil), ("a:0", nil), ("a:b", nil), ("a:1:2", nil),
    ])
    func `A contender is a name, perhaps with steps`(_ given: String, _ expected: String?) {
        #expect(Contender(argument: given)?.description == expected)
    }
}

/// Whether every tag is closed in order.
private enum XMLNode {
    static func isWellFormed(_ text: String) -> Bool {
        var open: [Substring] = []
        for match in text.matches(of: /<(\/?)([a-z0-9]+)[^>]*?(\/?)>/) {
            if !match.1.isEmpty {
                guard open.popLast() == match.2 else { return false }
            } else if match.3.isEmpty {
                open.append(match.2)
            }
        }
        return open.isEmpty
    }
}
