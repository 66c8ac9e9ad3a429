import Foundation
import GRDB

/// The database of a state folder: what its tables are, and whether it is one to go on with.
///
/// It is looked at without writing before it is opened. A database of a newer version, a damaged one, and one that does
/// not know the finished files beside it are refused as they are.
enum JobDatabase {
    /// What was found wrong, for `phasor recover` to tell apart.
    enum Fault: Error {
        /// There is none, but there are files of jobs.
        case missing(files: [String])
        /// The database does not know the jobs of these files.
        case older(files: [String])
        /// SQLite cannot read it.
        case damaged(reason: String)
        /// A later version wrote it.
        case newer(what: String)
        case foreign
    }

    /// Opens a database that has passed `inspect`, or makes a new one, and brings it up to this version.
    /// - Throws: `ServingError.storage`.
    static func open(_ folder: StateFolder) throws -> DatabasePool {
        let path = folder.databasePath
        if folder.isPrivate {
            // SQLite gives its other files the rights of this one.
            let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard file >= 0 else {
                throw ServingError.storage(operation: "opening \(path)", reason: String(cString: strerror(errno)))
            }
            close(file)
        }
        var configuration = Configuration()
        configuration.label = "phasor.jobs"
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // FULL: what was committed outlives a power cut as well, not only a kill.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            // What is deleted is overwritten: a prompt is gone when its job is.
            _ = try Row.fetchOne(db, sql: "PRAGMA secure_delete = ON")
        }
        return try JobStore.storage("opening \(path)") {
            let pool = try DatabasePool(path: path, configuration: configuration)
            try migrator.migrate(pool)
            try pool.write { db in
                let known = migrator.migrations.count
                if try Int.fetchOne(db, sql: "PRAGMA user_version") != known {
                    try db.execute(sql: "PRAGMA user_version = \(known)")
                }
            }
            return pool
        }
    }

    /// Looks at what is there, without changing it.
    /// - Parameter files: the finished files of jobs in the folder.
    /// - Throws: `Fault`, `ServingError.storage`.
    static func inspect(_ folder: StateFolder, files: [String]) throws {
        guard folder.hasDatabase else {
            guard files.isEmpty else { throw Fault.missing(files: files) }
            return
        }
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        do {
            let queue = try DatabaseQueue(path: folder.databasePath, configuration: configuration)
            try queue.read { db in
                try refuseNewer(db)
                try refuseForeign(db)
                try refuseDamaged(db, folder)
                try refuseOlder(db, files)
            }
        } catch let error as DatabaseError {
            let reason = "\(error.message ?? "no message") (SQLite \(error.resultCode.rawValue))"
            switch error.resultCode {
            case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_FORMAT: throw Fault.damaged(reason: reason)
            default: throw ServingError.storage(operation: "opening \(folder.databasePath)", reason: reason)
            }
        }
    }

    private static func refuseNewer(_ db: Database) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version <= migrator.migrations.count else { throw Fault.newer(what: "schema \(version)") }
        let unknown = try migrator.appliedIdentifiers(db).subtracting(migrator.migrations)
        if let name = unknown.sorted().first { throw Fault.newer(what: "migration '\(name.prefix(80))'") }
    }

    private static func refuseForeign(_ db: Database) throws {
        let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master WHERE type = 'table'") ?? 0
        let isOurs = try db.tableExists("grdb_migrations")
        guard tables == 0 || isOurs else { throw Fault.foreign }
    }

    /// The check reads all of the file, so it is left out for large ones.
    private static func refuseDamaged(_ db: Database, _ folder: StateFolder) throws {
        var status = stat()
        guard stat(folder.databasePath, &status) == 0, status.st_size < 256 << 20 else { return }
        let found = try String.fetchOne(db, sql: "PRAGMA quick_check(1)") ?? "no answer"
        guard found == "ok" else { throw Fault.damaged(reason: found) }
    }

    private static func refuseOlder(_ db: Database, _ files: [String]) throws {
        guard !files.isEmpty else { return }
        let known: Set<String> =
            try db.tableExists("job") ? try String.fetchSet(db, sql: "SELECT CAST(id AS TEXT) FROM job") : []
        let unknown = files.filter { file in OwnName.artifact(file).map { !known.contains($0.job) } ?? false }
        guard unknown.isEmpty else { throw Fault.older(files: unknown) }
    }

    // MARK: Tables

    static var migrator: DatabaseMigrator {
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
        migrator.registerMigration("interruptions and clock") { db in
            // `progress` stands for the checkpoint that was there at the last interruption.
            try db.execute(
                sql: """
                    ALTER TABLE job ADD COLUMN interruptions INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE job ADD COLUMN progress TEXT;
                    CREATE TABLE clock (
                        id INTEGER PRIMARY KEY CHECK (id = 1),
                        known REAL NOT NULL,
                        uptime REAL NOT NULL,
                        boot TEXT
                    );
                    """)
        }
        migrator.registerMigration("webhooks") { db in
            // A trigger, so that whoever ends a job writes in the same transaction that it is to be told.
            try db.execute(
                sql: """
                    CREATE TABLE webhook (url TEXT PRIMARY KEY);
                    CREATE TABLE notice (
                        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL,
                        url TEXT NOT NULL REFERENCES webhook (url) ON DELETE CASCADE,
                        job TEXT NOT NULL,
                        kind TEXT NOT NULL,
                        state TEXT NOT NULL,
                        ended_at REAL NOT NULL,
                        attempts INTEGER NOT NULL DEFAULT 0,
                        due REAL NOT NULL DEFAULT 0
                    );
                    CREATE INDEX notice_due ON notice (url, due);
                    CREATE TRIGGER job_ended AFTER UPDATE OF state ON job
                    WHEN NEW.state IN ('succeeded', 'failed', 'cancelled')
                    AND OLD.state NOT IN ('succeeded', 'failed', 'cancelled')
                    BEGIN
                        INSERT INTO notice (id, url, job, kind, state, ended_at)
                        SELECT 'evt_' || lower(hex(randomblob(16))), url, NEW.id, NEW.kind, NEW.state,
                        coalesce(NEW.finished_at, CAST(strftime('%s', 'now') AS REAL)) FROM webhook;
                    END;
                    """)
        }
        return migrator
    }
}

