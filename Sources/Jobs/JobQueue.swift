import Dispatch
import Foundation
import Models
import Synchronization

/// The jobs that are not finished, in memory: who waits, who runs, and who listens.
///
/// It is the authority on what runs; `JobStore` is the authority on what was accepted and what has finished. Every
/// change of a job goes with an event.
package final class JobQueue: Sendable {
    /// A job that was taken from the queue to run.
    package struct Ticket: Sendable {
        package let job: Job
        /// The job's place in the order in which jobs were accepted.
        package let sequence: Int64
        package let signal: StopSignal
    }

    package enum Mode: Sendable { case open, draining, stopping, stopped }

    private struct Entry {
        var job: Job
        let sequence: Int64
        let log: EventLog
        var signal = StopSignal()
    }

    private struct State {
        var mode = Mode.open
        var entries: [String: Entry] = [:]
        var line = WaitingLine()
        /// The waiting jobs during which a process has ended, first come first.
        var suspects: [String] = []
        var running: Set<String> = []
        /// The running jobs that are being computed at this moment.
        var computing: Set<String> = []
        /// Places promised to jobs that are being stored, by owner.
        var reserved: [String?: Int] = [:]
        var throughput = Throughput()
        var fault: ServingError?
        var waits = PartWaits()
        /// Logs of jobs that finished lately, oldest first.
        var recent: [(id: String, log: EventLog)] = []

        mutating func enqueue(_ entry: Entry) -> Job {
            var entry = entry
            entry.job.state = .queued
            entry.job.startedAt = nil
            entries[entry.job.id] = entry
            line.insert(entry.job, sequence: entry.sequence)
            if entry.job.interruptions > 0 { suspects.append(entry.job.id) }
            let job = positioned(entry.job)
            entry.log.append(.queued, job)
            return job
        }

        func positioned(_ job: Job) -> Job {
            var job = job
            job.queuePosition = job.state == .queued ? line.position(of: job, running: runningJobs) : nil
            let before = job.queuePosition.map { line.first(min($0, JobQueue.toldPositions), running: runningJobs) }
            job.secondsLeft = secondsLeft(of: job, behind: before ?? [])
            return job
        }

        /// An estimate from the recent throughput. The result is nil while no throughput is known, for a job that has
        /// ended, and for a job far back in the line.
        func secondsLeft(of job: Job, behind ids: [String]) -> Double? {
            guard !job.state.isTerminal, job.queuePosition ?? 0 <= JobQueue.toldPositions else { return nil }
            let running = runningJobs.filter { $0.id != job.id }
            return throughput.secondsLeft(
                of: job, beside: running, behind: ids.compactMap { entries[$0]?.job }, now: Date())
        }

        var runningJobs: [Job] { running.compactMap { entries[$0]?.job } }

        /// Places taken and promised.
        var taken: Int { line.count + reserved.values.reduce(0, +) }

        mutating func release(for owner: String?) {
            let left = reserved[owner, default: 0] - 1
            reserved[owner] = left > 0 ? left : nil
        }

        /// Takes the jobs that may begin out of the line. A job during which a process has ended runs alone: if the next
        /// one ends as well, it is known by which job, and no other is blamed.
        mutating func take(_ admission: Admission) -> [String] {
            let running = runningJobs
            guard !running.contains(where: { $0.interruptions > 0 }) else { return [] }
            guard let suspect = suspects.first, let job = entries[suspect]?.job else {
                return line.take(admission, running: running)
            }
            guard running.isEmpty else { return [] }
            suspects.removeFirst()
            return line.remove(job) ? [suspect] : []
        }
    }

    private let capacity: Int
    private let share: QueueShare
    /// Outlives the process.
    private let turns: TurnRecord?
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private static let recentLogs = 64
    /// A job further behind than this is told its place once it has come nearer.
    private static let toldPositions = 64

    package init(capacity: Int, share: QueueShare, turns: TurnRecord? = nil) {
        self.capacity = capacity
        self.share = share
        self.turns = turns
    }

    // MARK: Coming in

    /// Promises a place to a job that is about to be stored.
    /// - Throws: `ServingError.queueFull`, `shareFull`, `draining`.
    package func reserve(for owner: String?) throws(ServingError) {
        let refusal = state.withLock { state -> ServingError? in
            guard state.mode == .open else { return .draining }
            let free = capacity - state.taken
            let waiting = state.line.count(of: owner) + state.reserved[owner, default: 0]
            guard free > 0, owner == nil || share.admits(waiting: waiting, free: free) else {
                let retryAfter = state.throughput.retryAfter(running: state.runningJobs, now: Date())
                return free > 0
                    ? .shareFull(waiting: waiting, retryAfter: retryAfter)
                    : .queueFull(capacity: capacity, retryAfter: retryAfter)
            }
            state.reserved[owner, default: 0] += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    /// Gives a place back that was not needed.
    package func release(for owner: String?) {
        state.withLock { $0.release(for: owner) }
    }

    /// Puts a stored job at its reserved place.
    /// - Returns: the job with its position.
    package func add(_ job: Job, sequence: Int64) -> Job {
        defer { wake.signal() }
        return state.withLock { state in
            state.release(for: job.owner)
            return state.enqueue(Entry(job: job, sequence: sequence, log: EventLog()))
        }
    }

    /// Puts jobs of the time before the start in the queue, whatever its capacity.
    package func restore(_ jobs: [(job: Job, sequence: Int64)]) {
        state.withLock { state in
            for (job, sequence) in jobs { _ = state.enqueue(Entry(job: job, sequence: sequence, log: EventLog())) }
        }
        wake.signal()
    }

    // MARK: Running

    /// The jobs that may begin now; they now run. Empty if none waits or none is to be started.
    package func takeNext(_ admission: Admission, at date: Date) -> [Ticket] {
        state.withLock { state in
            guard state.mode == .open, state.line.count > 0 else { return [] }
            let taken = state.take(admission)
            // Beginning them may end the process too.
            if !taken.isEmpty { turns?.write(taken) }
            return taken.compactMap { id in
                guard var entry = state.entries[id] else { return nil }
                state.running.insert(id)
                entry.job.state = .running
                entry.job.startedAt = date
                entry.job.queuePosition = nil
                state.entries[id] = entry
                return Ticket(job: entry.job, sequence: entry.sequence, signal: entry.signal)
            }
        }
    }

    /// Tells those behind a started job that they have moved up.
    package func tellPositions() {
        state.withLock { state in
            let ids = state.line.first(Self.toldPositions, running: state.runningJobs)
            for (position, id) in ids.enumerated() {
                guard let entry = state.entries[id] else { continue }
                var job = entry.job
                job.queuePosition = position
                job.secondsLeft = state.secondsLeft(of: job, behind: Array(ids[..<position]))
                entry.log.append(.queued, job)
            }
        }
    }

    /// Declares what is computed from now on, instead of what was before.
    /// - Returns: those of `ids` that still run; others have been cancelled.
    package func compute(_ ids: [String]) -> [String] {
        state.withLock { state in
            let wanted = ids.filter(state.running.contains)
            state.computing = Set(wanted)
            // A process that is told to end is not ended by what it computes.
            turns?.write(state.mode == .open ? wanted : [])
            return wanted
        }
    }

    /// Notes what each job that has begun needs next.
    /// - Parameter computed: those that get it now.
    package func note(_ waiting: [WaitingRun], computed: [String], at date: Date = Date()) {
        state.withLock { $0.waits.update(waiting, computed: Set(computed), at: date.timeIntervalSince1970) }
    }

    /// Whether a job that was taken still runs: one that is not being computed may have been cancelled.
    package func isRunning(_ id: String) -> Bool { state.withLock { $0.running.contains(id) } }

    /// Changes a running job and tells its listeners.
    package func update(_ job: Job, _ name: JobEvent.Name, preview: JobEvent.Preview? = nil) {
        state.withLock { state in
            guard let entry = state.entries[job.id] else { return }
            state.entries[job.id]?.job = job
            entry.log.append(name, state.positioned(job), preview: preview)
        }
    }

    /// Counts what an evaluation or a stage without steps got done.
    package func record(work: Double, seconds: Double) {
        state.withLock { $0.throughput.record(work: work, seconds: seconds) }
    }

    /// Lets go of a job whose end is stored.
    package func finish(_ job: Job) {
        state.withLock { state in
            guard let entry = state.entries.removeValue(forKey: job.id) else { return }
            state.running.remove(job.id)
            entry.log.append(Self.lastEvent(of: job), job)
            state.recent.append((job.id, entry.log))
            if state.recent.count > Self.recentLogs { state.recent.removeFirst() }
        }
        // A place is free.
        wake.signal()
    }

    /// Lets go of a job that another process goes on with, or has begun: a computation of it stops, and nothing is told.
    package func letGo(_ id: String) {
        let log = state.withLock { state -> EventLog? in
            guard let entry = state.entries.removeValue(forKey: id) else { return nil }
            state.suspects.removeAll { $0 == id }
            _ = state.line.remove(entry.job)
            state.running.remove(id)
            entry.signal.shutDown()
            return entry.log
        }
        log?.close()
        wake.signal()
    }

    package static func lastEvent(of job: Job) -> JobEvent.Name {
        switch job.state {
        case .queued: .queued
        case .running: .step
        case .succeeded: .done
        case .failed: .failed
        case .cancelled: .cancelled
        }
    }

    // MARK: Cancelling

    package enum Cancellation {
        /// The job waited, in the queue or between two steps, and is out; its end is to be stored.
        case withdrawn(Job)
        /// The job is being computed and will stop, or is being cancelled by another.
        case signalled(Job)
    }

    /// Cancels a job; nil if there is no unfinished job of that id.
    package func cancel(_ id: String) -> Cancellation? {
        state.withLock { state in
            guard let entry = state.entries[id] else { return nil }
            state.suspects.removeAll { $0 == id }
            if state.line.remove(entry.job) { return .withdrawn(entry.job) }
            guard state.running.contains(id) else { return .signalled(entry.job) }
            entry.signal.cancel()
            if state.computing.contains(id) { return .signalled(entry.job) }
            state.running.remove(id)
            return .withdrawn(entry.job)
        }
    }

    // MARK: Looking

    package func job(_ id: String) -> Job? {
        state.withLock { state in state.entries[id].map { state.positioned($0.job) } }
    }

    package func log(of id: String) -> EventLog? {
        state.withLock { state in state.entries[id]?.log ?? state.recent.last { $0.id == id }?.log }
    }

    package func forget(_ id: String) {
        state.withLock { $0.recent.removeAll { $0.id == id } }
    }

    /// Whom each part keeps waiting; a part that keeps nobody waiting is not there.
    /// - Parameter first: the part that a job needs first.
    package func partLines(first: (Job) -> Part) -> [PartLine.Place: PartLine] {
        let (begun, queued) = state.withLock { state in
            (state.waits.lines, state.entries.values.map(\.job).filter { $0.state == .queued })
        }
        return queued.reduce(into: begun) { lines, job in
            let place = PartLine.Place(model: job.request.model, part: first(job))
            lines[place, default: PartLine()].add(since: job.createdAt.timeIntervalSince1970)
        }
    }

    package var counts: (queued: Int, running: Int) {
        state.withLock { ($0.line.count, $0.running.count) }
    }

    package var readiness: Readiness {
        state.withLock { state in
            if state.mode != .open { return .notReady("\(ServingError.draining)") }
            if let fault = state.fault { return .notReady("\(fault)") }
            if state.taken >= capacity { return .notReady("the queue is full") }
            return .ready
        }
    }

    /// What keeps the engine from storing, or nil.
    package func setFault(_ fault: ServingError?) {
        state.withLock { $0.fault = fault }
    }

    // MARK: Waiting and stopping

    package var mode: Mode { state.withLock { $0.mode } }

    /// Returns when something has changed, or after some seconds.
    package func wait(seconds: Double) {
        _ = wake.wait(timeout: .now() + seconds)
    }

    /// Nothing comes in and nothing is started any more.
    package func drain() {
        state.withLock { state in
            if state.mode == .open { state.mode = .draining }
            turns?.write([])
        }
        wake.signal()
    }

    /// Starts nothing more, lets the running jobs finish, stops those that have not after some seconds, and waits for the
    /// compute thread's end.
    package func drain(within seconds: Double) async {
        drain()
        let deadline = ContinuousClock.now + .seconds(seconds)
        while mode != .stopped {
            if ContinuousClock.now >= deadline { stop() }
            // A task that is cancelled no longer sleeps; then there is no more waiting either.
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return stop() }
        }
    }

    /// The running jobs are stopped as well, to run on at the next start.
    package func stop() {
        state.withLock { state in
            guard state.mode != .stopped else { return }
            state.mode = .stopping
            turns?.write([])
            for entry in state.entries.values { entry.signal.shutDown() }
        }
        wake.signal()
    }

    /// The compute thread has ended: whoever listens is let go.
    package func stopped() {
        let logs = state.withLock { state in
            state.mode = .stopped
            return state.entries.values.map(\.log)
        }
        for log in logs { log.close() }
    }
}
