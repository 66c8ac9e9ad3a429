import Blobs
import Foundation
import Jobs
import Logging

/// Tells the ledger what happens to a job that this process computes, so that every front knows.
struct EventForwarder: Sendable {
    let claim: Claim
    let ledger: PostgresLedger
    let blobs: any BlobStore
    let logger: Logger

    /// Of steps that follow one another faster, the first is told.
    private static let pause = Duration.milliseconds(20)

    func forward(_ events: AsyncStream<JobEvent>) async {
        var previews = 0
        var last = ContinuousClock.now - Self.pause
        for await event in events {
            // How a job ends is told by its row, and its place in the line by the ledger.
            guard !event.name.isTerminal, event.name != .queued else { continue }
            // A short step that the next one follows at once is left out.
            guard event.name != .step || ContinuousClock.now - last >= Self.pause else { continue }
            last = .now
            do {
                let preview = event.preview.map { preview in
                    previews += 1
                    return (preview, OwnName.preview(previews, of: claim.job.id, fence: claim.fence))
                }
                try await Blocking.run { try tell(event, preview) }
            } catch {
                logger.debug("an event is not told: \(error)", metadata: ["job": "\(claim.job.id)"])
            }
        }
    }

    private func tell(_ event: JobEvent, _ preview: (JobEvent.Preview, String)?) throws {
        var place: LedgerEvent.Preview?
        if let (preview, name) = preview, let blob = BlobName(name) {
            try BlobCache.storing { () throws(BlobFault) in try blobs.put(preview.file, as: blob) }
            place = LedgerEvent.Preview(image: preview.image, index: preview.index, step: preview.step, blob: name)
        }
        let told = try ledger.append([WorkEvent(event.name, event.job, fence: claim.fence, preview: place)])
        let gone = told.givenUp + (told.lost.isEmpty ? [] : [place?.blob].compactMap(\.self))
        for blob in gone.compactMap({ BlobName($0) }) {
            try BlobCache.storing { () throws(BlobFault) in try blobs.delete(blob) }
        }
    }
}
