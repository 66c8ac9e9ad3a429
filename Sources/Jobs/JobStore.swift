import Foundation
import GRDB
import Logging
import Synchronization

/// Jobs and artifacts on disk: SQLite in WAL mode, and a folder of files.
///
/// A row is written before what it says is told to anyone, and after the files it speaks of are whole. So a process
/// may be killed at any moment: at the next start `recover` finds every accepted job either finished, with all its
/// files, or queued.
package final class JobStore: JobLedger {
    package let artifacts: FileFolder
    /// Runs between two steps, by job.
    package let checkpoints: FileFolder
    /// Embeddings of prompts.
    package let prompts: FileFolder
    /// Pictures that jobs start from.
    let pictures: FileFolder
    /// What is computed at this moment.
    package let turns: TurnRecord
    package var folder: String { options.folder }
    let options: StoreOptions
    let rows: JobRows
    let logger: Logger
    /// The clock of retention, and when it was last kept; nil until retention first looks.
    let clock = Mutex<(time: RetentionClock, kept: Double)?>(nil)
    private let pool: DatabasePool
    private let place: DatabasePlace
    private let lock: FolderLock

    /// - Throws: `ServingError.storage`, `stateInUse`, `refusedState`.
    package init(options: StoreOptions, logger: Logger) throws {
        let folder = try StateFolder(path: options.folder, isPrivate: options.isPrivate)
        lock = try FolderLock(folder: folder.path)
        let finished = try FileFolder.names(in: "\(folder.path)/artifacts").filter { OwnName.artifact($0) != nil }
        do {
            try JobDatabase.inspect(folder, files: finished)
        } catch let fault as JobDatabase.Fault {
            throw fault.refusal(of: folder)
        }
        folder.mark()
        artifacts = try FileFolder(path: "\(folder.path)/artifacts", isPrivate: folder.isPrivate)
        checkpoints = try FileFolder(path: "\(folder.path)/checkpoints", isPrivate: folder.isPrivate)
        prompts = try FileFolder(path: "\(folder.path)/prompts", isPrivate: folder.isPrivate)
        pictures = try FileFolder(path: "\(folder.path)/pictures", isPrivate: folder.isPrivate)
        artifacts.closeToOthers(finished)
        turns = try TurnRecord(path: "\(folder.path)/computing")
        self.options = options
        rows = JobRows(artifacts: artifacts, retentionSeconds: options.retentionSeconds)
        self.logger = logger
        pool = try JobDatabase.open(folder)
        place = try DatabasePlace(path: folder.databasePath)
        if folder.isPrivate {
            for ending in ["", "-wal", "-shm"] { chmod(folder.databasePath + ending, 0o600) }
        }
    }

    /// Leaves the folder to another process: nothing will be computed any more.
    package func release() { lock.release() }

    /// Why nothing that is written would be found again, or nil.
    package var displacement: ServingError? { place.fault }

    /// When retention will remove the artifacts of a job; nil while it has none.
    package func expiry(of job: Job) -> Date? { rows.expiry(of: job) }

    // MARK: Access

    /// Writes on the calling thread. The compute thread and the start use this.
    func write<T>(_ operation: String, _ body: (Database) throws -> T) throws -> T {
        if let displacement { throw displacement }
        return try Self.storage(operation) { try pool.write(body) }
    }

    /// Writes on SQLite's queue. A task that is cancelled still waits, because whoever asked must know what was
    /// written.
    func write<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        if let displacement { throw displacement }
        let result = await withCheckedContinuation { continuation in
            pool.asyncWrite(body) { continuation.resume(returning: $1) }
        }
        return try Self.storage(operation) { try result.get() }
    }

    /// Reads on the calling thread.
    func read<T>(_ operation: String, _ body: (Database) throws -> T) throws -> T {
        try Self.storage(operation) { try pool.read(body) }
    }

    func read<T: Sendable>(_ operation: String, _ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        let result: Result<T, any Error> = await withCheckedContinuation { continuation in
            pool.asyncRead { database in
                continuation.resume(returning: Result { try body(database.get()) })
            }
        }
        return try Self.storage(operation) { try result.get() }
    }

    /// Takes what was deleted out of the write-ahead log too.
    func emptyLog() async throws {
        let pool = pool
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            pool.asyncWriteWithoutTransaction { db in
                continuation.resume(with: Result { _ = try db.checkpoint(.truncate) })
            }
        }
    }

    /// SQLite's errors in the words of the state folder.
    static func storage<T>(_ operation: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            let message = error.message ?? "no message"
            throw ServingError.storage(operation: operation, reason: "\(message) (SQLite \(error.resultCode.rawValue))")
        }
    }

    /// Removes files that no job needs any more: those that retention or a client gave up, and what a crash left, once it
    /// is old enough that nobody can be about to use it. Names that Phasor would not have given are left alone.
    func removeStrays(
        keeping files: Set<String>, givenUp: Set<String>, unfinished: Set<String>, known: Set<String>
    ) throws {
        let now = Date().timeIntervalSince1970
        func remove(_ names: [String], from folder: FileFolder, if isStray: (String) -> Bool) {
            for name in names.sorted() {
                guard let age = folder.age(of: name, now: now), isStray(name) else { continue }
                guard givenUp.contains(name) || age >= options.strayGraceSeconds else { continue }
                if let fault = folder.remove([name]) {
                    logger.error("\(fault)")
                } else {
                    logger.notice("removed a file that no job needs", metadata: ["file": "\(folder.path(of: name))"])
                }
            }
        }
        remove(try artifacts.names(), from: artifacts) { name in
            OwnName.artifact(OwnName.finished(name) ?? name[...]) != nil && !files.contains(name)
        }
        remove(try checkpoints.names(), from: checkpoints) { name in
            OwnName.isJob(OwnName.finished(name) ?? name[...]) && !unfinished.contains(name)
        }
        remove(try pictures.names(), from: pictures) { name in
            guard let whole = OwnName.finished(name) else {
                return OwnName.picture(name).map { !known.contains($0.job) } ?? false
            }
            return OwnName.picture(whole) != nil
        }
    }
}

/// Where the database was opened. SQLite writes on into a file that was deleted or moved away, and nobody would find it.
private struct DatabasePlace: Sendable {
    let path: String
    let device: dev_t
    let inode: ino_t

    init(path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ServingError.storage(operation: "opening \(path)", reason: String(cString: strerror(errno)))
        }
        (self.path, device, inode) = (path, status.st_dev, status.st_ino)
    }

    var fault: ServingError? {
        var status = stat()
        guard stat(path, &status) == 0 else { return moved(String(cString: strerror(errno))) }
        guard status.st_dev == device, status.st_ino == inode else { return moved("it is another file now") }
        // What was committed lately is in the log beside it.
        guard access(path + "-wal", F_OK) == 0 else { return moved("its write-ahead log is gone") }
        return nil
    }

    private func moved(_ reason: String) -> ServingError {
        .storage(
            operation: "writing \(path)",
            reason: "the state folder was deleted, moved or replaced under the running server: \(reason)")
    }
}

extension Job {
    /// Makes a finished step the present one.
    package mutating func show(_ timing: Timings.Step?) {
        guard let timing else { return }
        step = timing.step
        sigma = timing.sigma
        phase = timing.phase
        expert = timing.expert
    }
}

extension Date {
    /// Now, as a row gives it back: `Date` counts from 2001 with more digits than seconds since 1970 have.
    package static var storable: Date { Date(timeIntervalSince1970: Date().timeIntervalSince1970) }
}
