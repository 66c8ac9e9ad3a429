import Batch
import Foundation
import Jobs
import Pipelines
import Tensor
import Testing

/// Manifests against the embedded model: student with fixed sigmas and teacher, sides of 16k, 4k + 1 frames up to 33.
@Suite struct ManifestTests {
    private static let pipeline: Result<Pipeline, any Error> = Result {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        return try Pipeline(folder: root.appending(path: "Models/emoji-scenes").path, compute: Compute(threads: 1))
    }

    private func read(_ text: String, _ format: Manifest.Format = .jsonLines) throws -> Manifest {
        try Manifest(Array(text.utf8), format: format, model: Self.pipeline.get())
    }

    private func faults(_ text: String, _ format: Manifest.Format = .jsonLines) throws -> [ManifestFault] {
        do {
            _ = try read(text, format)
            return []
        } catch let error as ManifestError {
            return error.faults
        }
    }

    // MARK: What is right

    @Test func `A line makes a file for each seed and each of n, with the model's defaults`() throws {
        let manifest = try read(
            """
            {"prompt": "a dog", "seed": "3-5", "file": "dogs/{seed}"}

            {"prompt": "a cat", "n": 2, "seed": 7, "size": "64x32", "file": "{line}-{index}.png"}
            {"prompt": "a ghost", "frames": 5, "fps": 12, "crf": 20, "preset": "8", "codec": "av1", "size": "64x64"}
            {"prompt": "a car", "kind": "video", "generator": "teacher", "steps": 3, "guidance": 2}
            """)
        #expect(
            manifest.items.map(\.file) == [
                "dogs/3.png", "dogs/4.png", "dogs/5.png", "0003-0000.png", "0003-0001.png", "0004-0.mp4", "0005-0.mp4",
            ])
        #expect(manifest.items.map(\.line) == [1, 1, 1, 3, 3, 4, 5])
        #expect(manifest.items.map(\.request.seed) == [3, 4, 5, 7, 8, 0, 0])
        #expect(manifest.items.map(\.request.count) == [Int](repeating: 1, count: 7))
        let (picture, clip, taught) = (
            manifest.items[3].request, manifest.items[5].request, manifest.items[6].request
        )
        #expect((picture.width, picture.height, picture.frames) == (64, 32, 1))
        #expect(clip.kind == .video && clip.codec == .av1 && clip.preset == "8")
        #expect(clip.frames == 5 && clip.fps == 12 && clip.crf == 20)
        #expect(taught.frames == 17 && taught.fps == 8 && taught.guidanceScale == 2 && taught.steps == 3)
        #expect(taught.generator == "teacher" && picture.generator == "student")
    }

    @Test func `No file has a seed beyond the last`() throws {
        let last = Int.max
        #expect(try read("{\"prompt\": \"a\", \"seed\": \(last)}").items.map(\.request.seed) == [UInt64(last)])
        #expect(try read("{\"prompt\": \"a\", \"seed\": \(last - 1), \"n\": 2}").items.count == 2)
        for line in ["\"seed\": \(last), \"n\": 2", "\"seed\": \"\(last - 1)-\(last)\", \"n\": 2"] {
            #expect(try faults("{\"prompt\": \"a\", \(line)}").map(\.field) == ["seed"], "\(line)")
        }
    }

    /// As pandas writes a column of whole numbers with an empty cell in it.
    @Test func `Whole numbers may have a point and a zero`() throws {
        let manifest = try read("prompt,seed,n\na,3.0,2.0\nb,,\nc,12345678901.0,\n", .csv)
        #expect(manifest.items.map(\.request.seed) == [3, 4, 0, 12_345_678_901])
        for seed in ["3.5", "3.", ".0", "1e1", "3.0-5.0", "-1.0"] {
            #expect(try faults("prompt,seed\na,\(seed)\n", .csv).map(\.field) == ["seed"], "\(seed)")
        }
    }

    @Test func `An array of objects is as good as an object a line`() throws {
        let lines = #"{"prompt": "a", "seed": 1}"# + "\n" + #"{"prompt": "b", "seed": 2}"#
        let array = "\u{FEFF} [\n" + lines.replacing("\n", with: "  ,\n\n") + "\n]\n"
        #expect(try read(array).items.map(\.file) == read(lines).items.map(\.file))
        #expect(try read(array).items.map(\.request) == read(lines).items.map(\.request))
        #expect(try faults(#"[{"prompt": "a"}, 7]"#).map(\.line) == [2])
        #expect(try faults("[]").map(\.reason) == ["nothing to make"])
        #expect(try faults(#"[{"prompt": "a"}"#).map(\.line) == [1])
    }

    @Test func `CSV says the same as JSON`() throws {
        let csv = try read(
            "\u{FEFF}prompt,seed,num_frames,file\r\n\"a \"\"big\"\" dog, on\nthe beach\",0-1,,{seed}-{line}\r\na cat,4,5,\r\n",
            .csv)
        let json = try read(
            """
            {"prompt": "a \\"big\\" dog, on\\nthe beach", "seed": "0-1", "file": "{seed}-0002"}
            {"prompt": "a cat", "seed": 4, "num_frames": 5, "file": "0004-4"}
            """)
        #expect(csv.items.map(\.request) == json.items.map(\.request))
        #expect(csv.items.map(\.file) == json.items.map(\.file))
    }

    // MARK: What is wrong

    /// The line, the field and a word of the reason of everything that can be wrong with a line of JSON.
    private static let wrong: [(line: String, field: String?, reason: String)] = [
        (#"{"prompt": "a dog""#, nil, "not JSON"),
        (#"["a dog"]"#, nil, "not a JSON object"),
        (#"{"prompt": "a", "prompt": "b"}"#, nil, "twice"),
        (#"{"prompt": "a", "colour": "red"}"#, "colour", "no such field"),
        (#"{"prompt": "a", "frames": 5, "num_frames": 9}"#, "num_frames", "twice"),
        (#"{"seed": 1}"#, "prompt", "missing"),
        (#"{"prompt": "  "}"#, "prompt", "empty"),
        (#"{"prompt": 4}"#, "prompt", "not a text"),
        (#"{"prompt": "a\u0000b"}"#, "prompt", "NUL"),
        (#"{"prompt": "\#(String(repeating: "dog ", count: 1000))"}"#, "prompt", "tokens"),
        (#"{"prompt": "\#(String(repeating: "dog ", count: 3000))"}"#, "prompt", "at most 4096"),
        (#"{"prompt": "a", "negative_prompt": ["b"]}"#, "negative_prompt", "not a text"),
        (
            #"{"prompt": "a", "negative_prompt": "\#(String(repeating: "cat ", count: 1000))"}"#, "negative_prompt",
            "tokens"
        ),
        (#"{"prompt": "a", "kind": "film"}"#, "kind", "image or video"),
        (#"{"prompt": "a", "seed": -1}"#, "seed", "from 0 on"),
        (#"{"prompt": "a", "seed": 1.5}"#, "seed", "from 0 on"),
        (#"{"prompt": "a", "seed": "1-2-3"}"#, "seed", "range"),
        (#"{"prompt": "a", "seed": "9-3"}"#, "seed", "backwards"),
        (#"{"prompt": "a", "seed": "0-99999999"}"#, "seed", "at most"),
        (#"{"prompt": "a", "n": 0}"#, "n", "from 1"),
        (#"{"prompt": "a", "n": "two"}"#, "n", "integer"),
        (#"{"prompt": "a", "size": "64"}"#, "size", "WIDTHxHEIGHT"),
        (#"{"prompt": "a", "size": "64x100"}"#, "size", "multiple of 16"),
        (#"{"prompt": "a", "size": "4096x4096"}"#, "size", "pixels allowed"),
        (#"{"prompt": "a", "frames": 0}"#, "frames", "from 1"),
        (#"{"prompt": "a", "frames": 6}"#, "frames", "4k + 1"),
        (#"{"prompt": "a", "frames": 4001}"#, "frames", "at most"),
        (#"{"prompt": "a", "kind": "image", "frames": 5}"#, "frames", "an image has 1"),
        (#"{"prompt": "a", "frames": 5, "fps": 0}"#, "fps", "from 1 to 240"),
        (#"{"prompt": "a", "fps": 8}"#, "fps", "for clips"),
        (#"{"prompt": "a", "steps": 0}"#, "steps", "from 1 to 1000"),
        (#"{"prompt": "a", "steps": 5}"#, "steps", "4"),
        (#"{"prompt": "a", "generator": "professor"}"#, "generator", "professor"),
        (#"{"prompt": "a", "guidance_scale": "high"}"#, "guidance_scale", "not a number"),
        (#"{"prompt": "a", "guidance_scale_2": 1000}"#, "guidance_scale_2", "from 0 to 100"),
        (#"{"prompt": "a", "frames": 5, "codec": "vp9"}"#, "codec", "h264 or av1"),
        (#"{"prompt": "a", "codec": "h264"}"#, "codec", "for clips"),
        (#"{"prompt": "a", "frames": 5, "crf": 52}"#, "crf", "1 to 51"),
        (#"{"prompt": "a", "frames": 5, "preset": "warp"}"#, "preset", "medium"),
        (#"{"prompt": "a", "frames": 5, "codec": "av1", "preset": "medium"}"#, "preset", "allowed"),
        (#"{"prompt": "a", "frames": 5, "pixel_format": "rgb"}"#, "pixel_format", "yuv420p or yuv444p"),
        (#"{"prompt": "a", "frames": 5, "codec": "av1", "pixel_format": "yuv444p"}"#, "pixel_format", "AV1"),
        (#"{"prompt": "a", "frames": 5, "codec": "av1", "size": "32x32"}"#, "size", "libsvtav1"),
        (#"{"prompt": "a", "file": "/tmp/a"}"#, "file", "within"),
        (#"{"prompt": "a", "file": "../a"}"#, "file", "out of"),
        (#"{"prompt": "a", "file": "a//b"}"#, "file", "empty"),
        (#"{"prompt": "a", "file": "a\\b.png"}"#, "file", "backslash"),
        (#"{"prompt": "a", "file": "a\u0007"}"#, "file", "control"),
        (#"{"prompt": "a", "file": "a.mp4"}"#, "file", "makes .png"),
        (#"{"prompt": "a", "file": "{sead}"}"#, "file", "none of"),
        (#"{"prompt": "a", "file": "a{seed"}"#, "file", "brace"),
        (#"{"prompt": "a", "file": "contact-sheet"}"#, "file", "own"),
        (#"{"prompt": "a", "file": ""}"#, "file", "1 to 200"),
        (#"{"prompt": "a", "seed": "0-3", "file": "same"}"#, "file", "put {seed}"),
    ]

    @Test func `Each kind of wrong line is told by number, field and reason`() throws {
        let text = Self.wrong.map(\.line).joined(separator: "\n")
        let found = try faults(text)
        #expect(found.count == Self.wrong.count)
        for (index, wrong) in Self.wrong.enumerated() {
            let own = found.filter { $0.line == index + 1 }
            #expect(own.map(\.field) == [wrong.field], "\(wrong.line.prefix(80))")
            #expect(own.first?.reason.contains(wrong.reason) == true, "\(own) for \(wrong.line.prefix(80))")
        }
    }

    @Test func `All that is wrong with a line is told, and lines that meet in a name`() throws {
        let several = try faults(#"{"prompt": "", "seed": -4, "size": "big", "colour": 1, "fps": 3}"#)
        #expect(Set(several.compactMap(\.field)) == ["prompt", "seed", "size", "colour", "fps"])
        let same = try faults(
            """
            {"prompt": "a", "file": "x"}
            {"prompt": "b", "file": "x"}
            """)
        #expect(same.map(\.line) == [2] && same.first?.reason.contains("line 1") == true)
        #expect(try faults("\n \n").map(\.reason) == ["nothing to make"])
        let bytes: [UInt8] = Array(#"{"prompt": ""#.utf8) + [0xC3, 0x28] + Array(#""}"#.utf8)
        #expect(throws: ManifestError.self) {
            try Manifest(bytes, format: .jsonLines, model: Self.pipeline.get())
        }
    }

    @Test(arguments: [
        ("prompt,colour\na,b\n", 1, "no such field"), ("prompt,prompt\na,b\n", 1, "twice"),
        ("prompt,seed\na,1,2\n", 2, "3 fields; the header has 2"), ("prompt,seed\na\n", 2, "1 field; the header has 2"),
        ("prompt\n\"a\"b\n", 2, "after a closing quote"), ("prompt\na\"b\n", 2, "a quote in a field"),
        ("prompt\na\n\"b\n", 3, "never closed"), ("prompt,seed\na,x\n", 2, "is not a seed"),
        ("prompt,steps\na,0x4\n", 2, "is not an integer"), ("prompt\n", 0, "nothing to make"),
    ])
    func `Each kind of wrong CSV is told`(_ text: String, _ line: Int, _ reason: String) throws {
        let found = try faults(text, .csv)
        #expect(found.count == 1 && found.first?.line == line)
        #expect(found.first?.reason.contains(reason) == true, "\(found)")
    }

    @Test func `The ending of a manifest's name tells its format`() {
        #expect(Manifest.Format(path: "a/b.jsonl") == .jsonLines)
        #expect(Manifest.Format(path: "b.CSV") == .csv)
        #expect(Manifest.Format(path: "b.txt") == nil)
    }
}
