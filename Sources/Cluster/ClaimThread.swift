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
    /// News of jobs that this worker holds.
    private let heard = DispatchSemaphore(value: 0)

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
            .filter(work.computes)
    }

    package func start() {
        begin("phasor.claims") { [self] in claims() }
        begin("phasor.leases") { [self] in leases() }
        listener.onNews { [work, places, heard] news in
            switch news {
            case .connected:
                work.wake.signal()
                heard.signal()
            case .line(let model, let part):
                let place = PartLine.Place(model: model, part: Part(part))
                guard places.contains(place) else { return }
                let wait = work.lastPlace.map { $0 == place ? 0 : Self.courtesySeconds } ?? 0
                DispatchQueue.global().asyncAfter(deadline: .now() + wait) { work.wake.signal() }
            case .jobs(let ids):
                // One of them may have been cancelled.
                let held = work.fences
                if ids.contains(where: { held[$0] != nil }) { heard.signal() }
            }
        }
    }

    /// A worker that would have to get other weights into memory lets those go first that have them.
    private static let courtesySeconds = 0.3

    private func begin(_ name: String, _ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = name
        thread.start()
    }

    // MARK: Leases

    /// A cancellation that nobody heard of is seen after so long.
    private static let beatSeconds = 2.0
    /// The steps of this worker's own jobs are news too.
    private static let shortestBeatSeconds = 0.2

    /// Keeps the claims good, on a thread of its own: what a claim needs of the blob store may take longer than a lease.
    private func leases() {
        while work.queue.mode == .open || work.count > 0 {
            do { try keep() } catch { logger.error("\(error)") }
            Thread.sleep(forTimeInterval: Self.shortestBeatSeconds)
            _ = heard.wait(timeout: .now() + min(work.options.leaseSeconds / 3, Self.beatSeconds))
            while heard.wait(timeout: .now()) == .success {}
        }
    }

    /// Lets go of what is not ours any more.
    private func keep() throws {
        let fences = work.fences
        guard !fences.isEmpty else { return }
        let answer = try work.ledger.heartbeat(worker: worker, fences: fences, lease: work.options.leaseSeconds)
        for (id, fence) in fences where !answer.kept.contains(id) {
            work.lose(id, fence: fence, isCancelled: answer.cancelled.contains(id))
        }
    }

    // MARK: Claims

    private func claims() {
        var pause = 0.1
        var mustBeAlone = false
        var others: [String: String] = [:]
        var (allowed, look) = (places, ContinuousClock.now)
        while work.queue.mode == .open {
            do {
                if ContinuousClock.now >= look {
                    allowed = try places(besides: &others)
                    look = .now + .seconds(Self.lookSeconds)
                }
                pause = try claim(allowed, &mustBeAlone) ? 0.1 : min(pause * 1.5, 2)
            } catch {
                logger.error("\(error)")
                pause = min(pause * 2, 5)
            }
            _ = work.wake.wait(timeout: .now() + pause * Double.random(in: 0.8...1.2))
            while work.wake.wait(timeout: .now()) == .success {}
        }
    }

    /// Another arithmetic is seen after so long. What was claimed in between begins anew where it must.
    private static let lookSeconds = 10.0

    /// Leaves the models alone that others compute with another arithmetic by now (`PostgresLedger.agree`).
    /// - Parameter others: such models, and what they are computed with; each is told once.
    private func places(besides others: inout [String: String]) throws -> [PartLine.Place] {
        let agreed = try work.ledger.arithmetics()
        let now = models.reduce(into: [String: String]()) { others, model in
            if let value = agreed[model.id], value != model.arithmetic { others[model.id] = value }
        }
        for (model, value) in now where others[model] != value {
            logger.error(
                "the store's workers compute with \(value) now; this one claims no more jobs of the model",
                metadata: ["model": "\(model)"])
        }
        others = now
        return places.filter { now[$0.model] == nil }
    }

    /// Claims what there is room for. A job with which a worker was lost is held alone: if it takes this one with it too,
    /// no other job is blamed.
    /// - Parameters:
    ///   - places: the parts of which it claims jobs.
    ///   - mustBeAlone: whether such a job waits, so that nothing more is claimed until no other is held.
    /// - Returns: whether anything was claimed.
    private func claim(_ places: [PartLine.Place], _ mustBeAlone: inout Bool) throws -> Bool {
        let (count, isSuspect) = work.holding
        let room = work.options.heldJobs - count
        guard room > 0, work.queue.mode == .open, !isSuspect, !mustBeAlone || count == 0 else { return false }
        let claims = try work.ledger.claim(
            worker: worker, places: places, held: work.lastPlace, limit: room, lease: work.options.leaseSeconds)
        mustBeAlone = count > 0 && claims.contains { $0.interruptions > 0 }
        guard !mustBeAlone else {
            try work.ledger.letGo(Dictionary(uniqueKeysWithValues: claims.map { ($0.job.id, $0.fence) }))
            return false
        }
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
