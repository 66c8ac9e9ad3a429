import Foundation

/// Which jobs are computed at this moment, in a file that outlives the process: the next start learns from it during
/// which jobs the process ended.
///
/// Nothing is synced, as only the process must be outlived: what was written stays in the system's memory. After a power
/// cut it may be of an earlier moment.
package final class TurnRecord: Sendable {
    private let descriptor: Int32
    /// The file has always this length, so that writing takes no room on the disk.
    private static let length = 4096

    /// Opens the file and reads what an earlier process left in it.
    /// - Throws: `ServingError.storage`.
    init(path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ServingError.storage(operation: "creating \(path)", reason: String(cString: strerror(errno)))
        }
    }

    /// The jobs that were computed when the last process ended; none if it ended in order.
    var jobs: [String] {
        var bytes = [UInt8](repeating: 0, count: Self.length)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return [] }
        return bytes[..<count].split { $0 == 0 || $0 == 0x0A }.map { String(decoding: $0, as: UTF8.self) }
            .filter { OwnName.isJob($0) }
    }

    /// Takes microseconds. That it fails is no reason not to go on.
    func write(_ jobs: some Sequence<String>) {
        var bytes = Array(jobs.joined(separator: "\n").utf8.prefix(Self.length))
        bytes += [UInt8](repeating: 0, count: Self.length - bytes.count)
        _ = pwrite(descriptor, bytes, bytes.count, 0)
    }

    deinit { close(descriptor) }
}
