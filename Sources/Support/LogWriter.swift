import Foundation

/// Writes lines to a descriptor from a thread of its own, so that no one who logs ever waits for whoever reads the log.
///
/// The lines that wait are bounded. A line that finds no room, or that the descriptor does not take (a full disk, a pipe
/// nobody reads any more), is dropped and counted; nothing else happens. The descriptor is left in the mode it has: it may
/// be shared with other processes.
package final class LogWriter: Sendable {
    package static let standardError = LogWriter(descriptor: STDERR_FILENO)

    private let descriptor: Int32
    private let capacity: Int
    private let condition = NSCondition()
    // Guarded by `condition`.
    nonisolated(unsafe) private var waiting: [[UInt8]] = []
    nonisolated(unsafe) private var waitingBytes = 0
    nonisolated(unsafe) private var isWriting = false
    nonisolated(unsafe) private var droppedLines = 0
    nonisolated(unsafe) private var hasThread = false

    /// - Parameter capacity: bytes of lines that may wait.
    package init(descriptor: Int32, capacity: Int = 1 << 20) {
        self.descriptor = descriptor
        self.capacity = capacity
    }

    /// Lines that were not written, or not to their end.
    package var dropped: Int {
        condition.withLock { droppedLines }
    }

    /// Takes a line with its end, and returns at once.
    package func write(_ line: [UInt8]) {
        condition.withLock {
            guard waitingBytes + line.count <= capacity else {
                droppedLines += 1
                return
            }
            waiting.append(line)
            waitingBytes += line.count
            startThread()
            condition.broadcast()
        }
    }

    /// Waits until all lines are written or dropped, but no longer than that: the reader of a pipe may never read.
    /// - Returns: whether none is left.
    @discardableResult
    package func flush(within seconds: Double) -> Bool {
        let end = Date() + seconds
        return condition.withLock {
            while isWriting || !waiting.isEmpty {
                guard condition.wait(until: end) else { return false }
            }
            return true
        }
    }

    // MARK: The thread

    private func startThread() {
        guard !hasThread else { return }
        hasThread = true
        let thread = Thread { self.run() }
        thread.name = "phasor.log"
        thread.start()
    }

    private func run() -> Never {
        while true {
            let lines = condition.withLock { () -> [[UInt8]] in
                isWriting = false
                condition.broadcast()
                while waiting.isEmpty { condition.wait() }
                isWriting = true
                defer { waiting = [] }
                return waiting
            }
            for line in lines {
                let isWritten = put(line)
                condition.withLock {
                    waitingBytes -= line.count
                    if !isWritten { droppedLines += 1 }
                }
            }
        }
    }

    private func put(_ line: [UInt8]) -> Bool {
        var sent = 0
        while sent < line.count {
            let count = line.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress?.advanced(by: sent), bytes.count - sent)
            }
            if count > 0 {
                sent += count
            } else if count < 0, errno == EAGAIN {
                // Somebody made it non-blocking.
                var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&entry, 1, 1000)
            } else if count == 0 || errno != EINTR {
                return false
            }
        }
        return true
    }
}
