import Batch
import Blobs
import Cluster
import Foundation
import Jobs
import Logging
import Pipelines
import PostgreSQL
import Serving
import Tensor
import TestSupport
import Testing

/// Batches whose files the workers of a shared store make.
@Suite(
    .timeLimit(.minutes(5)), .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct SharedBatchTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test func filesMadeElsewhereHaveTheBytesOfThoseMadeHere() async throws {
        let base = FileManager.default.temporaryDirectory.appending(path: "phasor-batch-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: base) }
        let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized
        let model = try Pipeline(
            ModelFiles(folder: root.appending(path: "Models/emoji-scenes").path), compute: Compute(threads: 2))
        let lines = """
            {"prompt": "a dog", "seed": "0-1", "size": "32x32", "file": "dogs/{seed}"}
            {"prompt": "a ghost", "frames": 5, "size": "32x32", "file": "ghost"}
            """
        let manifest = try Manifest(Array(lines.utf8), format: .jsonLines, model: model)
        let maker = Sidecar.Maker(precision: "f32", instructions: "test")
        var cluster = ClusterOptions()
        cluster.schema = "t" + UUID().uuidString.lowercased().filter { $0 != "-" }
        cluster.retains = false
        let (options, logger) = (cluster, logger)
        let address = try PostgresAddress(PostgresServer.shared.get().address)
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        let blobs = try FolderBlobs(path: "\(base)/blobs")
        @Sendable func engine(_ folder: String, computes: Bool) throws -> Engine {
            try ClusterProcess(
                models: [model], address: address, blobs: blobs, folder: WorkFolder(path: folder, isPrivate: false),
                options: options, serving: EngineOptions(stateFolder: folder), computes: computes, logger: logger
            ).engine
        }
        func render(_ folder: String, _ options: BatchRun.Options) async throws -> BatchSummary {
            try await BatchRun(manifest, model: model, made: maker, folder: folder, options: options)
                .run(logger: logger) { _ in }
        }
        let worker = try engine("\(base)/worker", computes: true)
        var elsewhere = BatchRun.Options()
        elsewhere.elsewhere = ({ try engine($0, computes: false) }, "batch")
        let summary = try await render("\(base)/shared", elsewhere)
        #expect(summary.made == 3 && summary.failed.isEmpty, "\(summary.failed)")
        #expect(try await render("\(base)/shared", elsewhere).kept == 3)
        #expect(try await render("\(base)/here", BatchRun.Options()).made == 3)
        for file in ["dogs/0.png", "dogs/1.png", "ghost.mp4"] {
            let made = FileManager.default.contents(atPath: "\(base)/shared/\(file)")
            #expect(made != nil && made == FileManager.default.contents(atPath: "\(base)/here/\(file)"), "\(file)")
        }
        // What was delivered is nowhere else.
        #expect(try await worker.jobs().jobs.isEmpty)
        for _ in 0..<400 where try !FileManager.default.contentsOfDirectory(atPath: "\(base)/blobs").isEmpty {
            try await Task.sleep(for: .milliseconds(5))
        }
        let left = try FileManager.default.contentsOfDirectory(atPath: "\(base)/blobs")
        #expect(left.isEmpty, "\(left)")
        await worker.drain(within: 5)
    }
}
