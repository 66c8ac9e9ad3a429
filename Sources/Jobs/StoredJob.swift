import Foundation
import Support

/// A row that this version cannot read, and why: another version wrote it, or somebody's hand.
package struct UnreadableRow: Error {
    package let reason: String

    package var failure: Job.Failure {
        Job.Failure(code: "unreadable_job", message: "this version of Phasor cannot read the job: \(reason)")
    }
}

/// One row of a database. A column that is missing, NULL or of another kind is nil.
package protocol StoredRow {
    func text(_ column: String) -> String?
    func integer(_ column: String) -> Int?
    func number(_ column: String) -> Double?
}

/// Turns rows into jobs: the columns are the same in every database.
package enum StoredJob {
    /// The job without its artifacts.
    package static func job(from row: some StoredRow) throws(UnreadableRow) -> Job {
        guard let id = row.text("id"), let text = row.text("parameters") else {
            throw UnreadableRow(reason: "it has no id or no parameters")
        }
        let name = row.text("priority") ?? ""
        guard let priority = Priority(rawValue: name) else {
            throw UnreadableRow(reason: "its priority is '\(name.prefix(40))', which is not known")
        }
        let stateName = row.text("state") ?? ""
        guard let state = Job.State(rawValue: stateName) else {
            throw UnreadableRow(reason: "its state is '\(stateName.prefix(40))', which is not known")
        }
        guard let createdAt = date(row, "created_at"), let steps = row.integer("steps"), steps >= 0 else {
            throw UnreadableRow(reason: "its steps or the time it was created at are not numbers")
        }
        var job = Job(
            id: id, request: try request(text), priority: priority, owner: row.text("owner"), steps: steps,
            createdAt: createdAt)
        job.state = state
        fill(&job, from: row)
        return job
    }

    /// The job, or as much of it as can be read, as one that has failed unless it has ended otherwise.
    package static func shownJob(from row: some StoredRow) -> Job {
        do {
            return try job(from: row)
        } catch {
            let id = row.text("id") ?? ""
            let kind =
                GenerationRequest.Kind(rawValue: row.text("kind") ?? "") ?? (id.hasPrefix("video") ? .video : .image)
            var job = Job(
                id: id, request: GenerationRequest(salvaging: row.text("parameters") ?? "", kind: kind),
                owner: row.text("owner"), steps: max(0, row.integer("steps") ?? 0),
                createdAt: date(row, "created_at") ?? Date(timeIntervalSince1970: 0))
            let state = Job.State(rawValue: row.text("state") ?? "")
            job.state = state.map { $0.isTerminal ? $0 : .failed } ?? .failed
            fill(&job, from: row)
            if job.state == .failed { job.failure = job.failure ?? error.failure }
            return job
        }
    }

    private static func fill(_ job: inout Job, from row: some StoredRow) {
        let decoder = JSONDecoder()
        job.startedAt = date(row, "started_at")
        job.finishedAt = date(row, "finished_at")
        job.interruptions = max(0, row.integer("interruptions") ?? 0)
        if let text = row.text("timings"), let timings = try? decoder.decode(Timings.self, from: Data(text.utf8)) {
            job.timings = timings
            job.show(timings.steps.last)
        }
        if let text = row.text("failure") {
            job.failure =
                (try? decoder.decode(Job.Failure.self, from: Data(text.utf8)))
                ?? Job.Failure(code: "generation_failed", message: "why it failed cannot be read by this version")
        }
    }

    /// Returns nil for a row that names no file in a folder.
    /// - Parameter path: of a file's name.
    package static func artifact(from row: some StoredRow, path: (String) -> String) -> Artifact? {
        guard let id = row.text("id"), let job = row.text("job"), let file = row.text("file"),
            !file.isEmpty, !file.utf8.contains(UInt8(ascii: "/"))
        else { return nil }
        return Artifact(
            id: id, job: job, contentType: row.text("content_type") ?? ContentType.bytes,
            bytes: max(0, row.integer("bytes") ?? 0), path: path(file), isExpired: row.integer("expired") ?? 0 != 0)
    }

    /// - Parameter seconds: that artifacts are kept; nil where that is not known.
    package static func expiry(of job: Job, after seconds: Double?) -> Date? {
        guard let seconds, !job.artifacts.isEmpty else { return nil }
        return job.finishedAt?.addingTimeInterval(seconds)
    }

    /// Returns nil for a number that is no time between 1970 and the year 9999.
    private static func date(_ row: some StoredRow, _ column: String) -> Date? {
        guard let seconds = row.number(column), (0...253_402_300_799).contains(seconds) else { return nil }
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
