import Blobs
import Cluster
import Foundation
import GRDB
import Jobs
import Logging
import Models
import PostgreSQL
import Synchronization
import TestSupport
import Testing

/// The places where jobs are kept.
enum LedgerKind: String, CaseIterable, Sendable {
    case sqlite, postgres

    static var all: [LedgerKind] { PostgresServer.programs == nil ? [.sqlite] : allCases }
}

let quiet: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return logger
}()

/// A ledger of one test's own, and what the suite does to it besides asking it as clients do.
final class Bench: Sendable {
    let kind: LedgerKind
    let ledger: any JobLedger
    let folder: String
    private let store: JobStore?
    let postgres: PostgresLedger?
    let schema = "t\(UInt32.random(in: 0 ... .max))"
    private let fences = Mutex<[String: Int64]>([:])

    init(_ kind: LedgerKind) throws {
        self.kind = kind
        folder = FileManager.default.temporaryDirectory.appending(path: "ledger-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        switch kind {
        case .sqlite:
            let store = try JobStore(options: StoreOptions(folder: "\(folder)/state"), logger: quiet)
            (self.store, postgres, ledger) = (store, nil, store)
        case .postgres:
            let ledger = try Self.open(try PostgresServer.shared.get().address, schema: schema, folder: folder)
            (store, postgres, self.ledger) = (nil, ledger, ledger)
        }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    static func open(
        _ address: String, schema: String, folder: String, _ change: (inout LedgerOptions) -> Void = { _ in }
    ) throws -> PostgresLedger {
        try FileManager.default.createDirectory(atPath: "\(folder)/copies", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: "\(folder)/blobs", withIntermediateDirectories: true)
        var options = LedgerOptions(
            address: try PostgresAddress(address), folder: "\(folder)/copies",
            blobs: try FolderBlobs(path: "\(folder)/blobs")
        ) { request in
            JobNeeds(part: "text", shape: "", weights: ["text": "digest of \(request.model)"])
        }
        options.schema = schema
        options.connections = 4
        options.rescueSeconds = 0
        options.graceSeconds = 0
        change(&options)
        return try PostgresLedger(options: options, logger: quiet)
    }

    /// A second process with the same jobs.
    func another(_ change: (inout LedgerOptions) -> Void = { _ in }) throws -> PostgresLedger {
        try Self.open(try PostgresServer.shared.get().address, schema: schema, folder: folder, change)
    }

    // MARK: What workers do

    func start(_ job: Job) throws {
        if let store { return try store.markRunning([job.id], at: .storable) }
        while let claim = try postgres?.claim(
            worker: "w", places: [PartLine.Place(model: job.request.model, part: "text")], held: nil, limit: 1
        ).first {
            fences.withLock { $0[claim.job.id] = claim.fence }
            if claim.job.id == job.id { return }
        }
        Issue.record("\(job.id) does not wait")
    }

    /// Ends a job that was started, with its file if it succeeds.
    func end(_ job: Job, _ state: Job.State, failure: Job.Failure? = nil) throws -> Bool {
        var job = job
        (job.state, job.finishedAt, job.failure) = (state, .storable, failure)
        if state == .succeeded {
            let name = "\(job.id)-0.png"
            let bytes = [UInt8](name.utf8)
            let path: String
            if let store {
                try store.artifacts.write(bytes, as: name)
                _ = try store.artifacts.publish([name])
                path = store.artifacts.path(of: name)
            } else {
                try FolderBlobs(path: "\(folder)/blobs").put(bytes, as: #require(BlobName(name)))
                path = name
            }
            job.artifacts = [
                Artifact(
                    id: "artifact_\(job.id)", job: job.id, contentType: "image/png", bytes: bytes.count, path: path,
                    isExpired: false)
            ]
        }
        if let postgres {
            return try postgres.finish(job, fence: fences.withLock { $0[job.id] ?? -1 })
        }
        do { try store?.finish(job) } catch is Interruption { return false }
        return try state != .failed || row(job.id, "state") == "failed"
    }

    // MARK: What another version, or somebody's hand, does

    /// Changes a job's row. `sql` is such as both databases take.
    func edit(_ id: String, _ sql: String) throws {
        if postgres != nil {
            try connection().execute("UPDATE \(schema).job SET \(sql) WHERE id = $1", [.text(id)])
        } else {
            try sqlite { try $0.execute(sql: "UPDATE job SET \(sql) WHERE id = ?", arguments: [id]) }
        }
    }

    func row(_ id: String, _ column: String) throws -> String? {
        if postgres != nil {
            return try connection().execute(
                "SELECT \(column)::text AS c FROM \(schema).job WHERE id = $1", [.text(id)]
            ).first?.text("c")
        }
        return try sqlite {
            try String.fetchOne($0, sql: "SELECT CAST(\(column) AS TEXT) FROM job WHERE id = ?", arguments: [id])
        }
    }

    private func sqlite<T>(_ body: (Database) throws -> T) throws -> T {
        let other = try DatabaseQueue(path: "\(folder)/state/jobs.sqlite")
        defer { try? other.close() }
        return try other.write(body)
    }

    func connection() throws -> PostgresConnection {
        PostgresConnection(try PostgresAddress(PostgresServer.shared.get().address))
    }

    /// Names of the finished files that lie there.
    func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(
            atPath: kind == .sqlite ? "\(folder)/state/artifacts" : "\(folder)/blobs"
        ).sorted()
    }
}

extension Job {
    /// A new job.
    static func new(
        _ prompt: String = "a red balloon", kind: GenerationRequest.Kind = .image, model: String = "m",
        priority: Priority = .interactive, owner: String? = nil, seed: UInt64 = 7
    ) -> Job {
        let random = UUID().uuidString.lowercased().filter { $0 != "-" }
        return Job(
            id: "\(kind.rawValue)_\(random)",
            request: GenerationRequest(
                kind: kind, prompt: prompt, model: model, width: 64, height: 48, frames: kind == .video ? 9 : 1,
                seed: seed),
            priority: priority, owner: owner, steps: 4, createdAt: .storable)
    }
}

extension Bench {
    /// Puts many jobs into the line at once: of each part and shape in turn, one a millisecond until now.
    func fill(_ count: Int, parts: [String], shapes: [String]) throws {
        let request = String(decoding: try JSONEncoder().encode(Job.new().request), as: UTF8.self)
        try connection().execute(
            """
            WITH new AS (
                INSERT INTO \(schema).job (id, kind, priority, state, steps, parameters, model, part, shape, weights)
                SELECT 'image_' || replace(gen_random_uuid()::text, '-', ''), 'image', 'interactive', 'queued', 4, $1, 'm',
                ($2::text[])[1 + n % cardinality($2::text[])], ($3::text[])[1 + n / 7 % cardinality($3::text[])], '{}'
                FROM generate_series(1, $4::integer) AS n RETURNING id, sequence, model, part, shape
            )
            INSERT INTO \(schema).line (id, sequence, model, part, shape, priority, since)
            SELECT id, sequence, model, part, shape, 0, clock_timestamp() - interval '1 ms' * ($4::integer - sequence)
            FROM new
            """, [.text(request), .texts(parts), .texts(shapes), .integer(count)])
    }
}
