import Foundation
import Media
import Support
import Testing

/// `phasor generate` and a job of the same request (here of `phasor render`, which makes its files by the server's engine) write
/// the same file: the same picture, and the same said of its making.
@Suite struct FileRecordTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    struct Case: Sendable {
        let ending: String
        var flags: [String] = []
        var line = ""
    }

    @Test(arguments: [
        Case(ending: "png"),
        Case(
            ending: "png",
            flags: ["--generator", "teacher", "--steps", "4", "--guidance-scale", "2", "--negative-prompt", "a cat"],
            line: #", "generator": "teacher", "steps": 4, "guidance_scale": 2, "negative_prompt": "a cat""#),
        Case(ending: "webp", flags: ["--output-compression", "40"], line: #", "output_compression": 40"#),
        Case(ending: "jpg"),
        Case(
            ending: "mp4", flags: ["--frames", "5", "--fps", "8", "--crf", "30"],
            line: #", "frames": 5, "fps": 8, "crf": 30"#),
    ])
    func `What generate writes is what a job writes`(_ test: Case) throws {
        let name = "a.\(test.ending)"
        let made = try command.run(
            ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "--seed", "7", "-q", "-o", name]
                + test.flags)
        #expect(made.code == 0, "\(made.said)")
        let line = #"{"prompt": "a dog", "size": "32x32", "seed": 7, "file": "\#(name)"\#(test.line)}"#
        try Data(line.utf8).write(to: command.folder.appending(path: "m.jsonl"))
        let rendered = try command.run(["render", "m.jsonl", "--out", "out", "--model", CommandRun.model, "-q"])
        #expect(rendered.code == 0, "\(rendered.said)")

        let own = try FileNotes(path: command.folder.appending(path: name).path)
        let job = try FileNotes(path: command.folder.appending(path: "out/\(name)").path)
        let record = try JSON(parsing: Array(try #require(own.record).utf8))
        #expect(record == (try JSON(parsing: Array(try #require(job.record).utf8))))
        #expect(record["request"]?["seed"]?.integer == 7)
        #expect(own.parameters == job.parameters && own.parameters?.contains("Seed: 7") == true)
        #expect(own.provenance == job.provenance)
        #expect(command.bytes(name) == command.bytes("out/\(name)"))
    }
}