extension JobDatabase.Fault {
    /// The error for whoever starts a server on the folder.
    func refusal(of folder: StateFolder) -> ServingError {
        let name = StateFolder.databaseName
        let command = "`phasor recover \(folder.path)`"
        let reason =
            switch self {
            case .missing(let files):
                "\(name) is missing or empty, but there \(Self.count(files)) in artifacts/; put the database back, or run "
                    + "\(command), which makes it again from what the files carry"
            case .older(let files):
                "\(name) does not know \(Self.list(files)) in artifacts/, so it is older than they are, or of another "
                    + "folder; put the right one back, or run \(command), which adds them from what they carry"
            case .damaged(let reason):
                "\(name) is damaged: \(reason); put a copy back, or run \(command), which puts it aside and makes it "
                    + "again from what can be read of it and what the finished files carry"
            case .newer(let what):
                "a newer version of Phasor wrote \(name) (\(what)); serve it with that version, or give --state another "
                    + "folder"
            case .foreign: "its \(name) is not Phasor's; give --state a folder of its own"
            }
        return .refusedState(folder: folder.path, reason: reason)
    }

    private static func count(_ files: [String]) -> String {
        files.count == 1 ? "is a finished file" : "are \(files.count) finished files"
    }

    private static func list(_ files: [String]) -> String {
        let first = files.sorted().first ?? ""
        return files.count == 1 ? "the finished file \(first)" : "\(files.count) finished files (\(first), ...)"
    }
}
