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

/// Batches of the embedded model that start from pictures.
@Suite(.serialized) final class PictureBatchTests {
    private let pipeline: Pipeline
    private let scratch = FileManager.default.temporaryDirectory.appending(path: "phasor-given-\(UUID())").path
    private var out: String { scratch + "/out" }
    private let maker = Sidecar.Maker(precision: "f32", instructions: "test")
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        let root = Fixtures.root.appending(path: "../..").standardized
        pipeline = try Pipeline(
            ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path), compute: Compute(threads: 2))
        try FileManager.default.createDirectory(atPath: scratch + "/in/deep", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private func put(_ fixture: String, as name: String) throws {
        let data = try Data(contentsOf: Fixtures.root.appending(path: "pictures/\(fixture)"))
        try data.write(to: URL(filePath: "\(scratch)/in/\(name)"))
    }

    private func manifest(
        _ lines: String, _ format: Manifest.Format = .jsonLines, model: Pipeline? = nil
    ) throws -> Manifest {
        var defaults = Manifest.Defaults()
        defaults.folder = scratch + "/in"
        return try Manifest(Array(lines.utf8), format: format, model: model ?? pipeline, defaults: defaults)
    }

    private func run(_ manifest: Manifest) async throws -> BatchSummary {
        try await BatchRun(manifest, model: pipeline, made: maker, folder: out).run(logger: logger) { _ in }
    }

    private func bytes(_ file: String) -> Data? { FileManager.default.contents(atPath: "\(out)/\(file)") }

    private func verify() async throws -> [String: String] {
        let results = try await BatchVerification(model: pipeline, made: maker, folder: out)
            .run(logger: logger) { _, _ in }
        return Dictionary(uniqueKeysWithValues: results.compactMap { result in result.fault.map { (result.file, $0) } })
    }

    private static let lines = """
        {"prompt": "a dog", "seed": 4, "image": "a.jpg", "strength": 0.6, "fit": "stretch", "size": "64x32", "file": "a"}
        {"prompt": "a dog", "seed": 4, "size": "64x32", "file": "plain"}
        {"prompt": "a cat", "kind": "image", "image": "deep/b.png", "size": "32x32", "file": "b"}
        """

    @Test func `A line's picture is the one that a run of its own starts from`() async throws {
        try put("rgb.jpg", as: "a.jpg")
        try put("rgb8.png", as: "deep/b.png")
        let summary = try await run(manifest(Self.lines))
        #expect((summary.made, summary.failed.count) == (3, 0), "\(summary.failed)")
        let given = try Picture.decode(Array(Data(contentsOf: URL(filePath: "\(scratch)/in/a.jpg"))))
        var alone = try Run(
            GenerationParameters(
                prompt: "a dog", width: 64, height: 32, seed: 4, pictures: GivenPictures(first: given, fit: .stretch),
                strength: 0.6), of: pipeline)
        var images: [RGBImage] = []
        _ = try alone.finish { images += try $0.images() }
        #expect(try images == [PNG.decode(path: "\(out)/a.png")])
        #expect(try images != [PNG.decode(path: "\(out)/plain.png")])
        #expect(try await run(manifest(Self.lines)).kept == 3)
        #expect(try await verify().isEmpty)
    }

    @Test func `A changed picture makes its lines again, and no others`() async throws {
        try put("rgb.jpg", as: "a.jpg")
        try put("rgb8.png", as: "deep/b.png")
        #expect(try await run(manifest(Self.lines)).made == 3)
        let before = [bytes("a.png"), bytes("b.png"), bytes("plain.png")]
        try put("420.jpg", as: "a.jpg")
        let again = try await run(manifest(Self.lines))
        #expect((again.made, again.kept) == (1, 2))
        #expect(
            [bytes("a.png"), bytes("b.png"), bytes("plain.png")].map { before.contains($0) } == [false, true, true])
        // What it was made from is kept with it, so the folder is verified without the pictures.
        try FileManager.default.removeItem(atPath: scratch + "/in")
        #expect(try await verify().isEmpty)
        for name in try FileManager.default.contentsOfDirectory(atPath: "\(out)/.phasor/given") {
            try Data("other".utf8).write(to: URL(filePath: "\(out)/.phasor/given/\(name)"))
        }
        let faults = try await verify()
        #expect(Set(faults.keys) == ["a.png", "b.png"])
        #expect(faults.values.allSatisfy { $0.contains("the picture it starts from") }, "\(faults)")
    }

    @Test(arguments: [("missing", "No such file"), ("other.gif", "GIF"), ("folder", "cannot be read")])
    func `A picture that cannot be read fails its line, by the column, and no other`(
        _ what: String, _ words: String
    ) async throws {
        try put("rgb8.png", as: "deep/b.png")
        if what == "other.gif" { try put(what, as: "a.jpg") }
        if what == "folder" {
            try FileManager.default.createDirectory(atPath: "\(scratch)/in/a.jpg", withIntermediateDirectories: true)
        }
        let summary = try await run(manifest(Self.lines))
        #expect(summary.made == 2)
        #expect(summary.failed.map(\.line) == [1] && summary.failed.map(\.file) == ["a.png"])
        let reason = try #require(summary.failed.first?.reason)
        #expect(reason.hasPrefix("image: \(scratch)/in/a.jpg: ") && reason.contains(words), "\(reason)")
        #expect(bytes("a.png") == nil && bytes("b.png") != nil && bytes("plain.png") != nil)
    }

    @Test func `A picture that changes while the batch runs fails its line`() async throws {
        try put("rgb.jpg", as: "a.jpg")
        try put("rgb8.png", as: "deep/b.png")
        let read = try manifest(Self.lines)
        try put("420.jpg", as: "a.jpg")
        let summary = try await run(read)
        #expect((summary.made, summary.failed.map(\.line)) == (2, [1]))
        #expect(summary.failed.first?.reason.contains("image: ") == true)
        #expect(summary.failed.first?.reason.contains("changed after the manifest was read") == true)
    }

    @Test func `CSV has the same columns, and the picture's aspect is the file's`() throws {
        try put("rgb.jpg", as: "a.jpg")
        let csv = try manifest("prompt,image,strength\na dog,a.jpg,0.5\na cat,,\n", .csv)
        let json = try manifest(
            """
            {"prompt": "a dog", "image": "\(scratch)/in/a.jpg", "strength": 0.5, "file": "0002-0"}
            {"prompt": "a cat", "file": "0003-0"}
            """)
        #expect(csv.items.map(\.request) == json.items.map(\.request))
        let picture = try Picture.decode(Array(Data(contentsOf: URL(filePath: "\(scratch)/in/a.jpg"))))
        let request = csv.items[0].request
        let aspect = Double(picture.width) / Double(picture.height)
        #expect(abs(log(Double(request.width) / Double(request.height) / aspect)) < 0.15)
    }

    @Test(arguments: [
        (#""last_image": "a.jpg""#, "last_image", "no last frame"),
        (#""image": 7"#, "image", "not a text"), (#""image": """#, "image", "no path"),
        (#""strength": 0.5"#, "strength", "give image"), (#""fit": "pad""#, "fit", "give image"),
        (#""image": "a.jpg", "strength": 2"#, "strength", "0 to 1"),
        (#""image": "a.jpg", "fit": "bend""#, "fit", "crop"),
    ])
    func `What the model does not take is a fault of the manifest`(
        _ fields: String, _ field: String, _ reason: String
    ) throws {
        try put("rgb.jpg", as: "a.jpg")
        let error = #expect(throws: ManifestError.self) { try manifest("{\"prompt\": \"a\", \(fields)}") }
        #expect(error?.faults.map(\.field) == [field])
        #expect(error?.faults.first?.reason.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [("wan22-tiny", "clips from text only"), ("wan22-ti2v-tiny", nil)])
    func `A first frame is a fault where clips are made from text only`(model: String, fault: String?) throws {
        try put("rgb.jpg", as: "a.jpg")
        let model = try Pipeline(
            ModelFiles(folder: Fixtures.root.appending(path: model).path), compute: Compute(threads: 2))
        let line = #"{"prompt": "a", "image": "a.jpg", "kind": "video", "frames": 5, "size": "64x32"}"#
        guard let fault else {
            #expect(try manifest(line, model: model).items.count == 1)
            let unsaid = try manifest(
                """
                {"prompt": "a", "image": "a.jpg", "size": "64x32"}
                {"prompt": "a", "image": "a.jpg", "size": "64x32", "strength": 0.5}
                """, model: model)
            #expect(unsaid.items.map(\.request.kind) == [.video, .image])
            return
        }
        let error = #expect(throws: ManifestError.self) { try manifest(line, model: model) }
        #expect(error?.faults.map(\.field) == ["image"])
        #expect(error?.faults.first?.reason.contains(fault) == true, "\(error?.description ?? "")")
    }

    @Test func `A folder of pictures is a manifest with a line for each, by name`() async throws {
        for (fixture, name) in [
            ("rgb.jpg", "b.jpg"), ("lossy.webp", "b.webp"), ("rgb8.png", "a {1}.v2.PNG"), ("gray8.png", ".hidden.png"),
        ] { try put(fixture, as: name) }
        try Data("no picture".utf8).write(to: URL(filePath: "\(scratch)/in/notes.txt"))
        try Data("no picture".utf8).write(to: URL(filePath: "\(scratch)/in/c.png"))
        var defaults = Manifest.Defaults()
        (defaults.folder, defaults.prompt, defaults.strength) = (scratch + "/in", "a dog", 0.5)
        let lines = try PictureFolder.manifest(of: scratch + "/in")
        let read = try Manifest(lines, format: .jsonLines, model: pipeline, defaults: defaults)
        #expect(read.items.map(\.file) == ["a -1--v2.png", "b-jpg.png", "b-webp.png", "c.png"])
        #expect(read.items.map(\.line) == [1, 2, 3, 4])
        #expect(read.items.allSatisfy { $0.request.prompt == "a dog" && $0.request.strength == 0.5 })
        let summary = try await run(read)
        #expect((summary.made, summary.failed.map(\.file)) == (3, ["c.png"]))
        #expect(throws: BatchError.self) { try PictureFolder.manifest(of: scratch + "/in/deep") }
        #expect(throws: BatchError.self) { try PictureFolder.manifest(of: scratch + "/nowhere") }
    }

    /// A model that makes nothing without a picture to look at takes the column as one.
    @Test func `A line's picture is edited`() throws {
        try put("rgb.jpg", as: "a.jpg")
        let edit = try Pipeline(
            ModelFiles(folder: Fixtures.root.appending(path: "qwen-image-edit-tiny").path), compute: Compute(threads: 1)
        )
        var defaults = Manifest.Defaults()
        defaults.folder = scratch + "/in"
        defaults.strength = 0.6
        let manifest = try Manifest(
            Array(#"{"prompt": "make it blue", "image": "a.jpg"}"#.utf8), format: .jsonLines, model: edit,
            defaults: defaults)
        let item = try #require(manifest.items.first)
        let file = try PictureFile(path: "\(scratch)/in/a.jpg")
        #expect(item.request.images == [file.digest])
        #expect(item.request.kind == .image && item.request.image == nil && item.request.strength == nil)
        let size = edit.usualSize(references: [file.size])
        #expect(item.request.width == size.width && item.request.height == size.height)
        #expect(size.width % 32 == 0 && size.height % 32 == 0)
        #expect(throws: (any Error).self) {
            try Manifest(
                Array(#"{"prompt": "make it blue"}"#.utf8), format: .jsonLines, model: edit, defaults: defaults)
        }
    }
}
