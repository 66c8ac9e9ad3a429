import Foundation
import GRDB
import Support

/// A row that this version cannot read, and why: another version wrote it, or somebody's hand.
struct UnreadableRow: Error {
    let reason: String

    var failure: Job.Failure {
        Job.Failure(code: "unreadable_job", message: "this version of Phasor cannot read the job: \(reason)")
    }
}

extension Row {
    /// Returns nil where a column is missing, NULL or of another kind; GRDB's subscripts end the process there.
    func value<T: DatabaseValueConvertible>(_ column: String) -> T? {
        guard hasColumn(column), let value = self[column] as DatabaseValue? else { return nil }
        return T.fromDatabaseValue(value)
    }
}

/// Turns rows into jobs.
struct JobRows: Sendable {
    /// Where the files lie that rows name.
    let artifacts: FileFolder
    /// Seconds that artifacts are kept; nil where that is not known.
    let retentionSeconds: Double?

    // MARK: Looking up

    /// - Throws: `ServingError.unknownJob`.
    func job(_ id: String, _ db: Database) throws -> Job {
        guard let row = try Row.fetchOne(db, sql: "SELECT * FROM job WHERE id = ?", arguments: [id]) else {
            throw ServingError.unknownJob(id)
        }
        return try shownJob(from: row, db)
    }

    /// - Throws: `ServingError.unknownJob` for `after`.
    func page(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool, _ db: Database
    ) throws -> JobPage {
        // One more than asked for tells whether there are more.
        let limit = min(max(limit, 1), 1000)
        var conditions: [SQL] = ["1"]
        if let kind { conditions.append("kind = \(kind.rawValue)") }
        if let owner { conditions.append("owner = \(owner)") }
        if let after {
            let sql = "SELECT sequence FROM job WHERE id = ? AND (? IS NULL OR owner = ?)"
            guard let last = try Int64.fetchOne(db, sql: sql, arguments: [after, owner, owner]) else {
                throw ServingError.unknownJob(after)
            }
            conditions.append(oldestFirst ? "sequence > \(last)" : "sequence < \(last)")
        }
        let filter = conditions.joined(separator: " AND ")
        let order: SQL = oldestFirst ? "sequence" : "sequence DESC"
        let request: SQLRequest<Row> = "SELECT * FROM job WHERE \(filter) ORDER BY \(order)"
        var jobs: [Job] = []
        var unreadable: [String] = []
        let rows = try request.fetchCursor(db)
        while jobs.count <= limit, unreadable.count < 1000, let row = try rows.next() {
            do {
                jobs.append(try job(from: row, db))
            } catch is UnreadableRow {
                if let id: String = row.value("id") { unreadable.append(id) }
            }
        }
        return JobPage(jobs: Array(jobs.prefix(limit)), hasMore: jobs.count > limit, unreadable: unreadable)
    }

    // MARK: Reading

    /// - Throws: `UnreadableRow`.
    func job(from row: Row, _ db: Database) throws -> Job {
        guard let id: String = row.value("id"), let text: String = row.value("parameters") else {
            throw UnreadableRow(reason: "it has no id or no parameters")
        }
        let name: String = row.value("priority") ?? ""
        guard let priority = Priority(rawValue: name) else {
            throw UnreadableRow(reason: "its priority is '\(name.prefix(40))', which is not known")
        }
        let stateName: String = row.value("state") ?? ""
        guard let state = Job.State(rawValue: stateName) else {
            throw UnreadableRow(reason: "its state is '\(stateName.prefix(40))', which is not known")
        }
        guard let createdAt = Self.date(row, "created_at"), let steps: Int = row.value("steps"), steps >= 0 else {
            throw UnreadableRow(reason: "its steps or the time it was created at are not numbers")
        }
        var job = Job(
            id: id, request: try Self.request(text), priority: priority, owner: row.value("owner"), steps: steps,
            createdAt: createdAt)
        job.state = state
        try fill(&job, from: row, db)
        return job
    }

    /// The job, or as much of it as can be read, as one that has failed unless it has ended otherwise.
    func shownJob(from row: Row, _ db: Database) throws -> Job {
        do {
            return try job(from: row, db)
        } catch let fault as UnreadableRow {
            let id: String = row.value("id") ?? ""
            let kind =
                GenerationRequest.Kind(rawValue: row.value("kind") ?? "") ?? (id.hasPrefix("video") ? .video : .image)
            var job = Job(
                id: id, request: GenerationRequest(salvaging: row.value("parameters") ?? "", kind: kind),
                owner: row.value("owner"), steps: max(0, row.value("steps") ?? 0),
                createdAt: Self.date(row, "created_at") ?? Date(timeIntervalSince1970: 0))
            let state = Job.State(rawValue: row.value("state") ?? "")
            job.state = state.map { $0.isTerminal ? $0 : .failed } ?? .failed
            try fill(&job, from: row, db)
            if job.state == .failed { job.failure = job.failure ?? fault.failure }
            return job
        }
    }

