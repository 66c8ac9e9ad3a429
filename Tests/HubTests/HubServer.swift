import Foundation
import Hub

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// `hub_server.py` over a folder of its own, with a home of its own.
final class HubServer: Sendable {
    let folder: String
    let address: String
    private let process: Process
    private let input: Pipe

    /// What a request of the server's log was.
    struct Request: Decodable {
        let host: String
        let method: String
        let path: String
        let range: String?
        let authorization: String?
    }

    /// - Parameter files: of repositories, by `OWNER/NAME/PATH`.
    init(_ files: [String: [UInt8]]) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "phasor-hub-\(UUID())").path
        for (path, bytes) in files {
            let file = URL(fileURLWithPath: "\(folder)/hub/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "hub_server.py").path
        process.arguments = ["python3", script, "\(folder)/hub"]
        input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty, byte != Data("\n".utf8) {
            line += byte
        }
        address = String(decoding: line, as: UTF8.self)
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// - Parameter faults: JSON, as the server's description has it.
    func set(_ faults: String) async throws {
        var request = URLRequest(url: URL(string: "\(address)/faults")!)
        request.httpMethod = "POST"
        request.httpBody = Data(faults.utf8)
        _ = try await URLSession.shared.data(for: request)
    }

    /// The requests since this was last asked.
    func log() async throws -> [Request] {
        let (data, _) = try await URLSession.shared.data(from: URL(string: "\(address)/log")!)
        return try JSONDecoder().decode([Request].self, from: data)
    }

    var cache: String { "\(folder)/home/hub" }

    func settings(_ more: [String: String] = [:]) throws -> HubSettings {
        let environment = ["HF_ENDPOINT": address, "HF_HOME": "\(folder)/home"].merging(more) { $1 }
        return try HubSettings(environment: environment, home: folder)
    }

    @discardableResult
    func pull(
        _ name: String, to place: HubPull.Place = .cache, selection: FileSelection = FileSelection(),
        environment: [String: String] = [:], onEvent: @escaping @Sendable (HubPull.Event) -> Void = { _ in }
    ) throws -> (folder: String, files: [String]) {
        let client = HubClient(try settings(environment), pause: 0.01)
        return try HubPull(client, place: place).run(try RepositoryName(name), selection: selection, onEvent: onEvent)
    }

    func bytes(_ path: String) -> [UInt8]? { FileManager.default.contents(atPath: path).map { [UInt8]($0) } }
}
