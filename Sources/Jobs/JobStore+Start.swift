import Foundation
import GRDB

/// What a start makes of what the last process left.
extension JobStore {
    /// So often may the process end while a job is computed that gets no further in between.
    package static let mostInterruptions = 3

    /// Puts jobs that were running back into the queue, and removes files that belong to no job.
    ///
    /// A job that this version cannot read fails, and so does one during which the process has ended too often: it would
    /// be taken up at every start for ever.
    /// - Returns: the queued jobs, first come first.
    package func recover() throws -> [(job: Job, sequence: Int64)] {
        let computed = Set(turns.jobs)
        let (jobs, kept, givenUp, fileless, known) = try write("recovering jobs") { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM job WHERE state NOT IN (?, ?, ?) ORDER BY sequence",
                arguments: StatementArguments(Job.State.allCases.filter(\.isTerminal).map(\.rawValue)))
            let jobs = try rows.compactMap { try takeUp($0, computed: computed, db) }
            try db.execute(
                sql: "UPDATE job SET state = ?, started_at = NULL WHERE state = ?",
                arguments: [Job.State.queued.rawValue, Job.State.running.rawValue])
            return (
                jobs, try String.fetchSet(db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE NOT expired"),
                try String.fetchSet(db, sql: "SELECT CAST(file AS TEXT) FROM artifact WHERE expired"),
                // A job succeeds together with its files' rows; where those are gone, the files are all that is left.
                try String.fetchSet(
                    db,
                    sql: """
                        SELECT CAST(id AS TEXT) FROM job
                        WHERE state = ? AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.job = job.id)
                        """, arguments: [Job.State.succeeded.rawValue]),
                try String.fetchSet(db, sql: "SELECT CAST(id AS TEXT) FROM job")
            )
        }
        // What the record says has been counted.
        turns.write([])
        let waiting = Set(jobs.map(\.job.id))
        try removeStrays(
            keeping: kept.union(fileless.flatMap(OwnName.artifacts(of:))), givenUp: givenUp.subtracting(kept),
            unfinished: waiting, known: known)
        return jobs
    }

    /// - Parameter computed: the jobs that were computed when the last process ended.
    /// - Returns: nil if the job has failed.
    private func takeUp(_ row: Row, computed: Set<String>, _ db: Database) throws -> (job: Job, sequence: Int64)? {
        guard let sequence: Int64 = row.value("sequence") else { return nil }
        var job: Job
        do {
            job = try rows.job(from: row, db)
        } catch let fault as UnreadableRow {
            try fail(sequence, fault.failure, db)
            return nil
        }
        if job.state == .running, computed.contains(job.id) {
            let progress = self.progress(of: job.id)
            job.interruptions = row.value("progress") == progress ? job.interruptions + 1 : 1
            guard job.interruptions < Self.mostInterruptions else {
                let message =
                    "the process ended \(job.interruptions) times while this job was computed, and the job got no further "
                    + "in between; it is not begun again"
                try fail(sequence, Job.Failure(code: "process_ended", message: message), db)
                return nil
            }
            logger.warning(
                "the process ended while this job was computed",
                metadata: ["job": "\(job.id)", "times": "\(job.interruptions) of \(Self.mostInterruptions)"])
            try db.execute(
                sql: "UPDATE job SET interruptions = ?, progress = ? WHERE sequence = ?",
                arguments: [job.interruptions, progress, sequence])
        }
        job.state = .queued
        job.startedAt = nil
        return (job, sequence)
    }

    private func fail(_ sequence: Int64, _ failure: Job.Failure, _ db: Database) throws {
        try db.execute(
            sql: "UPDATE job SET state = ?, failure = ?, finished_at = ? WHERE sequence = ?",
            arguments: [
                Job.State.failed.rawValue, Self.json(failure), Date.storable.timeIntervalSince1970, sequence,
            ])
        logger.error("a job has failed: \(failure.message)", metadata: ["sequence": "\(sequence)"])
    }

    /// Tells the checkpoint of a job from its earlier ones: each is a file of its own.
    private func progress(of id: String) -> String {
        var status = stat()
        guard stat(checkpoints.path(of: id), &status) == 0 else { return "none" }
        return "\(status.st_ino) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec)"
    }
}
