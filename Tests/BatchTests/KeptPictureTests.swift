import Batch
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Support
import Synchronization
import Tensor
import TestSupport
import Testing

/// The copies of pictures that an output folder keeps: they go when nothing names them, and never before.
@Suite(.serialized) final class KeptPictureTests {
    private let pipeline: Pipeline
    private let scratch = FileManager.default.temporaryDirectory.appending(path: "phasor-kept-\(UUID())").path
    private var out: String { scratch + "/out" }
    private var given: String { out + "/.phasor/given" }
    private let maker = Sidecar.Maker(precision: "f32", instructions: "test")
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() throws {
        pipeline = try Self.open()
        try FileManager.default.createDirectory(atPath: scratch + "/in", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: scratch) }

    private static func open() throws -> Pipeline {
        let root = Fixtures.root.appending(path: "../..").standardized
        return try Pipeline(
            ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path), compute: Compute(threads: 1))
    }

    /// - Returns: the digest.
    @discardableResult
    private func put(_ fixture: String, as name: String) throws -> String {
        let data = try Data(contentsOf: Fixtures.root.appending(path: "pictures/\(fixture)"))
        try data.write(to: URL(filePath: "\(scratch)/in/\(name)"))
        return SHA256.hexadecimal(of: data)
    }

    private func manifest(_ lines: String...) throws -> Manifest {
        var defaults = Manifest.Defaults()
        (defaults.folder, defaults.prompt) = (scratch + "/in", "a dog")
        return try Manifest(
            Array(lines.joined(separator: "\n").utf8), format: .jsonLines, model: pipeline, defaults: defaults)
    }

    private static let first = #"{"image": "a.jpg", "kind": "image", "size": "32x32", "file": "a"}"#
    private static let second = #"{"image": "b.png", "kind": "image", "size": "32x32", "file": "deep/b"}"#
    private static let plain = #"{"size": "32x32", "file": "plain"}"#

    @discardableResult
    private func run(_ manifest: Manifest, shard: Shard? = nil) async throws -> BatchSummary {
        var options = BatchRun.Options()
        options.shard = shard
        let summary = try await BatchRun(manifest, model: pipeline, made: maker, folder: out, options: options)
            .run(logger: logger) { _ in }
        #expect(summary.failed.isEmpty, "\(summary.failed)")
        return summary
    }

    private func kept() throws -> Set<String> { Set(try FileManager.default.contentsOfDirectory(atPath: given)) }

    private func verify() async throws -> [String] {
        try await BatchVerification(model: pipeline, made: maker, folder: out).run(logger: logger) { _, _ in }
            .compactMap { result in result.fault.map { "\(result.file): \($0)" } }
    }

    @Test func `A changed picture's old copy goes, and nothing else`() async throws {
        let (old, other) = (try put("rgb.jpg", as: "a.jpg"), try put("rgb8.png", as: "b.png"))
        try await run(manifest(Self.first, Self.second))
        #expect(try kept() == [old, other])
        let strange = String(repeating: "0f", count: 32)
        for name in ["notes.txt", strange, old.uppercased()] {
            try Data("mine".utf8).write(to: URL(filePath: "\(given)/\(name)"))
        }
        let new = try put("420.jpg", as: "a.jpg")
        #expect(try await run(manifest(Self.first, Self.second)).made == 1)
        #expect(try kept() == [new, other, "notes.txt", strange, old.uppercased()])
        #expect(!FileManager.default.fileExists(atPath: given + "-leaving"))
        #expect(try await verify().isEmpty)
    }

    @Test func `A copy stays as long as a file that starts from it`() async throws {
        let (one, other) = (try put("rgb.jpg", as: "a.jpg"), try put("rgb8.png", as: "b.png"))
        try await run(manifest(Self.first))
        try await run(manifest(Self.second))
        #expect(try kept() == [one, other])
        #expect(try await verify().isEmpty)
        // A file may have another name by now.
        for ending in ["", ".json"] {
            try FileManager.default.moveItem(atPath: "\(out)/a.png\(ending)", toPath: "\(out)/deep/c.png\(ending)")
        }
        try await run(manifest(Self.plain))
        #expect(try kept() == [one, other])
        for ending in ["", ".json"] { try FileManager.default.removeItem(atPath: "\(out)/deep/c.png\(ending)") }
        try await run(manifest(Self.plain))
        #expect(try kept() == [other])
        #expect(try await verify().isEmpty)
    }

    @Test func `A share removes nothing`() async throws {
        let (one, other) = (try put("rgb.jpg", as: "a.jpg"), try put("rgb8.png", as: "b.png"))
        try await run(manifest(Self.first))
        let shard = try #require(Shard("1/1"))
        try FileManager.default.removeItem(atPath: "\(out)/a.png.json")
        try await run(manifest(Self.second), shard: shard)
        #expect(try kept() == [one, other])
        try await run(manifest(Self.second))
        #expect(try kept() == [other])
    }

    /// A sidecar of another version, one on its way, a folder that leads elsewhere.
    @Test(arguments: ["version", "delivery", "link", "broken link", "none"])
    func `What may name a copy keeps it`(_ what: String) async throws {
        let one = try put("rgb.jpg", as: "a.jpg")
        try await run(manifest(Self.first))
        for ending in ["", ".json"] { try FileManager.default.removeItem(atPath: "\(out)/a.png\(ending)") }
        let text = Data("{\"version\": 99, \"starts_from\": [\"\(one)\"]}".utf8)
        switch what {
        case "version":
            try FileManager.default.createDirectory(atPath: "\(out)/x/y", withIntermediateDirectories: true)
            try text.write(to: URL(filePath: "\(out)/x/y/new.png.json"))
        case "delivery":
            let aside = "\(out)/.phasor/shard-3-of-4/deliveries"
            try FileManager.default.createDirectory(atPath: aside, withIntermediateDirectories: true)
            try text.write(to: URL(filePath: "\(aside)/12.json"))
        case "link":
            try FileManager.default.createSymbolicLink(atPath: "\(out)/elsewhere", withDestinationPath: scratch + "/in")
        case "broken link":
            try FileManager.default.createSymbolicLink(atPath: "\(out)/elsewhere", withDestinationPath: "nowhere")
        default: break
        }
        try await run(manifest(Self.plain))
        #expect(try kept() == (["none", "broken link"].contains(what) ? [] : [one]))
    }

    @Test func `A copy that a killed run had set aside comes back`() async throws {
        let one = try put("rgb.jpg", as: "a.jpg")
        try await run(manifest(Self.first))
        let leaving = given + "-leaving"
        try FileManager.default.createDirectory(atPath: leaving, withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: "\(given)/\(one)", toPath: "\(leaving)/\(one)")
        #expect(try await verify().isEmpty)
        try await run(manifest(Self.plain))
        #expect(try kept() == [one])
        #expect(!FileManager.default.fileExists(atPath: leaving))
    }

    @Test func `A copy that is missing is made again while the picture is there`() async throws {
        let one = try put("rgb.jpg", as: "a.jpg")
        try await run(manifest(Self.first))
        try FileManager.default.removeItem(atPath: given)
        #expect(try await !verify().isEmpty)
        #expect(try await run(manifest(Self.first)).kept == 1)
        #expect(try kept() == [one])
        #expect(try await verify().isEmpty)
    }

    /// As proc_pid_mountinfo(5) describes the lines.
    @Test func `Disks of this machine are told from others`() {
        let disks = LocalDisk(
            Array(
                #"""
                22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
                36 22 0:33 / /mnt/night rw,relatime shared:7 master:1 - nfs4 host:/night rw,vers=4.2
                37 22 0:34 / /mnt/two\040words rw - fuse.sshfs host: rw
                38 36 0:35 /@ /mnt/night/own rw - btrfs /dev/sdb1 rw
                39 22 0:36 / /tmp rw - tmpfs tmpfs rw
                40 22 0:37 / /tmp rw shared:9 - virtiofs share rw
                damaged
                """#.utf8))
        for (path, isLocal) in [
            ("/", true), ("/home/out", true), ("/mnt/night", false), ("/mnt/night/out", false), ("/mnt/nights", true),
            ("/mnt/two words/out", false), ("/mnt/night/own/out", true), ("/tmp/out", false),
        ] { #expect(disks.isLocal(path) == isLocal, "\(path)") }
        #expect(!LocalDisk([]).isLocal("/home"))
    }

    private final class Flag: Sendable {
        private let value = Mutex(false)
        var isSet: Bool { value.withLock { $0 } }
        func set() { value.withLock { $0 = true } }
    }

    /// Runs of another manifest end again and again while a share is made: until its sidecars are there, nothing names its
    /// pictures.
    @Test func `A share that is being made loses nothing to runs that end`() async throws {
        let names = ["rgb.jpg", "420.jpg", "rgb8.png", "gray8.png", "lossy.webp"]
        let digests = try names.map { try put($0, as: $0) }
        let lines = names.enumerated().map { index, name in
            "{\"image\": \"\(name)\", \"kind\": \"image\", \"strength\": 1, \"generator\": \"teacher\", \"file\": \"\(index)\"}"
        }
        let share = try manifest(lines.joined(separator: "\n"))
        let other = try manifest(Self.plain)
        try await run(other)
        let (maker, out, logger, flag) = (maker, out, logger, Flag())
        let making = Task { [pipeline = try Self.open()] in
            defer { flag.set() }
            var options = BatchRun.Options()
            options.shard = Shard("1/1")
            return try await BatchRun(share, model: pipeline, made: maker, folder: out, options: options)
                .run(logger: logger) { _ in }
        }
        var ends = 0
        while !flag.isSet {
            #expect(try await run(other).kept == 1)
            ends += 1
        }
        let summary = try await making.value
        #expect(summary.made == 5 && summary.failed.isEmpty, "\(summary.failed)")
        #expect(ends > 1)
        #expect(try kept() == Set(digests))
        #expect(try await verify().isEmpty)
    }
}
