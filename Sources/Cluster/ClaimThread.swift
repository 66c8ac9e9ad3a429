import Dispatch
import Foundation
import Jobs
import Logging
import Models
import Pipelines

/// Claims jobs for a worker, as many as it has use for, and keeps the claims good.
package final class ClaimThread: Sendable {
    private let work: ClusterWork
    private let models: [Pipeline]
    private let worker: String
    private let listener: JobListener
    private let logger: Logger
    /// The parts that this worker does.
    private let places: [PartLine.Place]
    /// The digests of this worker's weights, by model and part.
    private let weights: [PartLine.Place: String]

    /// - Parameter worker: names the process in the ledger.
    package init(models: [Pipeline], work: ClusterWork, worker: String, logger: Logger) {
        (self.models, self.work, self.worker, self.logger) = (models, work, worker, logger)
        listener = JobListener(work.ledger)
        var weights: [PartLine.Place: String] = [:]
        for model in models {
            for generator in model.generators.generators {
                for (part, digest) in model.identities(of: generator.plan) {
                    weights[PartLine.Place(model: model.id, part: Part(part))] = digest
                }
            }
        }
        self.weights = weights
        places = models.flatMap { model in model.passedParts.map { PartLine.Place(model: model.id, part: $0) } }
            .filter { work.options.parts?.contains($0) ?? true }
    }

    package func start() {
        let thread = Thread { [self] in run() }
        thread.name = "phasor.claims"
        thread.start()
        listener.onNews { [work] news in
            var wait = 0.0
            if case .line(let model, let part) = news, let held = work.lastPlace,
                held != PartLine.Place(model: model, part: Part(part))
            {
                wait = Self.courtesySeconds
            }
            DispatchQueue.global().asyncAfter(deadline: .now() + wait) { work.wake.signal() }
        }
    }

    /// A worker that would have to get other weights into memory lets those go first that have them.
    private static let courtesySeconds = 0.3
    /// A cancellation that nobody heard of is seen after so long.
    private static let beatSeconds = 2.0

    private func run() {
        var beat = ContinuousClock.now
        var pause = 0.1
        while work.queue.mode == .open || work.count > 0 {
            do {
                if ContinuousClock.now >= beat {
                    try keep()
                    beat = .now + .seconds(min(work.options.leaseSeconds / 3, Self.beatSeconds))
                }
                pause = try claim() ? 0.1 : min(pause * 1.5, 2)
            } catch {
                logger.error("\(error)")
                pause = min(pause * 2, 5)
            }
            // Woken by news: a claim may have been cancelled.
            if work.wake.wait(timeout: .now() + pause * Double.random(in: 0.8...1.2)) == .success { beat = .now }
        }
    }

    /// Keeps the claims good, and lets go of those that are not ours any more.
    private func keep() throws {
        let fences = work.fences
        guard !fences.isEmpty else { return }
        let answer = try work.ledger.heartbeat(worker: worker, fences: fences, lease: work.options.leaseSeconds)
        for id in answer.cancelled { work.lose(id, isCancelled: true) }
        for id in answer.lost { work.lose(id, isCancelled: false) }
    }

    /// - Returns: whether anything was claimed.
    private func claim() throws -> Bool {
        let room = work.options.heldJobs - work.count
        guard room > 0, work.queue.mode == .open else { return false }
        let claims = try work.ledger.claim(
            worker: worker, places: places, held: work.lastPlace, limit: room, lease: work.options.leaseSeconds)
        for claim in claims { take(claim) }
        return !claims.isEmpty
    }

    private func take(_ claim: Claim) {
        do {
            for (part, digest) in claim.weights.sorted(by: { $0.key < $1.key }) {
                let own = weights[PartLine.Place(model: claim.job.request.model, part: Part(part))]
                guard own != digest else { continue }
                let reason =
                    "a worker has other weights of \(part) than the job was accepted with: \(own ?? "none") instead of "
                    + "\(digest), in \(models.first { $0.id == claim.job.request.model }?.source ?? "no model")"
                logger.error("\(reason)", metadata: ["job": "\(claim.job.id)"])
                _ = try work.ledger.refuse(claim.job.id, fence: claim.fence, reason: reason)
                return
            }
            try work.takeUp(claim)
        } catch {
            logger.error("\(error)", metadata: ["job": "\(claim.job.id)"])
            _ = try? work.ledger.letGo([claim.job.id: claim.fence])
        }
    }
}
