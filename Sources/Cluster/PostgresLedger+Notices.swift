import Foundation
import Jobs
import PostgreSQL

/// Who is told of the ends of jobs.
extension PostgresLedger {
    /// Seconds for which notices are left to whoever has asked for them.
    static let noticeLease = 60

    package func setWebhooks(_ urls: [String]) throws -> Int {
        try transaction("storing the webhooks") { db in
            let dropped = try db.execute(
                """
                WITH gone AS (DELETE FROM \(schema).notice WHERE url <> ALL($1::text[]) RETURNING 1)
                SELECT count(*) AS dropped FROM gone
                """, [.texts(urls)])
            try db.execute("DELETE FROM \(schema).webhook WHERE url <> ALL($1::text[])", [.texts(urls)])
            try db.execute(
                "INSERT INTO \(schema).webhook (url) SELECT DISTINCT unnest($1::text[]) ON CONFLICT DO NOTHING",
                [.texts(urls)])
            return dropped.first?.integer("dropped") ?? 0
        }
    }

    /// The oldest notices to a webhook whose time has come; for a minute they are not given to anybody else.
    /// - Parameter date: how far it is from now counts, by the database's clock.
    package func dueNotices(for url: String, at date: Date, limit: Int) throws -> [EndNotice] {
        let rows = try run("reading notices") { db in
            try db.execute(
                """
                WITH due AS (
                    SELECT sequence FROM \(schema).notice
                    WHERE url = $1 AND due <= clock_timestamp() + make_interval(secs => $2::double precision)
                    ORDER BY sequence LIMIT $3::integer FOR UPDATE SKIP LOCKED
                )
                UPDATE \(schema).notice SET due = clock_timestamp()
                + make_interval(secs => $2::double precision + \(Self.noticeLease))
                FROM due WHERE notice.sequence = due.sequence RETURNING notice.*
                """, [.text(url), .number(date.timeIntervalSinceNow), .integer(limit)])
        }
        return rows.compactMap { row in
            guard let sequence = row.integer("sequence"), let id = row.text("id"), let job = row.text("job"),
                let kind = row.text("kind"), let state = Job.State(rawValue: row.text("state") ?? ""),
                let endedAt = row.number("ended_at")
            else { return nil }
            return EndNotice(
                sequence: Int64(sequence), id: id, job: job, kind: kind, state: state,
                endedAt: Date(timeIntervalSince1970: endedAt), attempts: row.integer("attempts") ?? 0)
        }.sorted { $0.sequence < $1.sequence }
    }

    package func settle(_ notice: EndNotice) throws {
        _ = try run("settling a notice") { db in
            try db.execute("DELETE FROM \(schema).notice WHERE sequence = $1", [.integer(notice.sequence)])
        }
    }

    package func postpone(_ notice: EndNotice, until date: Date) throws {
        _ = try run("postponing a notice") { db in
            try db.execute(
                """
                UPDATE \(schema).notice SET attempts = $2::integer,
                due = clock_timestamp() + make_interval(secs => $3::double precision) WHERE sequence = $1
                """, [.integer(notice.sequence), .integer(notice.attempts + 1), .number(date.timeIntervalSinceNow)])
        }
    }

    package func noticeCount() throws -> Int {
        try run("counting notices") { db in
            try db.execute("SELECT count(*) AS waiting FROM \(schema).notice").first?.integer("waiting") ?? 0
        }
    }
}
