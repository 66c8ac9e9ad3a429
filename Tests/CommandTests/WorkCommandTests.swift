import Foundation
import PostgreSQL
import TestSupport
import Testing

/// `phasor work` beside other workers of a store.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: PostgresServer.programs != nil, Comment(rawValue: PostgresServer.skipped)))
struct WorkCommandTests {
    private let command: CommandRun
    private let server: PostgresServer
    private let connection: PostgresConnection

    init() throws {
        command = try CommandRun()
        server = try PostgresServer()
        connection = PostgresConnection(try PostgresAddress(server.address))
    }

    private func agreed() throws -> String { try jobs().text }

    private func jobs(_ more: String...) throws -> CommandRun.Result {
        try command.run(["jobs", "arithmetic", "--store", server.address] + more)
    }

    /// Starts a worker and ends it as soon as the condition holds.
    private func work(_ precision: String, while condition: (Process) throws -> Bool = { _ in false }) throws -> (
        code: Int32, said: String
    ) {
        let (process, pipe) = (Process(), Pipe())
        process.executableURL = CommandRun.binary
        process.currentDirectoryURL = command.folder
        process.arguments = [
            "work", CommandRun.model, "--store", server.address, "--blobs", "file://\(command.folder.path)/blobs",
            "--precision", precision, "--threads", "1", "--drain", "0",
        ]
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PHASOR") }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = pipe
        try process.run()
        let deadline = Date.now + 120
        while process.isRunning, try condition(process), .now < deadline { Thread.sleep(forTimeInterval: 0.02) }
        process.terminate()
        let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, said)
    }

    @Test func aWorkerOfAnotherPrecisionIsRefusedWhileJobsAreUnderWay() throws {
        let first = try work("f32") { _ in try !agreed().contains("f32") }
        #expect(first.code == 0, "\(first.said)")
        // A job that a worker has handed on.
        try connection.execute(
            """
            INSERT INTO phasor.line (id, sequence, model, part, shape, priority, progress)
            VALUES ('a', 1, 'emoji-scenes', 'nobody has it', '', 0, 1)
            """)
        let refused = try work("bf16") { _ in true }
        #expect(refused.code == 1)
        #expect(refused.said.contains("f32; this process computes with") && refused.said.contains("--precision"))
        #expect(try agreed().hasSuffix("f32\n"))
        #expect(try jobs("--forget").text.isEmpty)
        let other = try work("bf16") { _ in try !agreed().contains("bf16") }
        #expect(other.code == 0, "\(other.said)")
        #expect(try agreed().hasPrefix("emoji-scenes: ") && agreed().hasSuffix(" bf16\n"))
        #expect(try command.run(["jobs", "arithmetic", "--store", "here"]).code == 64)
    }
}
