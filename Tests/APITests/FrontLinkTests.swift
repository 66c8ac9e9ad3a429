import API
import Blobs
import Cluster
import Foundation
import Jobs
import Logging
import PostgreSQL
import Serving
import TestSupport
import Testing

/// Files that a front does not give itself.
@Suite(.timeLimit(.minutes(2)), .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct FrontLinkTests {
    /// A folder that others reach at an address.
    private struct ReachedFolder: BlobStore {
        let folder: FolderBlobs

        var location: String { folder.location }
        func put(_ bytes: [UInt8], as name: BlobName) throws(BlobFault) { try folder.put(bytes, as: name) }
        func read(_ name: BlobName, _ range: Range<Int>?) throws(BlobFault) -> [UInt8]? { try folder.read(name, range) }
        func size(of name: BlobName) throws(BlobFault) -> Int? { try folder.size(of: name) }
        func names(startingWith prefix: BlobName) throws(BlobFault) -> [BlobName] {
            try folder.names(startingWith: prefix)
        }
        func link(to name: BlobName, seconds: Int) -> String? { "https://store.test/\(name)?seconds=\(seconds)" }
        func delete(_ name: BlobName) throws(BlobFault) { try folder.delete(name) }
    }

    @Test(arguments: [nil, 900])
    func whoAsksForAFileIsSentToTheStoreAndAPageIsNot(seconds: Int?) async throws {
        let scratch = FileManager.default.temporaryDirectory.appending(path: "phasor-links-\(UUID())").path
        try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: scratch) }
        var options = ClusterOptions()
        options.schema = "t" + UUID().uuidString.lowercased().filter { $0 != "-" }
        options.linkSeconds = seconds
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let process = try ClusterProcess(
            models: [FakeModel.pipeline()], address: PostgresAddress(PostgresServer.shared.get().address),
            blobs: ReachedFolder(folder: FolderBlobs(path: "\(scratch)/blobs")),
            folder: WorkFolder(path: "\(scratch)/work", isPrivate: true), options: options,
            serving: EngineOptions(stateFolder: "\(scratch)/work"), computes: true, logger: logger)
        let engine = process.engine
        let server = try await APIServer(engine: engine, options: APIServer.Options(), logger: logger)
            .start(host: "127.0.0.1", port: 0)
        let client = Client(port: server.port)
        let accepted = try await client.post("/v1/jobs", #"{"kind": "image", "prompt": "a"}"#)
        let id = try #require(try accepted.json["id"] as? String, "\(accepted.text)")
        #expect(try await eventually { try await engine.job(id).state == .succeeded })
        let path = try #require(try await engine.job(id).artifacts.first).url
        let plain = try await client.get(path)
        if let seconds {
            #expect(plain.status == 307 && plain.body.isEmpty)
            #expect(plain.fields["location"] == "https://store.test/\(id)-0.png?seconds=\(seconds)")
        } else {
            #expect(plain.status == 200 && plain.body.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        }
        let shown = try await client.get(path, ["Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"])
        #expect(shown.status == 200 && shown.body.starts(with: [0x89, 0x50, 0x4E, 0x47]))
        #expect(try await client.send("HEAD", path).status == 200)
        #expect(try await client.get("/v1/artifacts/image_none-0").status == 404)
        await server.stop()
        await engine.drain(within: 5)
    }
}
