import Blobs
import Foundation
import Jobs
import PostgreSQL
import Support

/// Finished files: this machine's copies, and how files go.
extension PostgresLedger {
    /// Copies a file from the blob store to this machine if it is not there.
    /// - Throws: `ServingError.expiredArtifact` for one that is nowhere; `storage`.
    func bring(_ artifact: Artifact) async throws {
        guard let blobs = options.blobs, access(artifact.path, F_OK) != 0 else { return }
        try await Blocking.run {
            let name = (artifact.path as NSString).lastPathComponent
            let bytes = try BlobCache.storing { () throws(BlobFault) in
                try BlobName(name).flatMap { blob throws(BlobFault) in try blobs.read(blob, nil) }
            }
            guard let bytes else { throw ServingError.expiredArtifact(artifact.id) }
            do throws(FileFault) {
                // Two that bring one file at once must not write to one place.
                let aside = "\(artifact.path).\(UInt32.random(in: 0 ... .max)).partial"
                try SystemFile.create(aside, holding: bytes, mode: 0o600, syncing: false)
                try SystemFile.rename(aside, to: artifact.path)
            } catch {
                throw ServingError.storage(operation: "\(error.operation) \(error.path)", reason: error.reason)
            }
        }
    }

    /// Forgets a job and removes its files. First the rows give the files up, then they go, then the rows: what a crash
    /// leaves in between, retention finds.
    package func delete(_ id: String) async throws {
        let files = try await giveUp(id)
        try await Blocking.run { [self] in
            try remove(files)
            try removeAll(of: id) { _ in true }
        }
        _ = try await run("deleting job \(id)") { [schema] db in
            try db.execute("DELETE FROM \(schema).job WHERE id = $1", [.text(id)])
        }
        announcements.jobs([id])
    }

    /// Takes the files of a job, and the job from the line.
    /// - Returns: names of the files.
    /// - Throws: `ServingError.unknownJob`.
    private func giveUp(_ id: String) async throws -> [String] {
        try await transaction("deleting job \(id)") { [schema] db in
            try db.execute("DELETE FROM \(schema).line WHERE id = $1", [.text(id)])
            let rows = try db.execute("SELECT 1 FROM \(schema).job WHERE id = $1 FOR UPDATE", [.text(id)])
            guard !rows.isEmpty else { throw ServingError.unknownJob(id) }
            return try db.execute(
                "UPDATE \(schema).artifact SET expired = 1 WHERE job = $1 RETURNING file", [.text(id)]
            ).compactMap { $0.text("file") }
        }
    }

    /// Removes artifacts that are too old, then the oldest ones until the rest is small enough; forgets jobs that have been
    /// without artifacts for long, and the events of those that ended an hour ago. Age is by the database's clock. Several
    /// machines may do this at once.
    /// - Returns: how many artifacts have expired, and how many jobs were forgotten.
    @discardableResult
    package func retain() throws -> (artifacts: Int, jobs: Int) {
        let expired = try run("removing old artifacts") { db in
            try db.execute(
                """
                WITH kept AS (
                    SELECT artifact.id, finished_at, sum(bytes) OVER (ORDER BY finished_at DESC, sequence DESC, ordinal) AS total
                    FROM \(schema).artifact JOIN \(schema).job ON job.id = artifact.job WHERE expired = 0
                )
                UPDATE \(schema).artifact SET expired = 1 FROM kept WHERE artifact.id = kept.id AND expired = 0
                AND (kept.total > $1::numeric OR finished_at < \(Self.now) - $2::double precision)
                """, [.integer(options.retentionBytes), .number(options.retentionSeconds)]
            ).changes
        }
        try removeExpired()
        let forgotten = try run("forgetting old jobs") { db in
            try db.execute(
                """
                SELECT id FROM \(schema).job WHERE finished_at < \(Self.now) - $1::double precision
                AND NOT EXISTS (SELECT 1 FROM \(schema).artifact WHERE artifact.job = job.id AND expired < 2) LIMIT 1000
                """, [.number(options.historySeconds)])
        }
        for id in forgotten.compactMap({ $0.text("id") }) {
            try removeAll(of: id) { _ in true }
            _ = try run("forgetting job \(id)") { db in
                try db.execute("DELETE FROM \(schema).job WHERE id = $1 AND finished_at IS NOT NULL", [.text(id)])
            }
        }
        try forgetEvents()
        try forgetUploads()
        return (expired, forgotten.count)
    }

