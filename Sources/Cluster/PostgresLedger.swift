import Blobs
import Foundation
import Jobs
import Logging
import PostgreSQL
import Synchronization

/// Where several machines keep their jobs.
package struct LedgerOptions: Sendable {
    package var address: PostgresAddress
    /// The schema that holds the tables.
    package var schema = "phasor"
    /// Connections of this process, beside the one that listens.
    package var connections = 8
    /// Where finished files, given pictures, previews and latents on their way are.
    package var blobs: (any BlobStore)?
    /// The folder that holds this machine's copies of finished files.
    package var folder: String
    /// What a new job needs first.
    package var needs: @Sendable (GenerationRequest) throws -> JobNeeds
    /// Seconds between two looks of this process at leases that have ended.
    package var rescueSeconds: Double = 5
    /// Seconds after a start of the database in which no lease ends.
    package var graceSeconds = 15.0
    /// Seconds after which pictures that came without a job are removed.
    package var uploadSeconds = 600.0
    /// Artifacts older than this many seconds are removed.
    package var retentionSeconds: Double = 7 * 86_400
    /// When the artifacts hold more bytes than this, the oldest are removed.
    package var retentionBytes = 1 << 40
    /// A job whose artifacts have expired, or that has none, is forgotten after this many seconds.
    package var historySeconds: Double = 60 * 86_400

    package init(
        address: PostgresAddress, folder: String, blobs: (any BlobStore)?,
        needs: @escaping @Sendable (GenerationRequest) throws -> JobNeeds
    ) {
        self.address = address
        self.folder = folder
        self.blobs = blobs
        self.needs = needs
    }
}

/// What decides who may work on a job that has not begun.
package struct JobNeeds: Sendable, Equatable {
    /// The part that it needs first.
    package let part: String
    /// Jobs that have one shape can share an evaluation by that part; empty where nothing is shared.
    package let shape: String
    /// What each part's weights are, by content: a worker with others refuses the job.
    package let weights: [String: String]

    package init(part: String, shape: String, weights: [String: String]) {
        (self.part, self.shape, self.weights) = (part, shape, weights)
    }
}

/// The jobs of several machines, in PostgreSQL.
///
/// The clients' side means what `JobStore` means; the workers' side (`claim`, `heartbeat`, `handOn`, `finish`) goes by
/// leases and fences. A fence grows with every claim; what is written with one that is not the row's any more changes
/// nothing. A job is unfinished exactly as long as `line` has a row of it, and every statement that ends one takes that row
/// first, so that none waits for another in a circle. Only the database's clock counts.
///
/// Each operation is one statement or one short transaction, and may be done twice: after a connection broke nobody knows
/// whether a statement was done.
package final class PostgresLedger: JobLedger {
    let options: LedgerOptions
    let logger: Logger
    let pool: PostgresPool
    /// The schema, as it stands in statements.
    let schema: String
    let announcements: Announcements
    /// When this process last looked at leases that have ended.
    let lastRescue = Mutex<ContinuousClock.Instant?>(nil)

    /// Connects, and brings the tables up to this version.
    /// - Throws: `ClusterFault`; `ServingError.storage`.
    package init(options: LedgerOptions, logger: Logger) throws {
        self.options = options
        self.logger = logger
        let schema = try LedgerSchema(options.schema)
        let pool = PostgresPool(options.address, size: options.connections)
        self.pool = pool
        self.schema = schema.name
        announcements = Announcements(pool: pool, schema: schema.name)
        try Self.storage("opening the store") { try schema.open(pool) }
    }

    /// Whether the database answers.
    /// - Throws: `ServingError.storage`.
    package func probe() throws {
        _ = try run("asking the store") { try $0.execute("SELECT 1") }
    }

    /// Hears when a line that was empty is not any more, and which jobs have new events.
    package func listen(_ tell: @escaping @Sendable (LedgerNews) -> Void) -> PostgresListener {
        let channels = announcements.channels
        let listener = PostgresListener(options.address, channels: [channels.line, channels.job]) { event in
            if let news = LedgerNews(event, channels) { tell(news) }
        }
        listener.start()
        return listener
    }

    // MARK: Access

    /// Does what may be done twice on the calling thread.
    func run<T>(_ operation: String, _ body: (PostgresConnection) throws -> T) throws -> T {
        try Self.storage(operation) { try Self.again { try pool.run(body) } }
    }

    func transaction<T>(_ operation: String, _ body: (PostgresConnection) throws -> T) throws -> T {
        try Self.storage(operation) { try Self.again { try pool.transaction(body) } }
    }

    /// Does what may be done twice on a thread of the pool.
    func run<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (PostgresConnection) throws -> T
    ) async throws -> T {
        let result: Result<T, any Error>
        do { result = .success(try await pool.run { db in try Self.again { try body(db) } }) } catch {
            result = .failure(error)
        }
        return try Self.storage(operation) { try result.get() }
    }

    func transaction<T: Sendable>(
        _ operation: String, _ body: @escaping @Sendable (PostgresConnection) throws -> T
    ) async throws -> T {
        try await run(operation) { db in try db.transaction(body) }
    }

    /// Once more after a connection that broke or a conflict with another transaction.
    private static func again<T>(_ body: () throws -> T) throws -> T {
        var conflicts = 0
        while true {
            do {
                return try body()
            } catch let fault as PostgresFault {
                let isWorthIt = fault.isConflict ? conflicts < 10 : fault.isDisconnected && conflicts < 1
                guard isWorthIt else { throw fault }
                conflicts += 1
                Thread.sleep(forTimeInterval: Double.random(in: 0...0.005) * Double(conflicts))
            }
        }
    }

    /// PostgreSQL's faults in the words of the store.
    static func storage<T>(_ operation: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let fault as PostgresFault {
            throw ServingError.storage(operation: operation, reason: "\(fault)")
        }
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// Unix seconds by the database's clock.
    static let now = "extract(epoch FROM clock_timestamp())::double precision"
}

extension PostgresRow: StoredRow {}
