import FlyingSocks
import Foundation
import Synchronization

/// Waits for sockets to become readable or writable: FlyingSocks' epoll queue, with one thread of its own.
///
/// FlyingSocks' `SocketPool` would do the same, but is an actor that cancels a wait in a task on Swift's shared
/// threads, and every request here ends with such a cancellation (that of the watch for its client's leaving). Here a
/// wait ends at once, whatever else the process computes.
final class Readiness: Sendable {
    private struct Waiter {
        let id: Int
        let events: Socket.Events
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var queue: ePoll
        var waiters: [Socket.FileDescriptor: [Waiter]] = [:]
        var lastID = 0
        var isOpen = true

        /// Removes the waiters that `isDone` picks, and what only they were registered for.
        mutating func remove(_ file: Socket.FileDescriptor, where isDone: (Waiter) -> Bool) -> [Waiter] {
            guard let all = waiters[file] else { return [] }
            let done = all.filter(isDone)
            let rest = all.filter { !isDone($0) }
            waiters[file] = rest.isEmpty ? nil : rest
            let wanted = rest.reduce(into: Socket.Events()) { $0.formUnion($1.events) }
            let unwanted = done.reduce(into: Socket.Events()) { $0.formUnion($1.events) }.subtracting(wanted)
            try? queue.removeEvents(unwanted, for: file)
            return done
        }
    }

    /// A copy of the queue for the thread that polls: the numbers of its descriptors, which never change, and none of
    /// the registrations, which the lock guards.
    private struct Poller: @unchecked Sendable {
        let queue: ePoll
    }

    private let state: Mutex<State>

    init() throws {
        var queue = ePoll(triggering: .level, maxEvents: 256)
        try queue.open()
        let poller = Poller(queue: queue)
        state = Mutex(State(queue: queue))
        let thread = Thread { self.run(poller.queue) }
        thread.name = "http-epoll"
        thread.start()
    }

    /// Returns when the socket may be ready, or has failed: the next call on it tells. The socket must not be closed
    /// before that. Throws `CancellationError` when the task is cancelled or the server has stopped.
    func wait(for events: Socket.Events, on socket: Socket) async throws {
        let file = socket.file
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let failure = state.withLock { state -> (any Error)? in
                    // A cancellation from here on finds the waiter, because it takes the lock after this.
                    guard state.isOpen, !Task.isCancelled else { return CancellationError() }
                    let waiter = Waiter(id: id, events: events, continuation: continuation)
                    state.waiters[file, default: []].append(waiter)
                    do {
                        try state.queue.addEvents(events, for: file)
                        return nil
                    } catch {
                        _ = state.remove(file) { $0.id == id }
                        return error
                    }
                }
                if let failure { continuation.resume(throwing: failure) }
            }
        } onCancel: {
            let cancelled = state.withLock { $0.remove(file) { $0.id == id } }
            for waiter in cancelled { waiter.continuation.resume(throwing: CancellationError()) }
        }
    }

    /// Ends the thread and every wait.
    func stop() {
        state.withLock { try? $0.queue.stop() }
    }

    private func run(_ queue: ePoll) {
        // Throws when stopped.
        while let notifications = try? queue.getNotifications() {
            for notification in notifications {
                // No event at all is a hang-up, which concerns everybody.
                let ready = state.withLock { state in
                    state.remove(notification.file) { waiter in
                        notification.events.isEmpty || !notification.events.isDisjoint(with: waiter.events)
                    }
                }
                for waiter in ready { waiter.continuation.resume() }
            }
        }
        let left = state.withLock { state in
            state.isOpen = false
            try? state.queue.close()
            defer { state.waiters = [:] }
            return state.waiters.values.flatMap { $0 }
        }
        for waiter in left { waiter.continuation.resume(throwing: CancellationError()) }
    }
}