    /// Removes from the blob store what has expired. What it does not take now, it is asked to take again.
    private func removeExpired() throws {
        // 1 is expired, 2 is gone from the blob store too.
        let names = try run("listing expired artifacts") { db in
            try db.execute("SELECT file FROM \(schema).artifact WHERE expired = 1 LIMIT 1000")
                .compactMap { $0.text("file") }
        }
        var failure: (any Error)?
        for name in names {
            do {
                try remove([name])
                _ = try run("forgetting \(name)") { db in
                    try db.execute(
                        "UPDATE \(schema).artifact SET expired = 2 WHERE file = $1 AND expired = 1", [.text(name)])
                }
            } catch {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Whoever watches a job has heard its end by now; how it ended is in its row. What workers that were killed left of its
    /// way goes with the events: previews, and latents that no row names.
    private func forgetEvents() throws {
        let old = try run("listing old events") { db in
            try db.execute(
                """
                SELECT id, blob FROM \(schema).job WHERE finished_at < \(Self.now) - 3600 AND EXISTS (
                    SELECT 1 FROM \(schema).event WHERE event.job = job.id
                ) LIMIT 1000
                """)
        }
        for row in old {
            guard let id = row.text("id") else { continue }
            let kept = row.text("blob")
            try removeAll(of: id) { OwnName.isOfAWay($0) && $0 != kept }
            _ = try run("forgetting events of job \(id)") { db in
                try db.execute(
                    """
                    DELETE FROM \(schema).event WHERE job = $1 AND EXISTS (
                        SELECT 1 FROM \(schema).job WHERE id = $1 AND finished_at < \(Self.now) - 3600
                    )
                    """, [.text(id)])
            }
        }
    }

    /// Notes that pictures of a job are on their way to the blob store, before the job is stored.
    package func noteUpload(of id: String) throws {
        _ = try run("noting an upload") { db in
            try db.execute("INSERT INTO \(schema).upload (job) VALUES ($1) ON CONFLICT DO NOTHING", [.text(id)])
        }
    }

    /// Removes the pictures of jobs that were not stored after all: their front was killed, or the database broke off.
    private func forgetUploads() throws {
        let old = try run("listing uploads") { db in
            try db.execute(
                """
                SELECT job, EXISTS (SELECT 1 FROM \(schema).job WHERE id = upload.job) AS known FROM \(schema).upload
                WHERE at < clock_timestamp() - make_interval(secs => $1::double precision) LIMIT 1000
                """, [.number(options.uploadSeconds)])
        }
        for row in old {
            guard let id = row.text("job") else { continue }
            if row.boolean("known") != true { try removeAll(of: id) { _ in true } }
            _ = try run("forgetting an upload") { db in
                try db.execute("DELETE FROM \(schema).upload WHERE job = $1", [.text(id)])
            }
        }
    }

    /// Removes the blobs of a job, whether a row names them or not: the names of all begin with the job's.
    private func removeAll(of id: String, where isUnneeded: (String) -> Bool) throws {
        guard let blobs = options.blobs, OwnName.isJob(id), let prefix = BlobName("\(id)-") else { return }
        let names = try BlobCache.storing { () throws(BlobFault) in try blobs.names(startingWith: prefix) }
        try remove(names.map(\.description).filter(isUnneeded))
    }

    /// Removes blobs, and this machine's copies.
    private func remove(_ names: [String]) throws {
        for name in names where !name.utf8.contains(UInt8(ascii: "/")) { unlink("\(options.folder)/\(name)") }
        guard let blobs = options.blobs else { return }
        for blob in names.compactMap({ BlobName($0) }) {
            try BlobCache.storing { () throws(BlobFault) in try blobs.delete(blob) }
        }
    }
}
