import Batch
import Foundation
import Jobs
import Logging
import Media
import Pictures
import Pipelines
import Serving
import Tensor
import TestSupport
import Testing
import Weights

/// Small batches by the embedded model.
@Suite(.serialized) struct BatchRunTests {
    private let pipeline: Pipeline
    private let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-batch-\(UUID())").path
    private let maker = Sidecar.Maker(precision: "f32", instructions: "test")
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private static let lines = """
        {"prompt": "a dog", "seed": "0-3", "size": "32x32", "file": "dogs/{seed}"}
        {"prompt": "a ghost", "frames": 5, "size": "32x32", "file": "ghost"}
        {"prompt": "a ghost", "frames": 5, "size": "32x32", "pixel_format": "yuv444p", "file": "ghost444"}
        """
    private static let files = ["dogs/0.png", "dogs/1.png", "dogs/2.png", "dogs/3.png", "ghost.mp4", "ghost444.mp4"]

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let files = ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path)
        pipeline = try Pipeline(files, compute: Compute(threads: 2))
    }

    private func run(_ lines: String = lines, in folder: String, window: Int = 3) async throws -> BatchSummary {
        var options = BatchRun.Options()
        options.window = window
        let run = BatchRun(
            try Manifest(Array(lines.utf8), format: .jsonLines, model: pipeline), model: pipeline, made: maker,
            folder: folder, options: options)
        let summary = try await run.run(logger: logger) { _ in }
        #expect(run.writeOverview(title: "test", summary: summary).isEmpty)
        return summary
    }

    private func bytes(_ file: String, in folder: String) -> Data? {
        FileManager.default.contents(atPath: "\(folder)/\(file)")
    }

    @Test func `A batch makes its files, once, and what is missing again`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let first = try await run(in: folder)
        #expect((first.made, first.kept, first.failed.count) == (6, 0, 0))
        let index = String(decoding: bytes("index.html", in: folder) ?? Data(), as: UTF8.self)
        #expect(index.contains("4 pictures and 2 clips, ") && !index.contains("missing"))
        #expect(index.contains("href=\"contact-sheet.png\"") && index.components(separatedBy: "<figure>").count == 7)
        #expect(first.stages.map(\.name).sorted() == ["decode and encode", "high noise", "low noise"])
        #expect(first.stages.first { $0.name == "high noise" }?.count == 12)
        let made = Self.files.map { bytes($0, in: folder) }
        #expect(made.allSatisfy { ($0?.count ?? 0) > 100 })

        let again = try await run(in: folder)
        #expect((again.made, again.kept) == (0, 6))

        // Whatever of a file is gone, or is of another request, is made again; nothing else is.
        try FileManager.default.removeItem(atPath: "\(folder)/dogs/1.png")
        for file in ["dogs/2.png", "dogs/2.png.json"] {
            try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
        }
        try Data().write(to: URL(filePath: "\(folder)/ghost.mp4"))
        let mended = try await run(in: folder)
        #expect((mended.made, mended.kept) == (3, 3))
        #expect(Self.files.map { bytes($0, in: folder) } == made)
        let changed = try await run(Self.lines.replacing("a dog", with: "a cat"), in: folder)
        #expect((changed.made, changed.kept) == (4, 2))
    }

    @Test func `A batch that is interrupted goes on where it was`() async throws {
        let calm = folder + "-calm"
        defer { for path in [folder, calm] { try? FileManager.default.removeItem(atPath: path) } }
        let lines = Self.lines.replacing("0-3", with: "0-19")
        _ = try await run(lines, in: calm)
        let task = Task { try await run(lines, in: folder) }
        let third = "\(folder)/dogs/2.png.json"
        while !FileManager.default.fileExists(atPath: third) { try await Task.sleep(for: .milliseconds(2)) }
        task.cancel()
        guard case .failure = await task.result else {
            Issue.record("the batch ended before it was interrupted")
            return
        }
        let rest = try await run(lines, in: folder)
        #expect(rest.kept >= 1 && rest.made >= 1 && rest.kept + rest.made == 22)
        for file in (0..<20).map({ "dogs/\($0).png" }) + ["ghost.mp4", "ghost444.mp4"] {
            #expect(bytes(file, in: folder) == bytes(file, in: calm), "\(file)")
        }
    }

    @Test func `Bytes do not depend on the window, and nothing of the run stays in the sidecars`() async throws {
        let other = folder + "-other"
        defer { for path in [folder, other] { try? FileManager.default.removeItem(atPath: path) } }
        _ = try await run(in: folder, window: 1)
        _ = try await run(in: other, window: 6)
        for file in Self.files + Self.files.map({ "\($0).json" }) + ["index.html", "contact-sheet.png"] {
            #expect(bytes(file, in: folder) == bytes(file, in: other), "\(file)")
        }
        let sidecar = String(decoding: bytes("ghost.mp4.json", in: folder) ?? Data(), as: UTF8.self)
        #expect(
            !sidecar.contains(FileManager.default.currentDirectoryPath) && !sidecar.contains(NSTemporaryDirectory()))
    }

    // MARK: What others put there

    private func write(_ text: String, to file: String) throws {
        let path = URL(filePath: "\(folder)/\(file)")
        try FileManager.default.createDirectory(at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: path)
    }

    @Test func `What no batch made is not replaced, and stops no other file`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try write("mine", to: "dogs/0.png")
        try write("{\"caption\": \"mine\"}", to: "dogs/1.png.json")
        try write("mine", to: "ghost.mp4/notes.txt")
        try write("mine", to: "dogs/3.png.partial")
        let first = try await run(in: folder)
        #expect((first.made, first.failed.map(\.file)) == (3, ["dogs/0.png", "dogs/1.png", "ghost.mp4"]))
        #expect(first.failed.allSatisfy { $0.reason.contains("in the way") }, "\(first.failed)")
        for file in ["dogs/0.png", "ghost.mp4/notes.txt", "dogs/3.png.partial"] {
            #expect(bytes(file, in: folder) == Data("mine".utf8), "\(file)")
        }
        #expect(bytes("dogs/1.png", in: folder) == nil)

        // What was made and then changed by hand is no more the batch's.
        try write("retouched", to: "dogs/2.png")
        let changed = try await run(Self.lines.replacing("a dog", with: "a cat"), in: folder)
        #expect(changed.failed.map(\.file) == ["dogs/0.png", "dogs/1.png", "dogs/2.png", "ghost.mp4"])
        #expect(bytes("dogs/2.png", in: folder) == Data("retouched".utf8))

        // Out of the way, all are made.
        for file in ["dogs/0.png", "dogs/1.png.json", "dogs/2.png", "ghost.mp4"] {
            try FileManager.default.removeItem(atPath: "\(folder)/\(file)")
        }
        let rest = try await run(in: folder)
        #expect(rest.failed.isEmpty && rest.made + rest.kept == 6)
    }

    @Test func `The overview is written over itself, and over nothing else`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try write("mine", to: "index.html")
        let manifest = try Manifest(Array(Self.lines.utf8), format: .jsonLines, model: pipeline)
        let run = BatchRun(manifest, model: pipeline, made: maker, folder: folder)
        let summary = try await run.run(logger: logger) { _ in }
        #expect(summary.made == 6)
        let faults = run.writeOverview(title: "a", summary: summary)
        #expect(faults.count == 1 && faults.first?.contains("index.html is in the way") == true)
        #expect(bytes("index.html", in: folder) == Data("mine".utf8))
        #expect(bytes("contact-sheet.png", in: folder) != nil && bytes("summary.json", in: folder) != nil)
        try FileManager.default.removeItem(atPath: "\(folder)/index.html")
        for title in ["a", "b", "b", "c"] { #expect(run.writeOverview(title: title, summary: summary).isEmpty) }
        #expect(String(decoding: bytes("index.html", in: folder) ?? Data(), as: UTF8.self).contains("<h1>c</h1>"))
    }

    /// The states in which a kill leaves a folder, made by hand: the digest of the file's name is that of another tool.
    @Test func `A delivery that was interrupted is ended by the next run`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await run(in: folder)
        let aside = "\(folder)/.phasor/deliveries/d6b1e2"
        func kill(_ body: () throws -> Void) async throws -> BatchSummary {
            try body()
            return try await run(in: folder)
        }
        func move(_ file: String, to path: String) throws {
            try FileManager.default.moveItem(atPath: file, toPath: path)
        }
        // The file has its name, the sidecar is aside.
        let named = try await kill { try move("\(folder)/dogs/0.png.json", to: aside + ".json") }
        #expect((named.made, named.kept) == (0, 6))
        // Neither has its name.
        let unnamed = try await kill {
            try move("\(folder)/dogs/0.png.json", to: aside + ".json")
            try move("\(folder)/dogs/0.png", to: aside)
        }
        #expect((unnamed.made, unnamed.kept) == (1, 5))
        // Cut off while it was written.
        let cut = try await kill { try Data("{\"version\"".utf8).write(to: URL(filePath: aside + ".json")) }
        #expect((cut.made, cut.kept) == (0, 6))
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(folder)/.phasor/deliveries").isEmpty)
    }

    @Test func `Files are for whoever new files are for`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await run(in: folder)
        try write("", to: "new")
        func mode(_ file: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")[.posixPermissions] as? Int
        }
        for file in Self.files + ["dogs/0.png.json", "index.html"] { #expect(try mode(file) == mode("new"), "\(file)") }
    }

    @Test func `Verification makes the files again, and says which differ and why`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try await run(in: folder)
        let logger = logger
        func verify(_ model: Pipeline, _ folder: String) async throws -> [String: String] {
            let verification = BatchVerification(model: model, made: maker, folder: folder)
            let results = try await verification.run(logger: logger) { _, count in #expect(count == 6) }
            #expect(results.map(\.file) == Self.files)
            return Dictionary(
                uniqueKeysWithValues: results.compactMap { result in result.fault.map { (result.file, $0) } })
        }
        #expect(try await verify(pipeline, folder).isEmpty)

        // A file that was changed, one that is gone, one whose sidecar tells of another seed.
        try Data("other".utf8).write(to: URL(filePath: "\(folder)/dogs/0.png"))
        try FileManager.default.removeItem(atPath: "\(folder)/dogs/1.png")
        let path = "\(folder)/dogs/2.png.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try text.replacing("\"seed\" : 2", with: "\"seed\" : 9").write(toFile: path, atomically: true, encoding: .utf8)
        // A sidecar that is cut off says nothing, which is no reason to pass over its file.
        let cut = "\(folder)/dogs/3.png.json"
        let whole = try Data(contentsOf: URL(filePath: cut))
        try whole.prefix(40).write(to: URL(filePath: cut))
        #expect(try await verify(pipeline, folder)["dogs/3.png"] == "dogs/3.png.json is damaged, or no batch's")
        try whole.write(to: URL(filePath: cut))
        let faults = try await verify(pipeline, folder)
        #expect(Set(faults.keys) == ["dogs/0.png", "dogs/1.png", "dogs/2.png"])
        #expect(faults["dogs/0.png"]?.contains("changed") == true)
        #expect(faults["dogs/1.png"]?.contains("missing") == true)
        #expect(faults["dogs/2.png"]?.contains("first that differs") == true)

        // Another teacher has no part in what the student made; another expert has.
        let teacher = try AlteredModel("teacher")
        #expect(try await verify(teacher.open(), folder).count == 3)
        let transformer = try AlteredModel("transformer")
        let all = try await verify(transformer.open(), folder)
        #expect(all["ghost.mp4"]?.contains("transformer of the model") == true)
        #expect(all.count == 6)
    }

    /// The base of an expert that is LoRA files on a base is part of what the expert is.
    @Test func `Files are made again when the base under an adapted expert has changed`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lines = #"{"prompt": "a dog", "size": "32x32", "file": "dog", "generator": "phased-4"}"#
        #expect(try await run(lines, in: folder).made == 1)
        #expect(try await run(lines, in: folder).made == 0)
        let before = bytes("dog.png", in: folder)
        let altered = try AlteredModel("transformer")
        let model = try altered.open()
        let manifest = try Manifest(Array(lines.utf8), format: .jsonLines, model: model)
        let summary = try await BatchRun(manifest, model: model, made: maker, folder: folder).run(logger: logger) { _ in
        }
        #expect((summary.made, summary.kept) == (1, 0))
        #expect(bytes("dog.png", in: folder) != before)
    }

    /// By a field, by the ending of a name, or by what holds for lines that say nothing.
    @Test func `Pictures are made in the format that is asked for`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lines = """
            {"prompt": "a dog", "size": "32x32", "file": "a", "output_format": "jpeg", "output_compression": 60}
            {"prompt": "a dog", "size": "32x32", "file": "b.webp"}
            {"prompt": "a dog", "size": "32x32", "file": "c.jpeg"}
            {"prompt": "a dog", "size": "32x32", "file": "d.png"}
            {"prompt": "a dog", "size": "32x32", "file": "e"}
            {"prompt": "a dog", "size": "32x32", "frames": 5, "file": "f"}
            """
        var defaults = Manifest.Defaults()
        (defaults.outputFormat, defaults.outputCompression) = (.webp, 40)
        let manifest = try Manifest(Array(lines.utf8), format: .jsonLines, model: pipeline, defaults: defaults)
        let names = ["a.jpg", "b.webp", "c.jpeg", "d.png", "e.webp", "f.mp4"]
        #expect(manifest.items.map(\.file) == names)
        #expect(manifest.items.map(\.request.outputCompression) == [60, 40, 40, nil, 40, nil])
        func make() async throws -> BatchSummary {
            let run = BatchRun(manifest, model: pipeline, made: maker, folder: folder)
            let summary = try await run.run(logger: logger) { _ in }
            #expect(run.writeOverview(title: "test", summary: summary).isEmpty)
            return summary
        }
        #expect(try await make().made == 6)
        for (name, format) in zip(names, [.jpeg, .webp, .jpeg, .png, .webp] as [PictureFormat]) {
            let file = [UInt8](try #require(bytes(name, in: folder)))
            #expect(try PictureFormat(of: file) == format)
            #expect(try FileNotes(ofPicture: file).record != nil)
        }
        #expect(try await make().kept == 6)
        let results = try await BatchVerification(model: pipeline, made: maker, folder: folder).run(logger: logger) {
            _, _ in
        }
        #expect(results.map(\.file) == names && results.allSatisfy { $0.fault == nil }, "\(results)")
        // The sheet shows all of them: no place is as plain as the ground.
        let sheet = try PNG.decode(path: "\(folder)/contact-sheet.png")
        for index in 0..<6 {
            let (left, top) = (4 + index % 3 * 132 + 64, 4 + index / 3 * 132 + 64)
            #expect(
                sheet.bytes[(top * sheet.width + left) * 3..<(top * sheet.width + left) * 3 + 3] != [0xF4, 0xF4, 0xF4])
        }
    }

    @Test(arguments: [
        (#""output_format": "gif""#, "output_format", "'gif'"),
        (#""output_format": "jpeg", "file": "a.png""#, "file", "makes .jpg"),
        (#""output_format": "jpeg", "frames": 5"#, "output_format", "makes a clip"),
        (#""output_compression": 50"#, "output_compression", "not for png"),
        (#""output_format": "webp", "output_compression": 101"#, "output_compression", "0 to 100"),
    ])
    func `A format that cannot be is told by its field`(fields: String, field: String, reason: String) throws {
        let line = #"{"prompt": "a", "size": "32x32", \#(fields)}"#
        do {
            _ = try Manifest(Array(line.utf8), format: .jsonLines, model: pipeline)
            Issue.record("read")
        } catch {
            #expect(error.faults.map(\.field) == [field])
            #expect(error.faults.first?.reason.contains(reason) == true, "\(error.faults)")
        }
    }

    /// Files of a version that wrote no provenance are there as they are, and are made again without it.
    @Test func `Files of an earlier version stay, and are verified as they were made`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let lines = #"{"prompt": "a dog", "seed": "0-2", "size": "32x32", "file": "{seed}"}"#
        let manifest = try Manifest(Array(lines.utf8), format: .jsonLines, model: pipeline)
        func make(_ provenance: String?) async throws -> BatchSummary {
            let maker = Sidecar.Maker(precision: "f32", instructions: "test", provenance: provenance)
            return try await BatchRun(manifest, model: pipeline, made: maker, folder: folder).run(logger: logger) { _ in
            }
        }
        #expect(try await make(nil).made == 3)
        let sidecar = String(decoding: try #require(bytes("0.png.json", in: folder)), as: UTF8.self)
        #expect(!sidecar.contains("provenance"))
        let before = bytes("0.png", in: folder)
        try FileManager.default.removeItem(atPath: "\(folder)/1.png")
        let mended = try await make("Phasor 7")
        #expect((mended.made, mended.kept) == (1, 2))
        #expect(bytes("0.png", in: folder) == before)
        #expect((bytes("1.png", in: folder)?.count ?? 0) > (before?.count ?? .max))
        try FileManager.default.removeItem(atPath: "\(folder)/2.png")
        #expect(try await make("Phasor 8").made == 1)
        let results = try await BatchVerification(model: pipeline, made: maker, folder: folder).run(logger: logger) {
            _, _ in
        }
        #expect(results.count == 3 && results.allSatisfy { $0.fault == nil }, "\(results)")
    }

    @Test func `Lines have LoRA files of their own, and verification needs the same ones`() async throws {
        let library = folder + "-loras"
        defer { for path in [folder, library] { try? FileManager.default.removeItem(atPath: path) } }
        try FileManager.default.createDirectory(atPath: library, withIntermediateDirectories: true)
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        var files = ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path)
        files.loras = library
        let model = try Pipeline(files, compute: Compute(threads: 2))
        let width = try #require(
            Checkpoint(folder: "\(files.folder ?? "")/transformer").tensors["blocks.0.attn1.to_q.weight"]?.shape.first)
        func write(_ seed: UInt64) throws {
            try RandomLoRA.write(to: "\(library)/ink.safetensors", seed: seed, layers: ["self_attn.q"], width: width)
        }
        try write(1)
        let lines = """
            {"prompt": "a dog", "size": "32x32", "file": "plain"}
            {"prompt": "a dog", "size": "32x32", "file": "ink", "loras": [{"name": "ink", "strength": 4}]}
            {"prompt": "a dog", "size": "32x32", "file": "tag", "loras": "<lora:ink:4>"}
            """
        let manifest = try Manifest(Array(lines.utf8), format: .jsonLines, model: model)
        #expect(manifest.items[1].request.loras == manifest.items[2].request.loras)
        let run = BatchRun(manifest, model: model, made: maker, folder: folder)
        #expect(try await run.run(logger: logger) { _ in }.made == 3)
        #expect(bytes("ink.png", in: folder) == bytes("tag.png", in: folder))
        #expect(bytes("ink.png", in: folder) != bytes("plain.png", in: folder))
        let digest = try #require(manifest.items[1].request.loras?.first?.digest)
        #expect(String(decoding: bytes("ink.png.json", in: folder) ?? Data(), as: UTF8.self).contains(digest))

        func faults() async throws -> [String?] {
            try await BatchVerification(model: model, made: maker, folder: folder)
                .run(logger: logger) { _, _ in }.map(\.fault)
        }
        #expect(try await faults() == [nil, nil, nil])
        try write(2)
        let changed = try await faults()
        #expect(changed.map { $0 == nil } == [false, true, false])
        #expect(changed[0]?.contains("is not what it was") == true, "\(changed)")
        // The next run makes again what the new file changes.
        let again = BatchRun(
            try Manifest(Array(lines.utf8), format: .jsonLines, model: model), model: model, made: maker,
            folder: folder)
        #expect(try await again.run(logger: logger) { _ in }.made == 2)
        #expect(throws: ManifestError.self) {
            try Manifest(
                Array(#"{"prompt": "a", "loras": [{"name": "nope"}]}"#.utf8), format: .jsonLines, model: model)
        }
    }

    @Test func `Resuming needs something to resume, and a folder serves one batch at a time`() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var options = BatchRun.Options()
        options.mustResume = true
        let manifest = try Manifest(Array(Self.lines.utf8), format: .jsonLines, model: pipeline)
        let run = BatchRun(
            manifest, model: pipeline, made: maker, folder: folder, options: options)
        await #expect(throws: BatchError.nothingToResume(folder: folder)) { try await run.run(logger: logger) { _ in } }
        let engine = try Engine(
            models: [pipeline], options: EngineOptions(stateFolder: "\(folder)/.phasor"), logger: logger)
        await #expect(throws: ServingError.self) { try await run.run(logger: logger) { _ in } }
        await engine.drain(within: 1)
    }

    @Test func `Sheets show pictures and middle frames as they are`() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        func plain(_ red: UInt8, _ green: UInt8, _ blue: UInt8) throws -> RGBImage {
            try RGBImage(width: 64, height: 64, bytes: (0..<64 * 64).flatMap { _ in [red, green, blue] })
        }
        try Data(PNG.encode(plain(200, 30, 60))).write(to: URL(filePath: "\(folder)/a.png"))
        let encoder = try MP4Encoder(path: "\(folder)/b.mp4", width: 64, height: 64)
        for value in [10, 120, 240] as [UInt8] { try encoder.append(plain(value, value, 90)) }
        try encoder.finish()
        #expect(try PNG.decode(path: "\(folder)/a.png") == plain(200, 30, 60))
        let sheet = try #require(
            try ContactSheet.make(of: ["\(folder)/a.png", "\(folder)/b.mp4", "\(folder)/none.png"]))
        func pixel(_ x: Int, _ y: Int) -> [Int] {
            (0..<3).map { Int(sheet.bytes[(y * sheet.width + x) * 3 + $0]) }
        }
        // Places of 128 pixels, 4 apart; pictures are not enlarged.
        #expect((sheet.width, sheet.height) == (2 * 132 + 4, 2 * 132 + 4))
        #expect(pixel(4 + 64, 4 + 64) == [200, 30, 60])
        #expect(zip(pixel(136 + 64, 4 + 64), [120, 120, 90]).allSatisfy { abs($0 - $1) <= 4 })
        #expect(pixel(4 + 64, 136 + 64) == [0xF4, 0xF4, 0xF4])
        #expect(try ContactSheet.make(of: []) == nil)
    }
}

/// The embedded model with other weights in one part; the other parts are links.
private final class AlteredModel {
    let path = FileManager.default.temporaryDirectory.appending(path: "phasor-altered-\(UUID())").path

    init(_ part: String) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let model = root.appending(path: "Models/emoji-scenes").path
        let files = FileManager.default
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        for name in try files.contentsOfDirectory(atPath: model) where name != part {
            try files.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: "\(model)/\(name)")
        }
        try files.copyItem(atPath: "\(model)/\(part)", toPath: "\(path)/\(part)")
        for name in try files.contentsOfDirectory(atPath: "\(path)/\(part)") where name.hasSuffix(".safetensors") {
            let url = URL(filePath: "\(path)/\(part)/\(name)")
            var bytes = [UInt8](try Data(contentsOf: url))
            let header = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) } + 8
            // A bit of every hundredth bfloat16.
            for place in stride(from: header, to: bytes.count, by: 200) { bytes[place] ^= 0x40 }
            try Data(bytes).write(to: url)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Under the same name, which stands in every picture.
    func open() throws -> Pipeline {
        try Pipeline(ModelFiles(folder: path), compute: Compute(threads: 2), id: "emoji-scenes")
    }
}
