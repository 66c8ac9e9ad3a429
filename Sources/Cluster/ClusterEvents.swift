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
            var isOver = false
            following: while !Task.isCancelled, !isStopping() {
                do {
                    let (rows, now) = try await ledger.events(of: job, after: cursor)
                    for row in rows {
                        cursor = row.id
                        continuation.yield(await event(row))
                        if row.name == .queued { position = row.job.queuePosition }
                        if row.name.isTerminal { break following }
                    }
                    // A job may end between the look at its events and the look at it: the next look has its end, unless the
                    // reader had it before.
                    guard !isOver else { break }
                    isOver = now.state.isTerminal
                    if isOver { continue }
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
