import Dispatch
import Foundation
import Synchronization

/// The jobs that are not finished, in memory: who waits, who runs, and who listens.
///
/// It is the authority on what runs next; `JobStore` is the authority on what was accepted and what has finished.
/// Every change of a job goes with an event.
final class JobQueue: Sendable {
    /// A job that was taken from the queue to run.
    struct Ticket: Sendable {
        let job: Job
        let signal: StopSignal
    }

    enum Mode: Sendable { case open, draining, stopping, stopped }

    private struct Entry {
        var job: Job
        let sequence: Int64
        let log: EventLog
        let signal = StopSignal()
    }

    private struct State {
        var mode = Mode.open
        var entries: [String: Entry] = [:]
        /// Ids of the waiting jobs, next first.
        var order: [String] = []
        var running: String?
        /// Places promised to jobs that are being stored.
        var reserved = 0
        var throughput = Throughput()
        var fault: ServingError?
        /// Logs of jobs that finished lately, oldest first.
        var recent: [(id: String, log: EventLog)] = []

        /// By the order in which jobs were accepted.
        mutating func enqueue(_ entry: Entry) -> Job {
            let id = entry.job.id
            entries[id] = entry
            let index = order.firstIndex { (entries[$0]?.sequence ?? .max) > entry.sequence } ?? order.count
            order.insert(id, at: index)
            let job = positioned(entry.job)
            entry.log.append(.queued, job)
            return job
        }

        func positioned(_ job: Job) -> Job {
            var job = job
            job.queuePosition = order.firstIndex(of: job.id)
            return job
        }
    }

    private let capacity: Int
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private static let recentLogs = 64

    init(capacity: Int) {
        self.capacity = capacity
    }

    // MARK: Coming in

