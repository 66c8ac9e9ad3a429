import Batch
import Foundation
import Jobs
import Logging
import Media
import Models
import Pictures
import Pipelines
import Tensor
import TestSupport
import Testing

/// Batches whose lines name several pictures to look at.
@Suite(.serialized) final class ReferenceBatchTests {
    private let klein: Pipeline
    private let scratch = FileManager.default.temporaryDirectory.appending(path: "phasor-references-\(UUID())").path
    private var out: String { scratch + "/out" }
    private let maker = Sidecar.Maker(precision: "f32", instructions: "test")
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        klein = try Self.fixture("flux2-klein-tiny")
        try FileManager.default.createDirectory(atPath: scratch + "/in/deep", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private static func fixture(_ name: String) throws -> Pipeline {
        try Pipeline(ModelFiles(folder: Fixtures.root.appending(path: name).path), compute: Compute(threads: 2))
    }

    private static func embedded() throws -> Pipeline {
        let root = Fixtures.root.appending(path: "../..").standardized
        return try Pipeline(
            ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path), compute: Compute(threads: 2))
    }

    @discardableResult
    private func put(_ name: String, _ width: Int, _ height: Int, step: Int) throws -> RGBImage {
        let picture = try RGBImage(
            width: width, height: height,
            bytes: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 &* step) })
        try Data(PNG.encode(picture)).write(to: URL(filePath: "\(scratch)/in/\(name)"))
        return picture
    }

    private func manifest(
        _ lines: String, _ format: Manifest.Format = .jsonLines, model: Pipeline? = nil
    ) throws -> Manifest {
        var defaults = Manifest.Defaults()
        defaults.folder = scratch + "/in"
        return try Manifest(Array(lines.utf8), format: format, model: model ?? klein, defaults: defaults)
    }

    private func run(_ manifest: Manifest) async throws -> BatchSummary {
        try await BatchRun(manifest, model: klein, made: maker, folder: out).run(logger: logger) { _ in }
    }

    private func verify() async throws -> [String: String] {
        let results = try await BatchVerification(model: klein, made: maker, folder: out)
            .run(logger: logger) { _, _ in }
        return Dictionary(uniqueKeysWithValues: results.compactMap { result in result.fault.map { (result.file, $0) } })
    }

    private func picture(_ file: String) throws -> RGBImage { try PNG.decode(path: "\(out)/\(file)") }

    private static let lines = """
        {"prompt": "a boat", "seed": 3, "size": "64x48", "images": ["a.png", "deep/b.png"], "file": "both"}
        {"prompt": "a boat", "seed": 3, "size": "64x48", "images": ["deep/b.png", "a.png"], "file": "turned"}
        {"prompt": "a boat", "seed": 3, "size": "64x48", "image": "a.png", "images": ["deep/b.png"], "file": "mixed"}
        {"prompt": "a boat", "seed": 3, "size": "64x48", "images": ["a.png"], "file": "one"}
        {"prompt": "a boat", "seed": 3, "size": "64x48", "images": [], "file": "none"}
        """

    @Test func `A line's pictures are those that a run of its own looks at`() async throws {
        let pictures = [try put("a.png", 80, 64, step: 7), try put("deep/b.png", 64, 100, step: 3)]
        let summary = try await run(manifest(Self.lines))
        #expect((summary.made, summary.failed.count) == (5, 0), "\(summary.failed)")
        func alone(_ references: [RGBImage]) throws -> RGBImage {
            var run = try Run(
                GenerationParameters(
                    prompt: "a boat", width: 64, height: 48, seed: 3, pictures: GivenPictures(references: references)),
                of: klein)
            var images: [RGBImage] = []
            _ = try run.finish { images += try $0.images() }
            return try #require(images.first)
        }
        #expect(try picture("both.png") == alone(pictures))
        #expect(try picture("mixed.png") == alone(pictures))
        #expect(try picture("turned.png") == alone(pictures.reversed()))
        #expect(try picture("one.png") == alone([pictures[0]]))
        #expect(try picture("none.png") == alone([]))
        let made = try ["both", "turned", "one", "none"].map { try picture("\($0).png").bytes }
        #expect(Set(made).count == 4)
        #expect(try await run(manifest(Self.lines)).kept == 5)
        #expect(try await verify().isEmpty)
    }

    @Test func `A changed picture makes the lines again that name it`() async throws {
        try put("a.png", 80, 64, step: 7)
        try put("deep/b.png", 64, 100, step: 3)
        #expect(try await run(manifest(Self.lines)).made == 5)
        let files = ["both.png", "turned.png", "mixed.png", "one.png", "none.png"]
        let before = files.map { FileManager.default.contents(atPath: "\(out)/\($0)") }
        try put("deep/b.png", 64, 100, step: 5)
        let again = try await run(manifest(Self.lines))
        #expect((again.made, again.kept) == (3, 2))
        let after = files.map { FileManager.default.contents(atPath: "\(out)/\($0)") }
        #expect(zip(before, after).map { $0 == $1 } == [false, false, false, true, true])
        // Another order is another request.
        let turned = Self.lines.replacingOccurrences(
            of: #"["a.png", "deep/b.png"]"#, with: #"["deep/b.png", "a.png"]"#)
        #expect(try await run(manifest(turned)).made == 1)
        try FileManager.default.removeItem(atPath: scratch + "/in")
        #expect(try await verify().isEmpty)
        struct Named: Decodable {
            struct Request: Decodable { let images: [String] }
            let request: Request
        }
        let text = try Data(contentsOf: URL(filePath: "\(out)/both.png.json"))
        let sidecar = try JSONDecoder().decode(Named.self, from: text)
        #expect(sidecar.request.images.count == 2)
        let lost = sidecar.request.images[0]
        try FileManager.default.removeItem(atPath: "\(out)/.phasor/given/\(lost)")
        let faults = try await verify()
        #expect(Set(faults.keys) == ["both.png", "turned.png", "mixed.png"])
        #expect(faults.values.allSatisfy { $0.contains(lost) }, "\(faults)")
    }

    @Test func `In a table the paths stand in one cell`() throws {
        for name in ["a.png", "deep/b.png", "\u{301}c.png", "d, e;f.png"] {
            try put(name, 64, 64, step: name.utf8.count)
        }
        let json = try manifest(
            """
            {"prompt": "a", "file": "0002-0", "images": ["a.png", "deep/b.png", "a.png"]}
            {"prompt": "b", "file": "0003-0"}
            {"prompt": "c", "file": "0004-0", "images": ["a.png", "\u{301}c.png"]}
            {"prompt": "d", "file": "0005-0", "images": ["d, e;f.png"]}
            """)
        let comma = "prompt,images\na,a.png | deep/b.png|\ta.png\nb,\nc,a.png|\u{301}c.png\nd,\"d, e;f.png\"\n"
        let semicolon = "images;prompt\na.png|deep/b.png|a.png;a\n;b\na.png|\u{301}c.png;c\n\"d, e;f.png\";d\n"
        let bar = "prompt|images\na|\"a.png|deep/b.png|a.png\"\nb|\nc|\"a.png|\u{301}c.png\"\nd|d, e;f.png\n"
        for table in [comma, semicolon, bar] {
            let read = try manifest(table, .csv)
            #expect(read.items.map(\.request) == json.items.map(\.request), "\(table)")
        }
        #expect(json.items.map { $0.request.images?.count } == [3, nil, 2, 1])
    }

    @Test func `Without a size the result has the aspect of the first`() throws {
        try put("wide.png", 256, 64, step: 3)
        try put("a.png", 64, 64, step: 7)
        let items = try manifest(
            """
            {"prompt": "a", "images": ["wide.png", "a.png"]}
            {"prompt": "a", "image": "wide.png", "images": ["a.png"]}
            {"prompt": "a", "images": ["a.png", "wide.png"]}
            """
        ).items.map(\.request)
        #expect(items[0].width > 2 * items[0].height && items[0] == items[1])
        #expect(items[2].width == items[2].height)
    }

    @Test(arguments: [("missing", "No such file"), ("broken", "")])
    func `A picture that cannot be read fails its lines, by column and path, and no other`(
        _ what: String, _ words: String
    ) async throws {
        try put("a.png", 80, 64, step: 7)
        if what == "broken" { try Data("no picture".utf8).write(to: URL(filePath: "\(scratch)/in/deep/b.png")) }
        let summary = try await run(manifest(Self.lines))
        #expect(summary.made == 2)
        #expect(summary.failed.map(\.file) == ["both.png", "turned.png", "mixed.png"])
        for failure in summary.failed {
            #expect(failure.reason.hasPrefix("images: \(scratch)/in/deep/b.png: "), "\(failure.reason)")
            #expect(words.isEmpty || failure.reason.contains(words), "\(failure.reason)")
        }
        try put("deep/b.png", 64, 100, step: 3)
        #expect(try await run(manifest(Self.lines)).made == 3)
    }

    private func fault(_ lines: String, _ format: Manifest.Format, _ model: Pipeline) throws -> ManifestFault {
        let error = #expect(throws: ManifestError.self, "\(lines)") { try manifest(lines, format, model: model) }
        #expect(error?.faults.count == 1, "\(error?.description ?? "")")
        return try #require(error?.faults.first)
    }

    @Test(arguments: [
        ("flux2-klein-tiny", 11, "takes 0 to 10"), ("flux2-klein-tiny", 17, "at most 16"),
        ("qwen-image-edit-tiny", 4, "takes 1 to 3"), ("emoji-scenes", 1, "no reference pictures"),
    ])
    func `More than the model takes are refused by column`(model: String, count: Int, reason: String) throws {
        try put("a.png", 80, 64, step: 7)
        let model = model == "emoji-scenes" ? try Self.embedded() : try Self.fixture(model)
        let paths = [String](repeating: "a.png", count: count)
        let json = paths.map { "\"\($0)\"" }.joined(separator: ", ")
        for (lines, format) in [
            ("{\"prompt\": \"a\", \"images\": [\(json)]}", Manifest.Format.jsonLines),
            ("prompt,images\na,\(paths.joined(separator: "|"))\n", .csv),
        ] {
            let fault = try fault(lines, format, model)
            #expect(fault.field == "images" && fault.reason.contains(reason), "\(fault)")
        }
    }

    @Test(arguments: [
        (#""images": "a.png""#, "images", "not a list"), (#""images": ["a.png", 7]"#, "images", "not a list"),
        (#""images": ["a.png", ""]"#, "images", "no path"), (#""images": ["a\u0000"]"#, "images", "no path"),
        (#""image": "a.png", "images": ["a.png"], "strength": 0.5"#, "images", "give one of them"),
        (#""images": ["a.png"], "strength": 0.5"#, "strength", "give image"),
        (#""images": ["a.png", "thin.png"]"#, "images", "picture 2: it has 63x100"),
        (#""image": "thin.png""#, "image", "it has 63x100"),
    ])
    func `What is no list of pictures that the model looks at is refused`(
        _ fields: String, _ field: String, _ reason: String
    ) throws {
        try put("a.png", 80, 64, step: 7)
        try put("thin.png", 63, 100, step: 7)
        let fault = try fault("{\"prompt\": \"a\", \(fields)}", .jsonLines, klein)
        #expect(fault.field == field && fault.reason.contains(reason), "\(fault)")
    }

    @Test func `A table's empty path is refused`() throws {
        try put("a.png", 80, 64, step: 7)
        for cell in ["a.png||a.png", "a.png|", "| a.png"] {
            let fault = try fault("prompt,images\na,\(cell)\n", .csv, klein)
            #expect(fault.field == "images" && fault.reason.contains("no path"), "\(fault)")
        }
    }
}
