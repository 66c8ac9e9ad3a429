import Foundation
import Testing

@Suite struct GenerateCommandTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    @Test func `A file that nobody named is called after prompt and seed, and replaces none`() throws {
        for expected in [["a-dog-4.png"], ["a-dog-4-2.png", "a-dog-4.png"]] {
            let run = try command.generate("--seed", "4")
            #expect(run.code == 0, "\(run.said)")
            #expect(try command.names == expected)
            #expect(run.text.hasPrefix(expected[0] + ": 32x32, 1 frame, seed 4"))
        }
        #expect(command.bytes("a-dog-4.png") == command.bytes("a-dog-4-2.png"))
        #expect(try command.generate("--frames", "5", "-q").output.isEmpty)
        #expect(command.bytes("a-dog-0.mp4")?.dropFirst(4).starts(with: "ftyp".utf8) == true)
    }

    /// As users of other programs ask for any seed. The one that was drawn is told, and makes the same bytes again.
    @Test func `A seed of -1 is drawn and told`() throws {
        let told = try ["x.png", "y.png"].map { name in
            let run = try command.generate("--seed", "-1", "-o", name)
            #expect(run.code == 0, "\(run.said)")
            return try #require(run.text.firstMatch(of: /seed ([0-9]+),/)).1
        }
        #expect(told[0] != told[1] && command.bytes("x.png") != command.bytes("y.png"))
        #expect(try command.generate("--seed", String(told[0]), "-o", "z.png").code == 0)
        #expect(command.bytes("z.png") == command.bytes("x.png"))
    }

    @Test func `Standard output gets the file and nothing else`() throws {
        let piped = try command.generate("-o", "-")
        #expect(piped.code == 0 && piped.said.contains("standard output: 32x32"))
        #expect(try command.generate("-o", "x.png").code == 0)
        #expect(piped.output == command.bytes("x.png"))
        let clip = try command.generate("-o", "-", "--frames", "5")
        #expect(try command.generate("-o", "x.mp4", "--frames", "5").code == 0)
        #expect(clip.output == command.bytes("x.mp4"))
        #expect(try command.names == ["x.mp4", "x.png"])
    }

    /// exiftool reads what the files say.
    @Test(arguments: ["png", "jpg", "jpeg", "webp", "mp4"])
    func `The ending names the format, and the file says what it is`(ending: String) throws {
        let more = ending == "mp4" ? ["--frames", "5"] : []
        func tags(_ name: String, _ arguments: [String]) throws -> [String] {
            let made = try command.run(
                ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "-q", "-o", name] + more
                    + arguments)
            #expect(made.code == 0, "\(made.said)")
            return try command.run(
                [
                    "-s3", "-n", "-f", "-File:FileTypeExtension", "-XMP-iptcExt:DigitalSourceType",
                    "-XMP-xmp:CreatorTool",
                    "-XMP-iptcExt:AISystemUsed", name,
                ], program: URL(fileURLWithPath: "/usr/bin/exiftool")
            ).text.split(separator: "\n").map(String.init)
        }
        let told = try tags("a.\(ending)", [])
        #expect(told[0].lowercased() == (ending == "jpeg" ? "jpg" : ending))
        #expect(told[1] == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia")
        #expect(told[2].hasPrefix("Phasor ") && told[3] == "emoji-scenes")
        #expect(try tags("b.\(ending)", ["--no-provenance"])[1...] == ["-", "-", "-"])
    }

    @Test func `A quality that means nothing is refused`() throws {
        for (name, quality) in [("a.png", "50"), ("a.jpg", "101"), ("a.mp4", "50")] {
            let run = try command.generate("-o", name, "--output-compression", quality)
            #expect(run.code == 64 && run.said.contains("--output-compression"), "\(name): \(run.said)")
        }
        #expect(try command.generate("-o", "small.webp", "--output-compression", "10").code == 0)
        #expect(try command.generate("-o", "large.webp").code == 0)
        #expect((command.bytes("small.webp")?.count ?? .max) < (command.bytes("large.webp")?.count ?? 0))
        let wrong = try command.generate("-o", "a.gif")
        #expect(wrong.code == 64 && wrong.said.contains(".jpg or .webp"))
    }

    @Test func `What cannot be written is told before anything is opened`() throws {
        try FileManager.default.createDirectory(
            at: command.folder.appending(path: "d.png"), withIntermediateDirectories: true)
        try Data("file".utf8).write(to: command.folder.appending(path: "f"))
        // The model that is named is none: whoever opened it first would speak of that.
        func refused(_ arguments: String...) throws -> String {
            let run = try command.run(["generate", "a dog", "--model", "/nowhere"] + arguments)
            #expect(run.code == 1 && run.output.isEmpty)
            return run.said
        }
        #expect(try refused("-o", "no/x.png") == "Error: no/x.png cannot be written: there is no folder no\n")
        #expect(try refused("-o", "d.png").contains("d.png cannot be written: it is a folder"))
        #expect(try refused("-o", "f/x.png").contains("there is no folder f"))
        #expect(try refused("-o", "x.png", "--latents", "no/l").contains("no/l cannot be written"))
        #expect(try refused("-o", "x.png").contains("/nowhere"))
        #expect(
            try command.run(["generate", "a dog", "-o", "x.bmp"]).said.contains("--output x.bmp: the name must end"))
        #expect(try command.names == ["d.png", "f"])
    }

    @Test func `A full standard output is told`() throws {
        let full = try FileHandle(forWritingTo: URL(fileURLWithPath: "/dev/full"))
        let run = try command.run(
            ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "-o", "-"], output: full)
        #expect(run.code == 1 && run.said.contains("standard output cannot be written: No space left"))
        let table = try command.run(["inspect", CommandRun.model], output: full)
        #expect(table.code == 1 && table.said.contains("standard output cannot be written"))
        // What is said on the way may be lost; the picture is made.
        let silent = try command.run(
            ["generate", "a dog", "--model", CommandRun.model, "--size", "32x32", "-v", "-o", "x.png"], error: full)
        #expect(silent.code == 0 && command.bytes("x.png") != nil)
    }

    @Test func `Files keep their permissions, and links stay links`() throws {
        let (file, link) = (command.folder.appending(path: "x.png"), command.folder.appending(path: "l.png"))
        try Data().write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file.path)
        try FileManager.default.createSymbolicLink(at: link, withDestinationURL: file)
        #expect(try command.generate("-o", "l.png").code == 0)
        let kept = try FileManager.default.attributesOfItem(atPath: file.path)
        #expect(kept[.posixPermissions] as? Int == 0o640 && (kept[.size] as? Int ?? 0) > 100)
        #expect(
            try FileManager.default.attributesOfItem(atPath: link.path)[.type] as? FileAttributeType
                == .typeSymbolicLink)
    }

    @Test(arguments: ["", "  ", "\u{3000}\n", "<lora:ink:1>"])
    func `An empty prompt is refused`(_ prompt: String) throws {
        let run = try command.run(["generate", prompt, "-o", "x.png"])
        #expect(run.code == 64 && run.said.contains("the prompt is empty"))
        #expect(try command.names.isEmpty)
    }

    @Test(arguments: [
        (["--frames", "6", "-o", "x.mp4"], "--frames"), (["--steps", "5"], "--steps"), (["--size", "33x32"], "--size"),
        (["--guidance-scale", "101"], "--guidance-scale"), (["--generator", "professor"], "--generator"),
        (["--frames", "5", "--crf", "99"], "--crf"), (["--crf", "20"], "--crf 20: it is for clips"),
        (
            ["--generator", "teacher", "--steps", "9999"],
            "'9999' is invalid for '--steps <steps>': it must be 1...1000"
        ),
        (["--size", "big"], "--size"),
        (["--seed", "-2"], "'-2' is invalid for '--seed <seed>': it must be 0...9223372036854775807"),
        (["--seed", "x"], "'x' is invalid for '--seed <seed>': it is no whole number"),
        (["--steps", "-1"], "'-1' is invalid for '--steps <steps>': it must be 1...1000"),
        (["--strength", "-0.5"], "'-0.5' is invalid for '--strength <strength>': it must be 0...1"),
        (["-q", "-v"], "--verbose"), (["--log-format", "xml"], "--log-format"),
    ])
    func `Wrong arguments are told by their flag, what was given, and the usage of the command`(
        _ arguments: [String], _ flag: String
    ) throws {
        let run = try command.run(["generate", "a dog", "--model", CommandRun.model] + arguments)
        #expect(run.code == 64 && run.said.hasPrefix("Error: "))
        #expect(run.said.split(separator: "\n").first?.contains(flag) == true, "\(run.said)")
        #expect(run.said.contains("Usage: phasor generate") && run.said.contains("'phasor generate --help'"))
        #expect(try command.names.isEmpty)
    }

    /// A model that makes nothing without a picture to look at takes `--image` as one.
    @Test func `A picture is edited`() throws {
        let folder = CommandRun.root.appending(path: "Tests/Fixtures/qwen-image-edit-tiny").path
        let base = ["generate", "make it blue", "--model", folder, "--size", "48x32", "--steps", "2"]
        let photos = (0..<2).map { "\(folder)/inputs/photo\($0).png" }
        for (file, pictures) in [
            ("a.png", ["--image", photos[0]]), ("b.png", ["--reference", photos[0]]),
            ("c.png", ["--image", photos[0], "--reference", photos[1]]),
            ("e.png", ["--image", photos[0], "--image", photos[1]]),
        ] {
            let run = try command.run(base + pictures + ["-o", file])
            #expect(run.code == 0, "\(run.said)")
        }
        #expect(command.bytes("a.png") == command.bytes("b.png"))
        #expect(command.bytes("a.png") != command.bytes("c.png"))
        #expect(command.bytes("e.png") == command.bytes("c.png"))
        // Where one is taken, none is left out silently.
        let two = try command.run(
            [
                "generate", "a dog", "--model", CommandRun.model, "--image", photos[0], "--image", photos[1], "-o",
                "f.png",
            ])
        #expect(two.code == 64 && two.said.contains("--image: 2 pictures given; emoji-scenes takes one"), "\(two.said)")
        let changed = try command.run(
            [
                "generate", "a dog", "--model", CommandRun.model, "--image", photos[0], "--strength", "0.3", "-o",
                "g.png",
            ])
        #expect(changed.text.contains("strength 0.30: begun at sigma 0.50, the nearest step"), "\(changed.text)")
        let clip = try command.run(
            [
                "generate", "a dog", "--model", CommandRun.model, "--image", photos[0], "--strength", "0.3", "-o",
                "h.mp4",
            ])
        #expect(clip.code == 64 && clip.said.contains("a clip begins with the picture as it is"), "\(clip.said)")
        let none = try command.run(base + ["-o", "d.png"])
        #expect(none.code == 64 && none.said.contains("takes 1 to 3"), "\(none.said)")
        let told = try command.run(["inspect", folder])
        #expect(told.text.contains("pictures: 1 to 3 to look at (image or images), required\n"))
    }
}
