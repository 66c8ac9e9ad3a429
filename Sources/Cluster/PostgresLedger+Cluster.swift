import Foundation
import Jobs
import PostgreSQL

extension PostgresLedger {
    /// `waitingLines` with times of this machine's clock, for gauges that say how long ago.
    func partLines() throws -> [PartLine.Place: PartLine] {
        let now = Date().timeIntervalSince1970
        return try waitingLines().mapValues { PartLine(jobs: $0.jobs, since: now - $0.oldestWait) }
    }

    /// Whether no files of a job are to be kept: it was cancelled or deleted.
    func isUnwanted(_ id: String) throws -> Bool {
        let rows = try run("reading job \(id)") { [schema] db in
            try db.execute("SELECT state FROM \(schema).job WHERE id = $1", [.text(id)])
        }
        return rows.first.map { $0.text("state") == Job.State.cancelled.rawValue } ?? true
    }
}
