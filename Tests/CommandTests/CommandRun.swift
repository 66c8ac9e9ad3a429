import Foundation

/// The built `phasor`, run in a folder of its own, as a person runs it.
final class CommandRun {
    let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-command-\(UUID())")
    static let binary = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        .appending(path: "phasor")
    static let root = URL(filePath: #filePath).appending(path: "../../..").standardized
    static let model = root.appending(path: "Models/emoji-scenes").path

    init() throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    struct Result {
        let code: Int32
        let output: Data
        let said: String
        var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// - Parameters:
    ///   - output, error: where these go; nil is a file that is read at the end.
    ///   - program: what is run, if not `phasor`.
    func run(
        _ arguments: [String], environment: [String: String] = [:], output: FileHandle? = nil, error: FileHandle? = nil,
        program: URL = CommandRun.binary
    ) throws -> Result {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        process.currentDirectoryURL = folder
        var variables = ProcessInfo.processInfo.environment.filter {
            !$0.key.hasPrefix("PHASOR") && $0.key != "NO_COLOR"
        }
        variables.merge(environment) { $1 }
        process.environment = variables
        let files = FileManager.default.temporaryDirectory.appending(path: "phasor-command-\(UUID())")
        let (outPath, errorPath) = (files.path + ".out", files.path + ".err")
        defer { for path in [outPath, errorPath] { try? FileManager.default.removeItem(atPath: path) } }
        for path in [outPath, errorPath] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try output ?? FileHandle(forWritingTo: URL(fileURLWithPath: outPath))
        process.standardError = try error ?? FileHandle(forWritingTo: URL(fileURLWithPath: errorPath))
        try process.run()
        process.waitUntilExit()
        return Result(
            code: process.terminationStatus, output: FileManager.default.contents(atPath: outPath) ?? Data(),
            said: String(decoding: FileManager.default.contents(atPath: errorPath) ?? Data(), as: UTF8.self))
    }

    func generate(_ arguments: String...) throws -> Result {
        try run(["generate", "a dog", "--model", Self.model, "--size", "32x32"] + arguments)
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }
    }

    func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: folder.appending(path: name).path) }
}
