import Foundation
import GRDB

/// Jobs and artifacts on disk: SQLite in WAL mode, and a folder of files.
///
/// A row is written before what it says is told to anyone, and after the files it speaks of are whole. So a process
/// may be killed at any moment: at the next start `recover` finds every accepted job either finished, with all its
/// files, or queued.
final class JobStore: Sendable {
    let artifacts: FileFolder
    /// Runs between two steps, by job.
    let checkpoints: FileFolder
    /// Embeddings of prompts.
    let prompts: FileFolder
    private let pool: DatabasePool
    private let lock: FolderLock
    private let retentionSeconds: Double

    /// - Throws: `ServingError.storage`, `stateInUse`.
    init(options: EngineOptions) throws {
        let folder = options.stateFolder
        try FileFolder.create(folder)
        lock = try FolderLock(folder: folder)
        artifacts = try FileFolder(path: "\(folder)/artifacts")
        checkpoints = try FileFolder(path: "\(folder)/checkpoints")
        prompts = try FileFolder(path: "\(folder)/prompts")
        retentionSeconds = options.retentionSeconds
        var configuration = Configuration()
        configuration.label = "phasor.jobs"
        configuration.busyMode = .timeout(5)
        // FULL: what was committed outlives a power cut as well, not only a kill.
        configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        pool = try Self.storage("opening \(folder)/jobs.sqlite") {
            let pool = try DatabasePool(path: "\(folder)/jobs.sqlite", configuration: configuration)
            try Self.migrator.migrate(pool)
            return pool
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("jobs and artifacts") { db in
            try db.execute(
                sql: """
                    CREATE TABLE job (
                        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        kind TEXT NOT NULL,
                        state TEXT NOT NULL,
                        steps INTEGER NOT NULL,
                        parameters TEXT NOT NULL,
                        timings TEXT,
                        failure TEXT,
                        created_at REAL NOT NULL,
                        started_at REAL,
                        finished_at REAL,
                        idempotency_key TEXT UNIQUE,
                        fingerprint TEXT
                    );
                    CREATE INDEX job_state ON job (state, sequence);
                    CREATE TABLE artifact (
                        id TEXT PRIMARY KEY,
                        job TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
                        ordinal INTEGER NOT NULL,
                        file TEXT NOT NULL,
                        content_type TEXT NOT NULL,
                        bytes INTEGER NOT NULL,
                        expired INTEGER NOT NULL DEFAULT 0
                    );
                    CREATE INDEX artifact_job ON artifact (job, ordinal);
                    """)
        }
        migrator.registerMigration("priority and owner") { db in
            try db.execute(
                sql: """
                    ALTER TABLE job ADD COLUMN priority TEXT NOT NULL DEFAULT 'interactive';
                    ALTER TABLE job ADD COLUMN owner TEXT;
                    """)
        }
        return migrator
    }

    /// Leaves the folder to another process: nothing will be computed any more.
    func release() { lock.release() }

    // MARK: Access

    /// On the calling thread; for the compute thread and for the start.
    func write<T>(_ operation: String, _ body: (Database) throws -> T) throws -> T {
        try Self.storage(operation) { try pool.write(body) }
    }

    /// On SQLite's queue. A task that is cancelled still waits: what was written must be known to whoever asked.
    func write<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (Database) throws -> T
    ) async throws -> T {
        let result = await withCheckedContinuation { continuation in
            pool.asyncWrite(body) { continuation.resume(returning: $1) }
        }
        return try Self.storage(operation) { try result.get() }
    }

    func read<T: Sendable>(_ operation: String, _ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
        let result: Result<T, any Error> = await withCheckedContinuation { continuation in
            pool.asyncRead { database in
                continuation.resume(returning: Result { try body(database.get()) })
            }
        }
        return try Self.storage(operation) { try result.get() }
    }

    /// SQLite's errors in the words of the state folder.
    private static func storage<T>(_ operation: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as DatabaseError {
            let message = error.message ?? "no message"
            throw ServingError.storage(operation: operation, reason: "\(message) (SQLite \(error.resultCode.rawValue))")
        }
    }

    // MARK: Rows

    func job(from row: Row, _ db: Database) throws -> Job {
        let id: String = row["id"]
        let decoder = JSONDecoder()
        guard let request = try? decoder.decode(GenerationRequest.self, from: Data((row["parameters"] as String).utf8)),
            let state = Job.State(rawValue: row["state"]), let priority = Priority(rawValue: row["priority"])
        else {
            throw ServingError.storage(operation: "reading job \(id)", reason: "its row cannot be read by this version")
        }
        var job = Job(
            id: id, request: request, priority: priority, owner: row["owner"], steps: row["steps"],
            createdAt: Self.date(row["created_at"]))
        job.state = state
        job.startedAt = (row["started_at"] as Double?).map(Self.date)
        job.finishedAt = (row["finished_at"] as Double?).map(Self.date)
        if let text = row["timings"] as String?,
            let timings = try? decoder.decode(Timings.self, from: Data(text.utf8))
        {
            job.timings = timings
            job.show(timings.steps.last)
        }
        if let text = row["failure"] as String? {
            job.failure = try? decoder.decode(Job.Failure.self, from: Data(text.utf8))
        }
        job.artifacts = try Row.fetchAll(
            db, sql: "SELECT * FROM artifact WHERE job = ? ORDER BY ordinal", arguments: [id]
        ).map(artifact(from:))
        job.expiresAt = expiry(of: job)
        return job
    }

    func artifact(from row: Row) -> Artifact {
        Artifact(
            id: row["id"], job: row["job"], contentType: row["content_type"], bytes: row["bytes"],
            path: artifacts.path(of: row["file"]), isExpired: row["expired"])
    }

    func expiry(of job: Job) -> Date? {
        job.artifacts.isEmpty ? nil : job.finishedAt?.addingTimeInterval(retentionSeconds)
    }

    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private static func date(_ seconds: Double) -> Date { Date(timeIntervalSince1970: seconds) }
}

extension Job {
    /// Makes a finished step the present one.
    mutating func show(_ timing: Timings.Step?) {
        guard let timing else { return }
        step = timing.step
        sigma = timing.sigma
        phase = timing.phase
        expert = timing.expert
    }
}

extension Date {
    /// Now, as a row gives it back: `Date` counts from 2001 with more digits than seconds since 1970 have.
    static var storable: Date { Date(timeIntervalSince1970: Date().timeIntervalSince1970) }
}
