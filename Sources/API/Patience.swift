import HTTP
import Jobs
import Support
import Synchronization

/// Keeps a plain JSON answer alive that takes minutes: clients and proxies give up where nothing comes for a minute.
///
/// After `quiet` without an end the answer begins, with status 200 and white space, which may stand before any JSON, and
/// more of it each time that passes again. What fails after that cannot have a status of its own: the error is written
/// and the connection cut, so that nobody takes the answer for a whole one.
struct Patience: Sendable {
    /// How long a client is left without a byte; nil for as long as it takes.
    let quiet: Duration?

    /// - Throws: what `work` throws before the answer has begun.
    func answer(
        headers: HTTPHeaders = [:], _ work: @escaping @Sendable () async throws -> JSON
    ) async throws -> HTTPResponse {
        let running = RunningWork(work)
        let hasEnded: Bool
        if let quiet { hasEnded = await running.ends(within: quiet) } else { hasEnded = true }
        guard let quiet, !hasEnded else {
            var response = HTTPResponse.json(try await running.value())
            response.headers.merge(headers)
            return response
        }
        var begun = HTTPResponse(
            headers: ["Content-Type": "application/json", "X-Accel-Buffering": "no"],
            body: .stream { writer in try await Self.write(running, every: quiet, to: writer) })
        begun.headers.merge(headers)
        return begun
    }

    private static func write(
        _ running: RunningWork<JSON>, every quiet: Duration, to writer: HTTPBodyWriter
    ) async throws {
        do {
            repeat { try await writer.write(" ") } while !(await running.ends(within: quiet))
            try await writer.write(running.value().bytes)
        } catch let error as HTTPError where error == .clientGone {
            throw error
        } catch {
            try await writer.write(APIError(error).body.bytes)
            // The log has the job's failure already; this ends the connection and no more.
            throw CancellationError()
        }
    }
}

/// Work that goes on while nobody awaits it, and is cancelled when nobody holds it.
private final class RunningWork<Value: Sendable>: Sendable {
    private let task: Task<Value, any Error>

    init(_ work: @escaping @Sendable () async throws -> Value) {
        task = Task { try await work() }
    }

    deinit { task.cancel() }

    /// Whether it ends within a time. It is cancelled with the task that asks.
    func ends(within time: Duration) async -> Bool {
        let gate = Gate()
        let timer = Task {
            try? await Task.sleep(for: time)
            gate.open(false)
        }
        let end = Task { [task] in
            _ = await task.result
            gate.open(true)
        }
        defer {
            timer.cancel()
            end.cancel()
        }
        return await withTaskCancellationHandler {
            await gate.wait()
        } onCancel: {
            task.cancel()
        }
    }

    func value() async throws -> Value {
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    /// Opened once, by whoever comes first; one task waits.
    private final class Gate: Sendable {
        private struct State {
            var answer: Bool?
            var waiter: CheckedContinuation<Bool, Never>?
        }

        private let state = Mutex(State())

        func open(_ answer: Bool) {
            let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                guard state.answer == nil else { return nil }
                state.answer = answer
                defer { state.waiter = nil }
                return state.waiter
            }
            waiter?.resume(returning: answer)
        }

        func wait() async -> Bool {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.answer == nil { state.waiter = continuation }
                    return state.answer
                }
                if let answer { continuation.resume(returning: answer) }
            }
        }
    }
}
