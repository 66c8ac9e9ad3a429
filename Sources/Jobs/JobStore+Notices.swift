import Foundation
import GRDB

/// That a job has ended, still to be told to one webhook. The row is written together with the job's end and goes when
/// the webhook has taken it, so it is told at least once, whatever happens to the process in between.
package struct EndNotice: Sendable, Equatable {
    package let sequence: Int64
    /// `evt_` and 128 random bits: the same in every attempt.
    package let id: String
    package let job: String
    package let kind: String
    package let state: Job.State
    package let endedAt: Date
    /// How often it was tried.
    package let attempts: Int

    package init(
        sequence: Int64, id: String, job: String, kind: String, state: Job.State, endedAt: Date, attempts: Int
    ) {
        self.sequence = sequence
        self.id = id
        self.job = job
        self.kind = kind
        self.state = state
        self.endedAt = endedAt
        self.attempts = attempts
    }
}

extension JobStore {
    /// Sets who is told of the ends of jobs from now on. What was still to be told to others is dropped.
    /// - Returns: how many notices were dropped.
    package func setWebhooks(_ urls: [String]) throws -> Int {
        try write("storing the webhooks") { db in
            let gone = try String.fetchSet(db, sql: "SELECT url FROM webhook").subtracting(urls)
            var dropped = 0
            for url in gone.sorted() {
                dropped += try Int.fetchOne(db, sql: "SELECT count(*) FROM notice WHERE url = ?", arguments: [url]) ?? 0
                try db.execute(sql: "DELETE FROM webhook WHERE url = ?", arguments: [url])
            }
            for url in urls { try db.execute(sql: "INSERT OR IGNORE INTO webhook (url) VALUES (?)", arguments: [url]) }
            return dropped
        }
    }

    /// The oldest notices to a webhook whose time has come.
    package func dueNotices(for url: String, at date: Date, limit: Int) throws -> [EndNotice] {
        try read("reading notices") { db in
            let rows = try Row.fetchAll(
                db, sql: "SELECT * FROM notice WHERE url = ? AND due <= ? ORDER BY sequence LIMIT ?",
                arguments: [url, date.timeIntervalSince1970, limit])
            return rows.compactMap { row in
                guard let sequence: Int64 = row.value("sequence"), let id: String = row.value("id"),
                    let job: String = row.value("job"), let kind: String = row.value("kind"),
                    let state = Job.State(rawValue: row.value("state") ?? ""),
                    let endedAt: Double = row.value("ended_at")
                else { return nil }
                return EndNotice(
                    sequence: sequence, id: id, job: job, kind: kind, state: state,
                    endedAt: Date(timeIntervalSince1970: endedAt), attempts: row.value("attempts") ?? 0)
            }
        }
    }

    /// The webhook has taken it, or it is given up.
    package func settle(_ notice: EndNotice) throws {
        try write("settling a notice") { db in
            try db.execute(sql: "DELETE FROM notice WHERE sequence = ?", arguments: [notice.sequence])
        }
    }

    /// Notes that a notice was tried once more in vain.
    package func postpone(_ notice: EndNotice, until date: Date) throws {
        try write("postponing a notice") { db in
            try db.execute(
                sql: "UPDATE notice SET attempts = attempts + 1, due = ? WHERE sequence = ?",
                arguments: [date.timeIntervalSince1970, notice.sequence])
        }
    }

    /// How many are still to be told.
    package func noticeCount() throws -> Int {
        try read("counting notices") { try Int.fetchOne($0, sql: "SELECT count(*) FROM notice") ?? 0 }
    }
}
