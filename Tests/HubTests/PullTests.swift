import Foundation
import Hub
import Support
import Synchronization
import Testing

/// Files brought from a server of the hub's documented routes, which does what networks and disks do.
@Suite struct PullTests {
    private static let large = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
    private static let files: [String: [UInt8]] = [
        "acme/one/weights.gguf": large, "acme/one/README.md": Array("text".utf8),
        "acme/tiny/model_index.json": Array(#"{"_class_name":"P","vae":["d","V"],"no":[null,null]}"#.utf8),
        "acme/tiny/vae/config.json": Array("{}".utf8), "acme/tiny/vae/model.safetensors": large,
        "acme/tiny/no/model.safetensors": [1], "acme/tiny/other.safetensors": [2],
        "acme/gated/weights.gguf": [1, 2, 3],
    ]

    private func server() throws -> HubServer { try HubServer(Self.files) }

    private func blob(_ server: HubServer) -> String {
        "\(server.cache)/models--acme--one/blobs/\(SHA256.hexadecimal(of: Self.large))"
    }

    // MARK: What arrives

    @Test func aModelLiesInTheCacheAsOtherToolsHaveIt() async throws {
        let server = try server()
        let (folder, files) = try server.pull("acme/tiny")
        #expect(Set(files) == ["model_index.json", "vae/config.json", "vae/model.safetensors"])
        #expect(server.bytes("\(folder)/vae/model.safetensors") == Self.large)
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/vae/config.json")
        // `git hash-object` of "{}".
        #expect(link == "../../../blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b")
        let commit = try #require(server.bytes("\(server.cache)/models--acme--tiny/refs/main"))
        #expect(folder == "\(server.cache)/models--acme--tiny/snapshots/\(String(decoding: commit, as: UTF8.self))")
        #expect(HubCache(server.cache).snapshot(of: try RepositoryName("acme/tiny")) == folder)
        // Once more: the list is asked for, no file.
        _ = try await server.log()
        try server.pull("acme/tiny")
        #expect(try await server.log().allSatisfy { $0.path.contains("/api/models/") })
    }

    @Test func filesLieInAFolderByTheirPaths() async throws {
        let server = try server()
        let place = HubPull.Place.folder("\(server.folder)/there")
        try server.pull("acme/tiny/vae", to: place)
        #expect(server.bytes("\(server.folder)/there/vae/model.safetensors") == Self.large)
        // What was changed since is brought again; what was not is not.
        try Data(Self.large.map { $0 ^ 1 }).write(
            to: URL(fileURLWithPath: "\(server.folder)/there/vae/model.safetensors"))
        _ = try await server.log()
        try server.pull("acme/tiny/vae", to: place)
        #expect(server.bytes("\(server.folder)/there/vae/model.safetensors") == Self.large)
        #expect(try await server.log().filter { $0.path.contains("config.json") }.isEmpty)
    }

    @Test func progressIsTold() throws {
        let server = try server()
        let events = Mutex<[HubPull.Event]>([])
        try server.pull("acme/one/weights.gguf") { event in events.withLock { $0.append(event) } }
        let told = events.withLock { $0 }
        #expect(told.first == .began(files: 1, bytes: Self.large.count, present: 0))
        #expect(told.last == .progress(bytes: Self.large.count, of: Self.large.count))
    }

    // MARK: Faults on the way

    /// Each is overcome: the file is whole in the end.
    @Test(arguments: [
        #"[{"path":"weights.gguf","host":"store","times":3,"cut":50000}]"#,
        #"[{"path":"weights.gguf","host":"store","times":2,"short":70000}]"#,
        #"[{"path":"weights.gguf","host":"store","times":1,"cut":150000},{"path":"weights.gguf","times":9,"whole":1}]"#,
        #"[{"path":"weights.gguf","host":"store","times":2,"status":503}]"#,
        #"[{"path":"weights.gguf","host":"hub","times":2,"status":429}]"#,
        #"[{"path":"/api/models","host":"hub","times":3,"status":429}]"#,
        #"[{"path":"weights.gguf","host":"store","times":1,"stall":1000}]"#,
    ])
    func faultsAreOvercome(faults: String) async throws {
        let server = try server()
        try await server.set(faults)
        try server.pull("acme/one/weights.gguf", environment: ["HF_HUB_DOWNLOAD_TIMEOUT": "1"])
        #expect(server.bytes(blob(server)) == Self.large)
    }

    @Test func anInterruptedFileGoesOnWhereItWas() async throws {
        let server = try server()
        try await server.set(#"[{"path":"weights.gguf","host":"store","times":1,"cut":120000}]"#)
        try server.pull("acme/one/weights.gguf")
        let ranges = try await server.log().filter { $0.host == "store" }.map(\.range)
        #expect(ranges.count == 2 && ranges[0] == nil)
        #expect(ranges[1].map { $0.hasPrefix("bytes=") && $0 != "bytes=0-" } == true)
    }

    /// What a killed process left behind is taken up, right or wrong.
    @Test func partialFilesAreTakenUp() async throws {
        for (left, requests) in [(Array(Self.large[..<9000]), 1), ([UInt8](repeating: 7, count: 9000), 2)] {
            let server = try server()
            let partial = URL(fileURLWithPath: blob(server) + ".incomplete")
            try FileManager.default.createDirectory(
                at: partial.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(left).write(to: partial)
            try server.pull("acme/one/weights.gguf")
            #expect(server.bytes(blob(server)) == Self.large)
            let ranges = try await server.log().filter { $0.host == "store" }.map(\.range)
            #expect(ranges.count == requests && ranges[0] == "bytes=9000-")
            #expect(!FileManager.default.fileExists(atPath: partial.path))
        }
    }

    @Test func wrongBytesAreNotKept() async throws {
        let server = try server()
        try await server.set(#"[{"path":"weights.gguf","host":"store","times":9,"flip":5}]"#)
        let error = #expect(throws: HubError.self) { try server.pull("acme/one/weights.gguf") }
        guard case .wrongDigest(_, let expected, _)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(expected == SHA256.hexadecimal(of: Self.large))
        #expect(!FileManager.default.fileExists(atPath: blob(server)))
        #expect(HubCache(server.cache).snapshot(of: try RepositoryName("acme/one")) == nil)
        // Small files have git's digest.
        try await server.set(#"[{"path":"api/resolve-cache","host":"hub","times":9,"flip":1}]"#)
        #expect(throws: HubError.self) { try server.pull("acme/one/README.md") }
    }

    @Test func moreBytesThanTheFileHasAreNotTaken() async throws {
        let server = try server()
        try await server.set(#"[{"path":"weights.gguf","host":"store","times":9,"long":100000}]"#)
        let error = #expect(throws: HubError.self) { try server.pull("acme/one/weights.gguf") }
        guard case .wrongSize? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: [
        (#"[{"path":"weights.gguf","times":99,"cut":0}]"#, "acme/one/weights.gguf", "127.0.0.1"),
        (#"[{"path":"weights.gguf","times":99,"status":500}]"#, "acme/one/weights.gguf", "500"),
        (#"[{"path":"weights.gguf","times":9,"status":418}]"#, "acme/one/weights.gguf", "418"),
        (
            #"[{"path":"weights.gguf","times":99,"move":"/acme/one/resolve/weights.gguf"}]"#, "acme/one/weights.gguf",
            "redirects"
        ),
        (#"[{"path":"weights.gguf","times":9,"move":"file:///etc/passwd"}]"#, "acme/one/weights.gguf", "no address"),
        ("[]", "acme/nothing", "HF_TOKEN"), ("[]", "acme/gated/weights.gguf", "HF_TOKEN"),
        ("[]", "acme/one@v9/weights.gguf", "no such thing"), ("[]", "acme/one/other.gguf", "weights.gguf"),
    ])
    func whatIsNotOvercomeIsTold(faults: String, name: String, word: String) async throws {
        let server = try server()
        try await server.set(faults)
        let error = #expect(throws: HubError.self) { try server.pull(name) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word))
    }

    // MARK: The token

    @Test func theTokenGoesToTheHubAlone() async throws {
        let server = try server()
        try server.pull("acme/gated/weights.gguf", environment: ["HF_TOKEN": "good"])
        let log = try await server.log()
        #expect(log.contains { $0.host == "store" } && log.contains { $0.host == "hub" })
        #expect(log.allSatisfy { $0.authorization == ($0.host == "hub" ? "Bearer good" : nil) })
        let error = #expect(throws: HubError.self) {
            try server.pull("acme/gated/weights.gguf", environment: ["HF_TOKEN": "bad"])
        }
        #expect("\(error.map { "\($0)" } ?? "")".contains("accept the licence"))
    }

    @Test func nobodyIsAskedOffline() async throws {
        let server = try server()
        #expect(throws: HubError.offline(what: "acme/one")) {
            try server.pull("acme/one/weights.gguf", environment: ["HF_HUB_OFFLINE": "1"])
        }
        #expect(try await server.log().isEmpty)
    }

    // MARK: Answers of a damaged or hostile hub

    private static let digest = String(repeating: "a", count: 40)

    @Test(arguments: [
        (#"[{"type":"file","path":"../../x.gguf","size":1,"oid":"\#(digest)"}]"#, "elsewhere"),
        (#"[{"type":"file","path":"/x.gguf","size":1,"oid":"\#(digest)"}]"#, "empty part"),
        (#"[{"type":"file","path":"a/./x.gguf","size":1,"oid":"\#(digest)"}]"#, "elsewhere"),
        (#"[{"type":"file","path":"x.gguf","size":-1,"oid":"\#(digest)"}]"#, "size"),
        (#"[{"type":"file","path":"x.gguf","size":1e3,"oid":"\#(digest)"}]"#, "size"),
        (#"[{"type":"file","path":"x.gguf","size":1,"oid":"../../../x"}]"#, "digest"),
        (#"[{"type":"file","path":"x.gguf","size":1,"lfs":{"size":1,"oid":"\#(digest)"}}]"#, "digest"),
        (#"[{"type":"file","size":1,"oid":"\#(digest)"}]"#, "path"),
        (#"{"error":"x"}"#, "no array"),
        (#"[{"type":"file","path":"x.gguf","size":60000000000000,"oid":"\#(digest)"}]"#, "are free"),
        (#"[{"type":"file","path":"x.gguf","size":9000000000000000000,"oid":"\#(digest)"}]"#, "size"),
    ])
    func listsThatMakeNoSenseAreRefused(list: String, word: String) throws {
        var files = Self.files
        files["acme/one.tree.json"] = Array(list.utf8)
        let server = try HubServer(files)
        let error = #expect(throws: HubError.self) { try server.pull("acme/one") }
        #expect("\(error.map { "\($0)" } ?? "")".contains(word), "\(String(describing: error))")
        let left = FileManager.default.subpaths(atPath: server.folder)?.filter { !$0.hasPrefix("hub") } ?? []
        #expect(left.filter { $0.hasSuffix("x.gguf") } == [])
    }
}
