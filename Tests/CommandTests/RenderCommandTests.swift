import Foundation
import Testing

@Suite struct RenderCommandTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    private func render(_ manifest: String, name: String = "m.jsonl", _ arguments: String...) throws
        -> CommandRun.Result
    {
        try Data(manifest.utf8).write(to: command.folder.appending(path: name))
        return try command.run(["render", name, "--model", CommandRun.model] + arguments)
    }

    private static let lines = """
        {"prompt": "a dog", "size": "32x32", "seed": 1}
        {"prompt": "a cat", "size": "32x32", "seed": 2}
        {"prompt": "a car", "size": "32x32", "seed": 3}

        """

    @Test func `The exit code says whether all, some or no file was made`() throws {
        #expect(try render(Self.lines, "--out", "o").code == 0)
        try FileManager.default.createDirectory(
            at: command.folder.appending(path: "p/0002-2.png"), withIntermediateDirectories: true)
        let some = try render(Self.lines, "--out", "p")
        #expect(some.code == 1 && some.said.contains("line 2: 0002-2.png: p/0002-2.png is in the way: it is a folder"))
        #expect(command.bytes("p/0001-1.png") == command.bytes("o/0001-1.png") && command.bytes("p/0003-3.png") != nil)
        let none = try render(Self.lines + "{\"prompt\": \"\"}\n", "--out", "q")
        #expect(none.code == 2 && none.said.contains("line 4: prompt: it is empty"))
        #expect(!FileManager.default.fileExists(atPath: command.folder.appending(path: "q").path))
        #expect(try render(Self.lines, "--check").text == "3 files to make; the manifest is right\n")
    }

    @Test func `Shares of a manifest fill one folder, and the whole then finds it full`() throws {
        let lines = (1...7).map { "{\"prompt\": \"a dog\", \"size\": \"32x32\", \"seed\": \($0)}\n" }.joined()
        #expect(try render(lines, "--out", "whole").code == 0)
        for (share, count) in [("2/3", 2), ("1/3", 3), ("3/3", 2)] {
            let run = try render(lines, "--out", "o", "--shard", share)
            #expect(run.code == 0 && run.text.contains("\(count) made, 0 there before"), "\(run.said)")
            #expect(command.bytes("o/index.html") == nil)
        }
        for line in 1...7 {
            let name = "000\(line)-\(line).png"
            #expect(command.bytes("o/\(name)") == command.bytes("whole/\(name)") && command.bytes("o/\(name)") != nil)
            #expect(command.bytes("o/\(name).json") == command.bytes("whole/\(name).json"))
        }
        let all = try render(lines, "--out", "o")
        #expect(all.code == 0 && all.text.contains("0 made, 7 there before"), "\(all.said)")
        #expect(command.bytes("o/index.html") != nil)
        // A share of fewer files than shares is nothing to do.
        #expect(try render(lines, "--out", "p", "--shard", "9/9").text.contains("0 made"))
        for wrong in ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/3/5"] {
            let run = try render(lines, "--out", "q", "--shard", wrong)
            #expect(run.code == 64 && run.said.contains("--shard"), "\(wrong): \(run.said)")
        }
    }

    @Test func `A file that was renamed with its sidecar is verified under its new name`() throws {
        #expect(try render(Self.lines, "--out", "o").code == 0)
        for ending in ["png", "png.json"] {
            try FileManager.default.moveItem(
                at: command.folder.appending(path: "o/0001-1.\(ending)"),
                to: command.folder.appending(path: "o/dog.\(ending)"))
        }
        let right = try command.run(["render", "--verify", "o", "--model", CommandRun.model])
        #expect(right.code == 0 && right.text.contains("3 with the same bytes, 0 not"), "\(right.said)")
        try Data("x".utf8).write(to: command.folder.appending(path: "o/dog.png"))
        let wrong = try command.run(["render", "--verify", "o", "--model", CommandRun.model])
        #expect(wrong.code == 1 && wrong.said.contains("dog.png: the file was changed"))
    }

    @Test func `A folder of pictures is a batch, and a picture that is none fails alone`() throws {
        let photos = command.folder.appending(path: "photos")
        try FileManager.default.createDirectory(at: photos, withIntermediateDirectories: true)
        let fixtures = CommandRun.root.appending(path: "Tests/Fixtures/pictures")
        for (fixture, name) in [("rgb.jpg", "b.jpg"), ("rgb8.png", "a.png")] {
            try FileManager.default.copyItem(
                at: fixtures.appending(path: fixture), to: photos.appending(path: name))
        }
        let arguments = [
            "render", "--images", "photos", "--prompt", "a dog", "--strength", "0.75", "--out", "o", "--model",
            CommandRun.model,
        ]
        #expect(try command.run(arguments).code == 0)
        #expect(command.bytes("o/a.png") != nil && command.bytes("o/b.png") != nil)
        try Data("x".utf8).write(to: photos.appending(path: "c.webp"))
        let again = try command.run(arguments)
        #expect(again.code == 1 && again.said.contains("line 3: c.png: image: photos/c.webp: "), "\(again.said)")
        #expect(again.text.contains("0 made, 2 there before, 1 failed"))
        let right = try command.run(["render", "--verify", "o", "--model", CommandRun.model])
        #expect(right.code == 0 && right.text.contains("2 with the same bytes, 0 not"), "\(right.said)")
        // A manifest's paths begin where it lies.
        let lines = Data("prompt,image,strength,file\na dog,a.png,0.75,from-a\n".utf8)
        try lines.write(to: photos.appending(path: "m.csv"))
        let listed = try command.run(["render", "photos/m.csv", "--out", "p", "--model", CommandRun.model])
        #expect(listed.code == 0 && command.bytes("p/from-a.png") == command.bytes("o/a.png"), "\(listed.said)")
    }

    @Test func `A wrong manifest has a bounded number of complaints`() throws {
        let run = try render(String(repeating: "{\"prompt\": 1}\n", count: 5000), "--check")
        #expect(run.code == 2 && run.said.contains("... and 4800 more") && run.said.contains("5000 faults"))
        #expect(run.said.split(separator: "\n").count == 202)
    }

    @Test(arguments: [
        (["render", "no.csv", "--out", "o"], "no.csv cannot be read: No such file"),
        (["render", "m.txt", "--out", "o"], "ends in .jsonl, .csv or .tsv"), (["render", "m.jsonl"], "--out DIR"),
        (["render"], "--verify DIR"), (["render", "m.jsonl", "--out", "o", "--window", "0"], "--window 0: it must be"),
        (["render", "--images", "photos", "--out", "o"], "say with --prompt"),
        (["render", "m.jsonl", "--images", "photos", "--out", "o"], "--images DIR"),
    ])
    func `Wrong arguments are told in a sentence`(_ arguments: [String], _ words: String) throws {
        let run = try command.run(arguments + ["--model", CommandRun.model])
        #expect(run.code == 64 && run.said.split(separator: "\n").first?.contains(words) == true, "\(run.said)")
        #expect(run.said.contains("Usage: phasor render"))
    }
}
