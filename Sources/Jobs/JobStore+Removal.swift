import Foundation
import GRDB

/// How jobs and files go: by a client's wish, and by age and size.
extension JobStore {
    /// Forgets a job that has ended, and removes its files.
    ///
    /// First the row gives the files up, then they go, then the row: after a crash in between the next start removes the
    /// files, and none is ever there that the database does not know.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    package func delete(_ id: String) async throws {
        let files = try await write("deleting job \(id)") { db in
            guard try Row.fetchOne(db, sql: "SELECT id FROM job WHERE id = ?", arguments: [id]) != nil else {
                throw ServingError.unknownJob(id)
            }
            try db.execute(sql: "UPDATE artifact SET expired = 1 WHERE job = ?", arguments: [id])
            return try String.fetchAll(
                db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE job = ?", arguments: [id])
        }
        try removeFiles(of: [id], and: files)
        // A job that has no files may have left one when the process ended just before its row was written.
        try removeBlobs(files.isEmpty ? OwnName.artifacts(of: id) : files)
        try await write("deleting job \(id)") { db in
            try db.execute(sql: "DELETE FROM job WHERE id = ?", arguments: [id])
        }
        try await emptyLog()
    }

    /// Removes the files of jobs, also those that a crash left and no row names.
    private func removeFiles(of jobs: [String], and files: [String]) throws {
        let own = files.filter { OwnName.artifact($0) != nil } + jobs.flatMap(OwnName.artifacts(of:))
        let given = try pictureNames()
        let faults = [
            pictures.remove(jobs.flatMap { given[$0] ?? [] }),
            artifacts.remove(own + own.map { $0 + OwnName.aside }),
            checkpoints.remove(jobs + jobs.map { $0 + OwnName.aside }),
        ]
        if let fault = faults.compactMap(\.self).first { throw fault }
    }

    /// Removes artifacts that are too old, then the oldest ones until the rest is small enough, and forgets jobs that
    /// have been without artifacts for long.
    ///
    /// A file is too old when both the time its job finished and the time it was written are, by `RetentionClock`.
    /// - Parameter now: by the wall clock.
    package func retain(now: Date) throws {
        let now = try trusted(now)
        let given = try pictureNames()
        var givenBytes = given.mapValues { $0.reduce(0) { $0 + pictures.size(of: $1) } }
        let (files, jobs, pictureless) = try write("removing old artifacts") { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT artifact.id, artifact.job, file, bytes, finished_at FROM artifact JOIN job ON job.id = artifact.job
                    WHERE NOT expired ORDER BY finished_at DESC, job.sequence DESC
                    """)
            var total = 0
            var files: [String] = []
            for row in rows {
                guard let id: String = row.value("id"), let file: String = row.value("file") else { continue }
                // The pictures that a job starts from count with its first file.
                let own = max(0, row.value("bytes") ?? 0)
                let job: String? = row.value("job")
                let pictureBytes = job.flatMap { givenBytes.removeValue(forKey: $0) } ?? 0
                // A damaged row may say any number.
                for bytes in [own, pictureBytes] {
                    let (sum, isTooLarge) = total.addingReportingOverflow(bytes)
                    total = isTooLarge ? .max : sum
                }
                let finishedAt: Double = row.value("finished_at") ?? now
                // A copy may be younger than what it is a copy of.
                let copied = options.blobs == nil ? artifacts.age(of: file, now: now) : nil
                let age = min(now - finishedAt, copied ?? .infinity)
                guard total > options.retentionBytes || age > options.retentionSeconds else { continue }
                try db.execute(sql: "UPDATE artifact SET expired = 1 WHERE id = ?", arguments: [id])
                files.append(file)
            }
            let forgotten = """
                finished_at < ? AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.job = job.id AND NOT expired)
                """
            let before = now - options.historySeconds
            let jobs = try String.fetchAll(
                db, sql: "SELECT CAST(id AS TEXT) FROM job WHERE \(forgotten)", arguments: [before])
            // Pictures go with the last file of their job; of a job that made none, when it is as old.
            let pictureless =
                given.isEmpty
                ? []
                : try String.fetchAll(
                    db,
                    sql: """
                        SELECT CAST(id AS TEXT) FROM job WHERE finished_at IS NOT NULL
                        AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.job = job.id AND NOT expired)
                        AND (finished_at < ? OR EXISTS (SELECT 1 FROM artifact WHERE artifact.job = job.id))
                        """, arguments: [now - options.retentionSeconds])
            return (files, jobs, pictureless)
        }
        // Rows first: none ever speaks of a file that is gone. A crash here leaves files that `recover` removes.
        artifacts.remove(files.filter { OwnName.artifact($0) != nil })
        pictures.remove(pictureless.flatMap { given[$0] ?? [] })
        try trimCopies(now: now)
        guard !jobs.isEmpty else { return try removeExpiredBlobs() }
        try removeFiles(of: jobs, and: [])
        try write("forgetting old jobs") { db in
            for id in jobs { try db.execute(sql: "DELETE FROM job WHERE id = ?", arguments: [id]) }
        }
        try removeExpiredBlobs()
    }

    // MARK: The clock

    /// How often the time that is known to be right is kept.
    private static let keepingSeconds = 300.0

    private func trusted(_ now: Date) throws -> Double {
        let wall = now.timeIntervalSince1970
        let uptime = RetentionClock.uptime
        let before = clock.withLock { $0 }
        var time = try before?.time ?? knownClock(wall: wall, uptime: uptime)
        var kept = before?.kept ?? -.infinity
        time.advance(wall: wall, uptime: uptime)
        if before == nil, wall > time.now + 1 {
            logger.warning(
                "the clock is far ahead of the last start; nothing is removed for its age until it has kept so for a day"
            )
        }
        if abs(uptime - kept) >= Self.keepingSeconds {
            let known = time.now
            try write("keeping the time") { db in
                try db.execute(
                    sql: "INSERT OR REPLACE INTO clock (id, known, uptime, boot) VALUES (1, ?, ?, ?)",
                    arguments: [known, uptime, RetentionClock.boot])
            }
            kept = uptime
        }
        clock.withLock { [time, kept] in $0 = (time, kept) }
        return time.now
    }

    /// The clock as the last process knew it; without that record, a clock from the latest event of any job.
    private func knownClock(wall: Double, uptime: Double) throws -> RetentionClock {
        try write("reading the time") { db in
            if let row = try Row.fetchOne(db, sql: "SELECT * FROM clock WHERE id = 1"),
                let known: Double = row.value("known")
            {
                let then: Double? = row.value("uptime")
                let isSameBoot = RetentionClock.boot != nil && row.value("boot") == RetentionClock.boot
                return RetentionClock(known: known, uptime: isSameBoot ? then ?? uptime : uptime)
            }
            let last = try Double.fetchOne(
                db,
                sql: "SELECT max(CAST(coalesce(finished_at, created_at) AS REAL)) FROM job")
            return RetentionClock(known: last ?? wall, uptime: uptime)
        }
    }
}
