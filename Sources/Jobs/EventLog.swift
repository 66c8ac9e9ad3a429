import Foundation
import Synchronization

/// The events of one job: the last few kept, and handed to whoever listens.
package final class EventLog: Sendable {
    private struct State {
        var events: [JobEvent] = []
        var listeners: [Int: AsyncStream<JobEvent>.Continuation] = [:]
        var nextListener = 0
        var lastID: Int64 = 0
        var isClosed = false

        mutating func trim() {
            if events.count > EventLog.capacity { events.removeFirst(events.count - EventLog.capacity) }
            let previews = events.indices.filter { events[$0].preview != nil }
            for index in previews.dropLast(EventLog.previewCapacity).reversed() { events.remove(at: index) }
        }

        mutating func close() -> [AsyncStream<JobEvent>.Continuation] {
            isClosed = true
            defer { listeners = [:] }
            return Array(listeners.values)
        }
    }

    private let state = Mutex(State())
    /// Events that are kept for `after`, and how many of them may be previews, which are large.
    package static let capacity = 256
    package static let previewCapacity = 8

    package init() {}

    /// Ids are microseconds of the clock, or one more than the last: they go on increasing after a restart.
    package func append(_ name: JobEvent.Name, _ job: Job, preview: JobEvent.Preview? = nil, at date: Date = Date()) {
        let closed = state.withLock { state -> [AsyncStream<JobEvent>.Continuation] in
            guard !state.isClosed else { return [] }
            let event = JobEvent(
                id: max(state.lastID + 1, Self.id(at: date)), name: name, job: job, preview: preview)
            state.lastID = event.id
            state.events.append(event)
            state.trim()
            for (number, listener) in state.listeners {
                // One that has gone is forgotten here and not when it goes: a task that is cancelled runs `onTermination`
                // under a lock of the runtime, for which `yield` waits under this one.
                if case .terminated = listener.yield(event) { state.listeners[number] = nil }
            }
            guard name.isTerminal else { return [] }
            return state.close()
        }
        for listener in closed { listener.finish() }
    }

    /// Ends all streams without a last event: the engine stops.
    package func close() {
        for listener in state.withLock({ $0.close() }) { listener.finish() }
    }

    /// The last event that is no preview and what follows, or all that is kept after the event of an id and what follows.
    /// An id beyond the last event is of a time before the clock was set back, and tells nothing: it counts as none.
    package func subscribe(after id: Int64?) -> AsyncStream<JobEvent> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: JobEvent.self, bufferingPolicy: .bufferingNewest(Self.capacity))
        let isOver = state.withLock { state in
            let past =
                id.flatMap { id in id <= state.lastID ? state.events.filter { $0.id > id } : nil }
                ?? state.events.filter { $0.preview == nil }.suffix(1)
            for event in past { continuation.yield(event) }
            guard !state.isClosed else { return true }
            state.nextListener += 1
            state.listeners[state.nextListener] = continuation
            return false
        }
        if isOver { continuation.finish() }
        return stream
    }

    /// What is left to tell of a job that ended long ago: how it ended.
    package static func ended(_ job: Job, after: Int64?) -> AsyncStream<JobEvent> {
        let log = EventLog()
        let end = id(at: job.finishedAt ?? job.createdAt)
        // Whoever has an event from after the job's end has its last one.
        let isTold = after.map { $0 >= end && $0 <= id(at: Date()) } ?? false
        if !isTold { log.append(JobQueue.lastEvent(of: job), job, at: job.finishedAt ?? job.createdAt) }
        log.close()
        return log.subscribe(after: isTold ? nil : after)
    }

    package static func id(at date: Date) -> Int64 { Int64(date.timeIntervalSince1970 * 1_000_000) }
}
