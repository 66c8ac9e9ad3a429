import Foundation
import Jobs
import Logging
import Media

/// Waits out a disk that is full, a database that is locked, a folder that cannot be written: what was computed is
/// kept, and the engine goes on by itself once there is room again.
struct StorageRetry {
    let queue: JobQueue
    let logger: Logger

    /// Runs `body` until it does not fail for want of storage.
    /// - Parameter interrupt: asked before each further try; what it throws ends the trying.
    func run<T>(interrupt: () throws -> Void, _ body: () throws -> T) throws -> T {
        var seconds = 0.25
        while true {
            do {
                let result = try body()
                queue.setFault(nil)
                return result
            } catch {
                guard let fault = Self.storageFault(error) else { throw error }
                queue.setFault(fault)
                logger.error("\(fault); trying again in \(seconds) s")
            }
            // In slices, so that a cancellation does not wait.
            let again = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < again {
                try interrupt()
                Thread.sleep(forTimeInterval: 0.05)
            }
            seconds = min(seconds * 2, 15)
        }
    }

    /// FFmpeg hands on the system's reason as text only.
    private static func storageFault(_ error: any Error) -> ServingError? {
        switch error {
        case let error as ServingError:
            if case .storage = error { return error }
        case MediaError.ffmpeg(let operation, let reason):
            let codes = [ENOSPC, EDQUOT, EROFS, EACCES, EIO, ENOENT, ENOTDIR, EMFILE]
            if codes.contains(where: { String(cString: strerror($0)) == reason }) {
                return .storage(operation: operation, reason: reason)
            }
        default: break
        }
        return nil
    }
}
