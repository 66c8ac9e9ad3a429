import Foundation
import GRDB
import Logging

/// The jobs of a state folder, looked at from outside while a server may be working on it: nothing in the folder changes.
package struct JobArchive: Sendable {
    private let database: DatabaseQueue
    private let rows: JobRows

    /// - Throws: `ServingError.storage`, `refusedState`.
    package init(folder path: String) throws {
        let folder = try Self.existing(path)
        do {
            try JobDatabase.inspect(folder, files: [])
        } catch let fault as JobDatabase.Fault {
            throw fault.refusal(of: folder)
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        database = try JobStore.storage("opening \(folder.databasePath)") {
            try DatabaseQueue(path: folder.databasePath, configuration: configuration)
        }
        rows = JobRows(
            artifacts: FileFolder(existing: "\(path)/artifacts", isPrivate: folder.isPrivate), retentionSeconds: nil)
    }

    /// A store of the folder, to change jobs where no server runs; the folder stays as closed as it is.
    /// - Throws: as `JobStore.init`; `ServingError.stateInUse` where a server runs.
    package static func store(of path: String, logger: Logger) throws -> JobStore {
        var options = StoreOptions(folder: path)
        options.isPrivate = try existing(path).isPrivate
        return try JobStore(options: options, logger: logger)
    }

    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func job(_ id: String) throws -> Job {
        try JobStore.storage("reading job \(id)") { try database.read { try rows.job(id, $0) } }
    }

    /// The newest jobs first.
    /// - Throws: `ServingError.storage`; `unknownJob` for `after`.
    package func jobs(kind: GenerationRequest.Kind?, limit: Int, after: String?) throws -> JobPage {
        try JobStore.storage("listing jobs") {
            try database.read {
                try rows.page(kind: kind, owner: nil, limit: limit, after: after, oldestFirst: false, $0)
            }
        }
    }

    private static func existing(_ path: String) throws -> StateFolder {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ServingError.storage(operation: "opening \(path)", reason: String(cString: strerror(errno)))
        }
        guard access("\(path)/\(StateFolder.databaseName)", F_OK) == 0 else {
            throw ServingError.refusedState(
                folder: path, reason: "there are no jobs in it: it has no \(StateFolder.databaseName)")
        }
        return try StateFolder(path: path, isPrivate: status.st_mode & 0o077 == 0)
    }
}
