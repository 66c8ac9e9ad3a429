import Foundation

/// What a server asks of the place where jobs are kept: `JobStore` on one machine, a database that several machines share
/// beyond it.
///
/// What a call has written outlives the process when it returns. Asynchronous calls do not hold a thread that other tasks
/// need; the others block. What cannot be written or read is a `ServingError.storage`.
package protocol JobLedger: Sendable {
    /// Accepts a job. With an idempotency key that was used before, nothing is written.
    /// - Throws: `ServingError.idempotencyConflict`, `storage`.
    func insert(_ job: Job, idempotency: Idempotency?) async throws -> Acceptance

    /// The job that used this key before.
    /// - Throws: `ServingError.idempotencyConflict`, `storage`.
    func known(_ idempotency: Idempotency) async throws -> Acceptance?

    /// - Throws: `ServingError.unknownJob`, `storage`.
    func job(_ id: String) async throws -> Job

    /// Jobs in the order they were accepted. A job that this version cannot read is named apart.
    /// - Parameters:
    ///   - kind, owner: nil for all.
    ///   - limit: 1 to 1000.
    ///   - after: the last job of the page before.
    /// - Throws: `ServingError.unknownJob` for `after`, `storage`.
    func jobs(
        kind: GenerationRequest.Kind?, owner: String?, limit: Int, after: String?, oldestFirst: Bool
    ) async throws -> JobPage

    /// A finished file, there to be read at its path.
    /// - Throws: `ServingError.unknownArtifact`, `expiredArtifact`, `storage`.
    func artifact(_ id: String) async throws -> Artifact

    /// Writes that a job is not wanted any more, before anybody is told so: no kill brings it back.
    /// - Parameter job: as it is at present.
    /// - Returns: false if it had ended before.
    func cancel(_ job: Job, at date: Date) async throws -> Bool

    /// Puts a job that has failed or was cancelled back into the line.
    /// - Returns: the job, queued, and its place.
    /// - Throws: `ServingError.unknownJob`, `notRetriable`, `storage`; `invalid` for one that this version cannot read.
    func retry(_ id: String) async throws -> (job: Job, sequence: Int64)

    /// Forgets a job that has ended, and removes its files.
    /// - Throws: `ServingError.unknownJob`, `storage`.
    func delete(_ id: String) async throws

    // MARK: Who is told

    /// Sets who is told of the ends of jobs from now on. What was still to be told to others is dropped.
    /// - Returns: how many notices were dropped.
    func setWebhooks(_ urls: [String]) throws -> Int

    /// The oldest notices to a webhook whose time has come.
    func dueNotices(for url: String, at date: Date, limit: Int) throws -> [EndNotice]

    /// The webhook has taken it, or it is given up.
    func settle(_ notice: EndNotice) throws

    /// Notes that a notice was tried once more in vain.
    func postpone(_ notice: EndNotice, until date: Date) throws

    /// How many are still to be told.
    func noticeCount() throws -> Int
}

/// What `JobLedger.insert` found or did.
package struct Acceptance: Sendable {
    package let job: Job
    /// The job's place in the order in which jobs were accepted.
    package let sequence: Int64
    /// The job was there before: its idempotency key was used already.
    package let isKnown: Bool

    package init(job: Job, sequence: Int64, isKnown: Bool) {
        (self.job, self.sequence, self.isKnown) = (job, sequence, isKnown)
    }
}
