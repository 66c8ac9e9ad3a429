import Foundation
import Synchronization

/// A PostgreSQL of this machine on a Unix socket in a folder of its own, which is gone with the process however it ends.
///
/// PostgreSQL does not run as root: there it is started as `nobody`.
package final class PostgresServer: Sendable {
    /// The folder of the newest server's programs; nil where there is none.
    package static let programs: String? = {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return versions.compactMap { Int($0) }.sorted(by: >).map { "\(root)/\($0)/bin" }
            .first { FileManager.default.isExecutableFile(atPath: "\($0)/postgres") }
    }()
    package static let skipped = "SKIPPED: there is no PostgreSQL on this machine (apt-get install postgresql-15)"

    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// One for all tests that leave it running.
    package static let shared = Result { try PostgresServer() }

    package let folder: String
    private let process = Mutex<Process?>(nil)

    /// As long as its standard input is open, the server runs. A line says how it is to stop; the end of the input stops
    /// it and removes the folder. A plain `sh` would wait for a signal that Foundation's children do not get.
    private static let keeper = """
        folder=$1; shift
        "$@" >"$folder/log" 2>&1 & pid=$!
        if read -r signal; then kill -"$signal" $pid; wait $pid
        else kill -QUIT $pid; wait $pid; rm -rf "$folder"; fi
        """

    /// Makes an empty database and starts.
    package init() throws {
        guard let programs = Self.programs else { throw Failure(description: Self.skipped) }
        folder = "/tmp/phasor-pg-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        if geteuid() == 0 { chown(folder, Self.nobody, Self.nobody) }
        let setup = Process()
        try Self.run(
            setup,
            Self.asOther + [
                "\(programs)/initdb", "-D", "\(folder)/data", "-U", "phasor", "-A", "trust", "-N", "-E", "UTF8",
                "--locale=C",
            ])
        setup.waitUntilExit()
        guard setup.terminationStatus == 0 else { throw Failure(description: "initdb has failed") }
        try start()
    }

    deinit {
        // The end of its input.
        let old = process.withLock { process in
            defer { process = nil }
            return process
        }
        try? (old?.standardInput as? Pipe)?.fileHandleForWriting.close()
        old?.waitUntilExit()
    }

    private static let nobody: uid_t = 65534
    private static let asOther =
        geteuid() == 0
        ? ["/usr/bin/setpriv", "--reuid=\(nobody)", "--regid=\(nobody)", "--clear-groups"] : ["/usr/bin/env"]

    /// What libpq takes.
    package var address: String { "postgres://phasor@/postgres?host=\(folder)" }

    package func start() throws {
        guard let programs = Self.programs else { return }
        let keeper = Process()
        let input = Pipe()
        keeper.standardInput = input
        try Self.run(
            keeper,
            ["/bin/bash", "-c", Self.keeper, "bash", folder] + Self.asOther + [
                "\(programs)/postgres", "-D", "\(folder)/data", "-k", folder, "-c", "listen_addresses=", "-c",
                "max_connections=300", "-c", "fsync=on", "-c", "unix_socket_permissions=0777",
            ])
        process.withLock { $0 = keeper }
        for _ in 0..<600 {
            if isReady(programs) { return }
            guard keeper.isRunning else { break }
            Thread.sleep(forTimeInterval: 0.05)
        }
        let log = (try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)) ?? ""
        throw Failure(description: "PostgreSQL has not started: \(log.suffix(500))")
    }

    /// - Parameter signal: INT breaks off what is under way, QUIT ends at once as a power cut does.
    package func stop(_ signal: String = "INT") {
        let old = process.withLock { process in
            defer { process = nil }
            return process
        }
        (old?.standardInput as? Pipe)?.fileHandleForWriting.write(Data("\(signal)\n".utf8))
        old?.waitUntilExit()
    }

    private func isReady(_ programs: String) -> Bool {
        let question = Process()
        guard (try? Self.run(question, ["\(programs)/pg_isready", "-q", "-h", folder])) != nil else { return false }
        question.waitUntilExit()
        return question.terminationStatus == 0
    }

    private static func run(_ process: Process, _ words: [String]) throws {
        process.executableURL = URL(fileURLWithPath: words[0])
        process.arguments = Array(words.dropFirst())
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }
}
