import Blobs
import Dispatch
import Foundation
import Jobs
import Logging
import Models
import Pipelines
import Synchronization

/// What a worker has claimed: where its runs write, and how what they come to gets to the ledger and the blob store.
///
/// Every write carries the fence of the claim, and counts only while it is the row's. So a worker that was taken for dead
/// changes nothing when it comes back.
package final class ClusterWork: WorkStore {
    package let artifacts: FileFolder
    package let checkpoints: FileFolder
    package let prompts: FileFolder
    package let handsOver = true
    package let queue: JobQueue

    let ledger: PostgresLedger
    let options: ClusterOptions
    let logger: Logger
    private let files: BlobCache
    private let pictures: BlobCache
    private let held = Mutex<[String: Held]>([:])
    /// Uploads and the rows that follow them, in the order in which the runs came to them.
    private let line = DispatchQueue(label: "phasor.handover")
    /// Something may be claimed, or a claim may have changed.
    let wake = DispatchSemaphore(value: 0)

    /// A job that this worker has.
    struct Held {
        let claim: Claim
        /// What the run needs next, as the ledger knows it.
        var place: PartLine.Place
        /// The latest blob, and how far it is.
        var blob: String?
        var progress: Int64
        var forwarder: Task<Void, Never>?
        /// Its end is written; what is on its way still goes before it is forgotten.
        var isEnded = false

        /// The name of the blob that says how far the run is.
        func state(_ progress: Int64) -> String { OwnName.state(progress, of: claim.job.id, fence: claim.fence) }

        /// All such blobs that this claim may have left: one that was on its way when the job ended was never in the ledger.
        var states: [String] {
            [claim.blob].compactMap(\.self) + stride(from: claim.progress + 1, through: progress, by: 1).map(state)
        }
    }

    package init(
        ledger: PostgresLedger, blobs: any BlobStore, folder: WorkFolder, options: ClusterOptions, logger: Logger
    ) {
        (self.ledger, self.options, self.logger) = (ledger, options, logger)
        (artifacts, checkpoints, prompts) = (folder.artifacts, folder.checkpoints, folder.prompts)
        files = BlobCache(folder: folder.artifacts, blobs: blobs)
        pictures = BlobCache(folder: folder.pictures, blobs: blobs)
        // Claims are few, and counted by the one who makes them.
        queue = JobQueue(capacity: .max, share: .whole)
    }

    /// Of the claims that are to be kept good.
    var fences: [String: Int64] { held.withLock { $0.filter { !$0.value.isEnded }.mapValues(\.claim.fence) } }
    var count: Int { held.withLock { $0.count } }
    /// How many jobs there are, and whether one of them is one with which a worker was lost.
    var holding: (count: Int, isSuspect: Bool) {
        held.withLock { held in (held.count, held.values.contains { $0.claim.interruptions > 0 }) }
    }
    /// The part that was computed last.
    var lastPlace: PartLine.Place? { last.withLock { $0 } }
    private let last = Mutex<PartLine.Place?>(nil)

    // MARK: Taking up

    /// Puts a claimed job in the queue, with what is known of its way.
    /// - Throws: `ServingError.storage`.
    func takeUp(_ claim: Claim) throws {
        // It may be one whose former claim ended without this worker's having noticed. That one's files go before those of
        // this one come: they have the same names.
        if let former = fences[claim.job.id] { lose(claim.job.id, fence: former, isCancelled: false) }
        if let name = claim.blob, let blob = BlobName(name) {
            let bytes = try BlobCache.storing { () throws(BlobFault) in try files.blobs.read(blob, nil) }
            // Without it the job begins anew, to the same bytes.
            if let bytes { try checkpoints.place(bytes, as: claim.job.id) }
        }
        for name in claim.job.pictureNames { _ = try pictures.bring(name) }
        var job = claim.job
        job.interruptions = claim.interruptions
        held.withLock {
            $0[job.id] = Held(
                claim: claim, place: PartLine.Place(model: job.request.model, part: claim.part), blob: claim.blob,
                progress: claim.progress, forwarder: nil)
        }
        queue.restore([(job, claim.sequence)])
        guard let log = queue.log(of: claim.job.id) else { return }
        let forwarder = EventForwarder(claim: claim, ledger: ledger, blobs: files.blobs, logger: logger)
        // From its first event on: the compute thread may have begun already.
        let task = Task { await forwarder.forward(log.subscribe(after: 0)) }
        held.withLock { $0[claim.job.id]?.forwarder = task }
    }

    /// A claim is another's by now, or the job was cancelled.
    func lose(_ id: String, fence: Int64, isCancelled: Bool) {
        let lost = held.withLock { held -> Held? in
            guard let now = held[id], now.claim.fence == fence, !now.isEnded else { return nil }
            return held.removeValue(forKey: id)
        }
        guard let lost else { return }
        lost.forwarder?.cancel()
        queue.letGo(id)
        pictures.folder.remove(lost.claim.job.pictureNames)
        logger.notice(isCancelled ? "cancelled" : "another worker has the job now", metadata: ["job": "\(id)"])
    }

    // MARK: The compute thread's store

    package func computes(_ place: PartLine.Place) -> Bool { options.parts?.contains(place) ?? true }

    package func markRunning(_ ids: [String], at date: Date) throws {
        // The claim has said so.
    }

    package func givenPictures(of job: Job) throws -> GivenPictures { try job.givenPictures(in: pictures.folder) }

    package func upload(_ names: [String]) throws { try files.upload(names) }

    package func expiry(of job: Job) -> Date? { StoredJob.expiry(of: job, after: ledger.options.retentionSeconds) }

    package func reach(_ stop: Stop) throws -> Onward {
        guard let now = held.withLock({ $0[stop.job] }) else { return .here }
        last.withLock { $0 = stop.place }
        guard now.place != stop.place else { return .here }
        let stays = stop.isResident && computes(stop.place)
        let state = try stop.save() ? FileManager.default.contents(atPath: checkpoints.path(of: stop.job)) : nil
        var next = now
        next.place = stop.place
        if state != nil {
            next.progress += 1
            next.blob = next.state(next.progress)
        }
        held.withLock { held in
            guard held[stop.job]?.claim.fence == now.claim.fence else { return }
            next.forwarder = held[stop.job]?.forwarder
            held[stop.job] = next
        }
        let (id, shape) = (stop.job, stop.shape ?? "")
        line.async { [self, next] in
            handOver(id, next, shape, state.map { [UInt8]($0) }, instead: now.blob, keeping: stays)
        }
        return stays ? .here : .elsewhere
    }

    /// Blob first, then the row: killed in between, the phase is done again, to the same bytes.
    ///
    /// What does not work is tried again as long as the claim is this worker's, which its heartbeats tell.
    private func handOver(
        _ id: String, _ now: Held, _ shape: String, _ state: [UInt8]?, instead former: String?, keeping: Bool
    ) {
        let fence = now.claim.fence
        while true {
            do {
                if let state, let name = now.blob { try files.put(state, as: name) }
                let isOurs =
                    keeping
                    ? try ledger.advance(id, fence: fence, to: now.place.part, blob: now.blob, progress: now.progress)
                    : try ledger.handOn(
                        id, fence: fence, to: now.place.part, shape: shape, blob: now.blob, progress: now.progress)
                if !keeping { forget(id, fence: fence) }
                if state != nil { removeBlobs([isOurs ? former : now.blob].compactMap(\.self)) }
                break
            } catch {
                logger.warning("\(error); trying again", metadata: ["job": "\(id)"])
                // A worker that ends puts back what it could not hand over.
                guard fences[id] == fence, queue.mode != .stopped else { break }
                Thread.sleep(forTimeInterval: Double.random(in: 0.5...1))
            }
        }
        wake.signal()
    }

    package func finish(_ job: Job) throws {
        // One that was lost meanwhile has been let go of.
        guard let now = held.withLock({ $0[job.id] }) else { throw Interruption.shutDown }
        let fence = now.claim.fence
        let isOurs = try ledger.finish(job, fence: fence)
        guard isOurs else {
            // Another worker that has the job now makes the same files; of a job that nobody wants, none stays.
            let isUnwanted = try ledger.isUnwanted(job.id)
            if isUnwanted { try files.remove(job.artifacts.map { ($0.path as NSString).lastPathComponent }) }
            lose(job.id, fence: fence, isCancelled: isUnwanted)
            throw Interruption.shutDown
        }
        held.withLock { if $0[job.id]?.claim.fence == fence { $0[job.id]?.isEnded = true } }
        // After what is still on its way. A job that may be run again keeps what is known of its way.
        line.async { [self] in
            forget(job.id, fence: fence)
            if job.state == .succeeded { removeBlobs(now.states) }
        }
    }

    private func forget(_ id: String, fence: Int64) {
        let gone = held.withLock { held in
            held[id]?.claim.fence == fence ? held.removeValue(forKey: id) : nil
        }
        guard let gone else { return }
        gone.forwarder?.cancel()
        pictures.folder.remove(gone.claim.job.pictureNames)
        wake.signal()
    }

    private func removeBlobs(_ names: [String]) {
        do {
            try files.remove(names)
        } catch {
            logger.warning("\(error)")
        }
    }

    package func suspend(_ job: String) {
        line.sync {}
        guard var now = held.withLock({ $0[job] }) else { return }
        do {
            if let state = FileManager.default.contents(atPath: checkpoints.path(of: job)) {
                now.progress += 1
                let (former, name) = (now.blob, now.state(now.progress))
                try files.put([UInt8](state), as: name)
                let isOurs = try ledger.advance(
                    job, fence: now.claim.fence, to: now.place.part, blob: name, progress: now.progress)
                removeBlobs([isOurs ? former : name].compactMap(\.self))
            }
        } catch {
            // The phase is done again.
            logger.warning("\(error)", metadata: ["job": "\(job)"])
        }
    }

    /// Copies that this worker has uploaded are of no more use to it.
    package func retain(now: Date) throws {
        files.trim(try artifacts.names(), to: 0, now: now.timeIntervalSince1970)
    }

    // MARK: The end

    /// Finishes what runs, for some seconds; then puts back what is left, so that others go on with it at once.
    package func drain(within seconds: Double) async {
        await queue.drain(within: seconds)
        line.sync {}
        do {
            try await Blocking.run { [self] in _ = try ledger.letGo(fences) }
        } catch {
            // The leases end by themselves.
            logger.warning("\(error)")
        }
    }
}
