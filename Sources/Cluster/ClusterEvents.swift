import Blobs
import Foundation
import Jobs
import Logging

/// What happens to one job, wherever it is computed, as rows of the ledger tell it.
struct ClusterEvents: Sendable {
    let job: String
    let ledger: PostgresLedger
    let blobs: any BlobStore
    let listener: JobListener
    let logger: Logger

    /// Between two looks at the ledger where nothing is told: a lost notification costs this much.
    private static let pollSeconds = 0.5

    /// - Parameters:
    ///   - after: the id of the last event that the reader has; nil for none.
    ///   - isStopping: asked between two looks.
    func follow(after: Int64?, until isStopping: @escaping @Sendable () -> Bool) -> AsyncStream<JobEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: JobEvent.self, bufferingPolicy: .bufferingNewest(EventLog.capacity))
        let task = Task {
            // Ids are the database's: a place in the line that a front tells has that of the last row before it.
            var cursor = after
            var position: Int?
            following: while !Task.isCancelled, !isStopping() {
                do {
                    for row in try await ledger.events(of: job, after: cursor) {
                        cursor = row.id
                        continuation.yield(await event(row))
                        if row.name == .queued { position = row.job.queuePosition }
                        if row.name.isTerminal { break following }
                    }
                    let now = try await ledger.job(job)
                    if now.state.isTerminal {
                        for event in try await rest(of: now, after: cursor) { continuation.yield(event) }
                        break
                    }
                    if now.state == .queued, now.queuePosition != position, let cursor {
                        position = now.queuePosition
                        continuation.yield(JobEvent(id: cursor, name: .queued, job: now, preview: nil))
                    }
                } catch ServingError.unknownJob {
                    break
                } catch {
                    logger.warning("\(error)", metadata: ["job": "\(job)"])
                }
                await listener.news(of: job, within: Self.pollSeconds)
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// What a reader has not heard of a job that has ended, up to its end; nothing for a reader that has heard all.
    ///
    /// Two transactions may take numbers in one order and be done in the other. So the end of a job may have a lower number
    /// than what its worker told at that moment; whoever has read that is told the end all the same.
    private func rest(of ended: Job, after cursor: Int64?) async throws -> [JobEvent] {
        var rest: [JobEvent] = []
        for row in try await ledger.events(of: job, after: cursor) {
            rest.append(await event(row))
            if row.name.isTerminal { return rest }
        }
        let last = rest.last?.id ?? cursor ?? 0
        let end = try await ledger.events(of: job, after: 0).last { $0.name.isTerminal }
        if let end, end.id < last { rest.append(JobEvent(id: last, name: end.name, job: ended, preview: nil)) }
        return rest
    }

    private func event(_ row: LedgerEvent) async -> JobEvent {
        var preview: JobEvent.Preview?
        if let place = row.preview, let blob = BlobName(place.blob) {
            let file = try? await Blocking.run { [blobs] in try blobs.read(blob, nil) }
            preview = file.flatMap(\.self).map {
                JobEvent.Preview(image: place.image, index: place.index, step: place.step, file: $0)
            }
        }
        return JobEvent(id: row.id, name: row.name, job: row.job, preview: preview)
    }
}