    private func fill(_ job: inout Job, from row: Row, _ db: Database) throws {
        let decoder = JSONDecoder()
        job.startedAt = Self.date(row, "started_at")
        job.finishedAt = Self.date(row, "finished_at")
        job.interruptions = max(0, row.value("interruptions") ?? 0)
        if let text: String = row.value("timings"),
            let timings = try? decoder.decode(Timings.self, from: Data(text.utf8))
        {
            job.timings = timings
            job.show(timings.steps.last)
        }
        if let text: String = row.value("failure") {
            job.failure =
                (try? decoder.decode(Job.Failure.self, from: Data(text.utf8)))
                ?? Job.Failure(code: "generation_failed", message: "why it failed cannot be read by this version")
        }
        let files = try Row.fetchAll(
            db, sql: "SELECT * FROM artifact WHERE job = ? ORDER BY ordinal", arguments: [job.id])
        job.artifacts = files.compactMap(artifact(from:))
        job.expiresAt = expiry(of: job)
    }

    /// Returns nil for a row that names no file in the folder.
    func artifact(from row: Row) -> Artifact? {
        guard let id: String = row.value("id"), let job: String = row.value("job"),
            let file: String = row.value("file"),
            !file.isEmpty, !file.utf8.contains(UInt8(ascii: "/"))
        else { return nil }
        return Artifact(
            id: id, job: job, contentType: row.value("content_type") ?? ContentType.bytes,
            bytes: max(0, row.value("bytes") ?? 0), path: artifacts.path(of: file),
            isExpired: row.value("expired") ?? false)
    }

    func expiry(of job: Job) -> Date? {
        guard let retentionSeconds, !job.artifacts.isEmpty else { return nil }
        return job.finishedAt?.addingTimeInterval(retentionSeconds)
    }

    /// Returns nil for a number that is no time between 1970 and the year 9999.
    private static func date(_ row: Row, _ column: String) -> Date? {
        guard let seconds: Double = row.value(column), (0...253_402_300_799).contains(seconds) else { return nil }
        return Date(timeIntervalSince1970: seconds)
    }

    private static func request(_ text: String) throws(UnreadableRow) -> GenerationRequest {
        let request: GenerationRequest
        do {
            request = try JSONDecoder().decode(GenerationRequest.self, from: Data(text.utf8))
        } catch {
            throw UnreadableRow(reason: Self.reason(error))
        }
        guard request.width > 0, request.height > 0, request.frames > 0, request.fps > 0, request.previews >= 0,
            GenerationRequest.counts.contains(request.count)
        else { throw UnreadableRow(reason: "its parameters have a number that is out of range") }
        return request
    }

    private static func reason(_ error: any Error) -> String {
        func name(_ path: [any CodingKey], _ key: String? = nil) -> String {
            (path.map(\.stringValue) + [key].compactMap { $0 }).joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            return "its parameters have no '\(name(context.codingPath, key.stringValue))'"
        case DecodingError.valueNotFound(_, let context):
            return "its parameter '\(name(context.codingPath))' is null"
        case DecodingError.typeMismatch(_, let context):
            return "its parameter '\(name(context.codingPath))' is of another kind"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "its parameter '\(name(context.codingPath))' has a value that is not known"
        default: return "its parameters are no JSON object"
        }
    }
}

extension GenerationRequest {
    /// What can be read of the parameters of another version, to show a job. Nothing is ever computed from it.
    init(salvaging text: String, kind: Kind) {
        let fields = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
        func positive(_ name: String, _ otherwise: Int) -> Int { max(1, fields[name] as? Int ?? otherwise) }
        self.init(
            kind: kind, prompt: fields["prompt"] as? String ?? "", negativePrompt: fields["negative_prompt"] as? String,
            model: fields["model"] as? String ?? "", generator: fields["generator"] as? String,
            width: positive("width", 1), height: positive("height", 1), frames: positive("num_frames", 1),
            fps: positive("fps", 16), count: min(positive("n", 1), Self.counts.upperBound),
            seed: (fields["seed"] as? NSNumber)?.uint64Value ?? 0, steps: fields["num_inference_steps"] as? Int)
    }
}
