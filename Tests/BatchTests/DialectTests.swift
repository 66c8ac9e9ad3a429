import Batch
import Foundation
import Pipelines
import Tensor
import Testing

/// Tables that Python's csv module wrote in its dialects and in those of spreadsheets (Tests/Fixtures/manifests), each
/// against the same rows as its json module wrote them.
@Suite struct DialectTests {
    private static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    private static let fixtures = tests.appending(path: "Fixtures/manifests")
    private static let pipeline: Result<Pipeline, any Error> = Result {
        let model = tests.deletingLastPathComponent().appending(path: "Models/emoji-scenes").path
        return try Pipeline(folder: model, compute: Compute(threads: 1))
    }

    private func read(_ name: String) throws -> Manifest {
        let path = Self.fixtures.appending(path: name)
        let format = try #require(Manifest.Format(path: path.path))
        return try Manifest(Array(Data(contentsOf: path)), format: format, model: Self.pipeline.get())
    }

    private func read(csv text: String) throws -> Manifest {
        try Manifest(Array(text.utf8), format: .csv, model: Self.pipeline.get())
    }

    private func faults(csv text: String) throws -> [String] {
        do {
            _ = try read(csv: text)
            return []
        } catch let error as ManifestError {
            return error.faults.map(\.description)
        }
    }

    /// Prompts by their scalars: Swift takes other spellings of one character for the same.
    private func scalars(_ manifest: Manifest) -> [[UInt32]] {
        manifest.items.map { ($0.request.prompt + "|" + ($0.request.negativePrompt ?? "")).unicodeScalars.map(\.value) }
    }

    @Test(arguments: [
        "excel.csv", "unix.csv", "nonnumeric.csv", "returns.csv", "bom.csv", "semicolons.csv", "pipes.csv",
        "stated.csv",
        "unicode-text.tsv", "big-endian.csv", "tabs.tsv", "borders.csv", "titles.csv", "typed.csv", "rows-bom.jsonl",
        "rows-utf16.jsonl",
    ])
    func `Every dialect says the same, to the scalar`(_ name: String) throws {
        let (table, lines) = (try read(name), try read("rows.jsonl"))
        #expect(table.items.count == 15)
        #expect(table.items.map(\.request) == lines.items.map(\.request))
        #expect(table.items.map(\.file) == lines.items.map(\.file))
        #expect(scalars(table) == scalars(lines))
    }

    @Test func `Without quotes the blanks around a value are no part of it`() throws {
        let (table, lines) = (try read("minimal.csv"), try read("rows.jsonl"))
        #expect(
            table.items.map(\.request.prompt)
                == lines.items.map { $0.request.prompt.trimmingCharacters(in: CharacterSet(charactersIn: " ")) })
        let typed = try read(csv: "prompt, seed , file\n a dog on\ta hill\t, 1,\t\"dog, \" \n")
        #expect(typed.items.map(\.request.prompt) == ["a dog on\ta hill"])
        #expect(typed.items.map(\.file) == ["dog, .png"])
    }

    @Test func `Lines are counted as editors count them`() throws {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["prompt,seed", "\"a", "dog\",1", "", "b,x"].joined(separator: end)
            #expect(try faults(csv: text).map { $0.prefix(12) } == ["line 5: seed"], "\(end.debugDescription)")
            #expect(try faults(csv: "sep=,\(end)\(text)").map { $0.prefix(12) } == ["line 6: seed"])
        }
    }

    @Test(arguments: [
        ("prompt;seed\na dog; on a hill;1\n", "line 2: 3 fields; the header has 2; a value with a semicolon in it"),
        ("prompt,,seed\na dog,x,1\n", "line 2: column 2 holds 'x', but has no name"),
        ("colour;size of it\nred;1\n", "line 1: colour;size of it: there is no such field"),
        ("prompt\nça\n", ""),
    ])
    func `What a table cannot say is told`(_ text: String, _ fault: String) throws {
        let found = try faults(csv: text)
        #expect(found.first?.hasPrefix(fault) ?? fault.isEmpty, "\(found)")
    }

    @Test func `Text that is no UTF-8 is told by its line`() throws {
        // "ça" as Windows-1252 has it.
        let bytes = Array("prompt\na dog\n".utf8) + [0xE7, 0x61, 0x0A]
        let error = #expect(throws: ManifestError.self) {
            try Manifest(bytes, format: .csv, model: Self.pipeline.get())
        }
        #expect(error?.faults.map(\.line) == [3])
        #expect(error?.faults.first?.reason.contains("UTF-8") == true)
    }

    // MARK: Names

    private func nameFaults(_ files: [String]) throws -> [(line: Int, reason: String)] {
        let lines = files.map { file in
            let name = file.unicodeScalars.map { String(format: "\\u%04x", $0.value) }.joined()
            return "{\"prompt\": \"a\", \"file\": \"\(name)\"}"
        }
        do {
            _ = try Manifest(
                Array(lines.joined(separator: "\n").utf8), format: .jsonLines, model: Self.pipeline.get())
            return []
        } catch let error as ManifestError {
            return error.faults.map { ($0.line, $0.reason) }
        }
    }

    @Test func `A name is no file for one line and a folder for another`() throws {
        #expect(try nameFaults(["a", "b/a", "b/c/a", "b/d"]).isEmpty)
        #expect(try nameFaults(["a", "a.png/b"]).map(\.line) == [2])
        #expect(try nameFaults(["x/y/z/q", "x/y"]).isEmpty)
        #expect(try nameFaults(["x/y.png/z/q", "x/y"]).first?.reason.contains("line 2 makes") == true)
        #expect(try nameFaults(["a", "a.png.json/b"]).first?.reason.contains("sidecar") == true)
        #expect(try nameFaults(["index.html/a"]).first?.reason.contains("own") == true)
        #expect(try nameFaults([String(repeating: "{seed}", count: 30)]).isEmpty)
    }

    @Test func `Slashes and dots are seen whatever stands on them`() throws {
        // A combining accent makes one Swift character of itself and what is before it.
        for name in ["/\u{301}a", ".\u{301}a", "b/.\u{301}a", "b/\u{301}/../../a", "{\u{301}seed}"] {
            #expect(try !nameFaults([name]).isEmpty, "\(name.unicodeScalars.map(\.value))")
        }
        #expect(try nameFaults(["b/\u{301}a", "{seed}\u{301}"]).isEmpty)
    }

    @Test func `A line of too many files is refused before any is made`() throws {
        let start = ContinuousClock.now
        for (seeds, count) in [("0-999999", 10_000), ("0-999999", 2), ("0-200", 10_000)] {
            let error = #expect(throws: ManifestError.self) {
                try Manifest(
                    Array("{\"prompt\": \"a\", \"seed\": \"\(seeds)\", \"n\": \(count)}".utf8), format: .jsonLines,
                    model: Self.pipeline.get())
            }
            #expect(error?.faults.map(\.field) == ["n"])
        }
        #expect(start.duration(to: .now) < .seconds(5))
    }
}