    /// Promises a place to a job that is about to be stored.
    /// - Throws: `ServingError.queueFull`, `draining`.
    func reserve() throws(ServingError) {
        let refusal = state.withLock { state -> ServingError? in
            guard state.mode == .open else { return .draining }
            guard state.order.count + state.reserved < capacity else {
                let running = state.running.flatMap { state.entries[$0]?.job }
                return .queueFull(
                    capacity: capacity, retryAfter: state.throughput.retryAfter(running: running, now: Date()))
            }
            state.reserved += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    /// Gives a place back that was not needed.
    func release() {
        state.withLock { $0.reserved -= 1 }
    }

    /// Puts a stored job at its reserved place.
    /// - Returns: the job with its position.
    func add(_ job: Job, sequence: Int64) -> Job {
        defer { wake.signal() }
        return state.withLock { state in
            state.reserved -= 1
            return state.enqueue(Entry(job: job, sequence: sequence, log: EventLog()))
        }
    }

    /// Puts jobs of the time before the start in the queue, whatever its capacity.
    func restore(_ jobs: [(job: Job, sequence: Int64)]) {
        state.withLock { state in
            for (job, sequence) in jobs { _ = state.enqueue(Entry(job: job, sequence: sequence, log: EventLog())) }
        }
        wake.signal()
    }

    // MARK: Running

    /// The job that is next; it now runs. Nil if none waits or none is to be started.
    func takeNext(at date: Date) -> Ticket? {
        state.withLock { state in
            guard state.mode == .open, let id = state.order.first, var entry = state.entries[id] else { return nil }
            state.order.removeFirst()
            state.running = id
            entry.job.state = .running
            entry.job.startedAt = date
            entry.job.queuePosition = nil
            state.entries[id] = entry
            return Ticket(job: entry.job, signal: entry.signal)
        }
    }

    /// Undoes `takeNext`: the start could not be stored.
    func putBack(_ id: String) {
        state.withLock { state in
            guard var entry = state.entries[id] else { return }
            state.running = nil
            entry.job.state = .queued
            entry.job.startedAt = nil
            _ = state.enqueue(entry)
        }
    }

    /// Tells those behind a started job that they have moved up.
    func tellPositions() {
        state.withLock { state in
            for id in state.order {
                guard let entry = state.entries[id] else { continue }
                entry.log.append(.queued, state.positioned(entry.job))
            }
        }
    }

    /// Changes a running job and tells its listeners.
    func update(
        _ id: String, _ name: JobEvent.Name, preview: JobEvent.Preview? = nil, _ change: (inout Job) -> Void = { _ in }
    ) {
        state.withLock { state in
            guard var entry = state.entries[id] else { return }
            change(&entry.job)
            state.entries[id] = entry
            entry.log.append(name, entry.job, preview: preview)
        }
    }

    /// Lets go of a job whose end is stored.
    func finish(_ job: Job) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: job.id) else { return }
            if state.running == job.id { state.running = nil }
            state.throughput.record(job)
            entry.log.append(Self.lastEvent(of: job), job)
            state.recent.append((job.id, entry.log))
            if state.recent.count > Self.recentLogs { state.recent.removeFirst() }
        }
    }

    static func lastEvent(of job: Job) -> JobEvent.Name {
        switch job.state {
        case .queued: .queued
        case .running: .step
        case .succeeded: .done
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }

    // MARK: Cancelling

    enum Cancellation {
        /// The job waited and is out of the queue; its end is to be stored.
        case withdrawn(Job)
        /// The job runs and will stop, or is being cancelled by another.
        case signalled(Job)
    }

    /// Nil if there is no unfinished job of that id.
    func cancel(_ id: String) -> Cancellation? {
        state.withLock { state in
            guard let entry = state.entries[id] else { return nil }
            if let index = state.order.firstIndex(of: id) {
                state.order.remove(at: index)
                return .withdrawn(entry.job)
            }
            if state.running == id { entry.signal.cancel() }
            return .signalled(entry.job)
        }
    }

    /// Undoes a withdrawal: the cancellation could not be stored.
    func reinstate(_ id: String) {
        state.withLock { state in
            if let entry = state.entries[id] { _ = state.enqueue(entry) }
        }
        wake.signal()
    }

    // MARK: Looking

    func job(_ id: String) -> Job? {
        state.withLock { state in state.entries[id].map { state.positioned($0.job) } }
    }

    func log(of id: String) -> EventLog? {
        state.withLock { state in state.entries[id]?.log ?? state.recent.last { $0.id == id }?.log }
    }

    func forget(_ id: String) {
        state.withLock { $0.recent.removeAll { $0.id == id } }
    }

    var counts: (queued: Int, running: Int) {
        state.withLock { ($0.order.count, $0.running == nil ? 0 : 1) }
    }

    var readiness: Readiness {
        state.withLock { state in
            if state.mode != .open { return .notReady("\(ServingError.draining)") }
            if let fault = state.fault { return .notReady("\(fault)") }
            if state.order.count + state.reserved >= capacity { return .notReady("the queue is full") }
            return .ready
        }
    }

    /// What keeps the engine from storing, or nil.
    func setFault(_ fault: ServingError?) {
        state.withLock { $0.fault = fault }
    }

    // MARK: Waiting and stopping

    var mode: Mode { state.withLock { $0.mode } }

    /// Returns when something has changed, or after some seconds.
    func wait(seconds: Double) {
        _ = wake.wait(timeout: .now() + seconds)
    }

    /// Nothing comes in and nothing is started any more.
    func drain() {
        state.withLock { if $0.mode == .open { $0.mode = .draining } }
        wake.signal()
    }

    /// The running job is stopped as well, to run again at the next start.
    func stop() {
        state.withLock { state in
            guard state.mode != .stopped else { return }
            state.mode = .stopping
            for entry in state.entries.values { entry.signal.shutDown() }
        }
        wake.signal()
    }

    /// The compute thread has ended: whoever listens is let go.
    func stopped() {
        let logs = state.withLock { state in
            state.mode = .stopped
            return state.entries.values.map(\.log)
        }
        for log in logs { log.close() }
    }
}
