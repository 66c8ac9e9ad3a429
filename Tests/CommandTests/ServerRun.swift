import Foundation
import Testing

/// A server on a free port, until it is told to end.
final class ServerRun {
    let process = Process()
    let address: String

    init(_ command: CommandRun, _ arguments: [String] = []) throws {
        let pipe = Pipe()
        process.executableURL = CommandRun.binary
        process.currentDirectoryURL = command.folder
        process.arguments =
            ["serve", CommandRun.model, "--port", "0", "--state", "state", "--threads", "1"] + arguments
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PHASOR") }
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        var text = ""
        while !text.contains("\n") {
            let data = pipe.fileHandleForReading.availableData
            guard !data.isEmpty else { break }
            text += String(decoding: data, as: UTF8.self)
        }
        address = text.split(separator: " ").last.map { $0.trimmingCharacters(in: .newlines) } ?? ""
        try #require(address.hasPrefix("http://"), "\(text)")
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
    }

    deinit { if process.isRunning { stop() } }
}
