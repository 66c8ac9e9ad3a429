import Foundation
import Logging
import Support

/// The log of the server: a line for each event, `time level label: message key=value ...` or an object, by way of
/// `LogWriter`.
struct StandardErrorLog: LogHandler {
    let label: String
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level
    private let format: Console.Format

    /// Makes it the log of the process. A client or reader that leaves is noticed where it is written to, so SIGPIPE, which
    /// would end the process, is ignored.
    static func install(_ console: Console) {
        signal(SIGPIPE, SIG_IGN)
        LoggingSystem.bootstrap { StandardErrorLog(label: $0, console) }
    }

    init(label: String, _ console: Console) {
        self.label = label
        format = console.format
        logLevel =
            switch console.verbosity {
            case .quiet: .warning
            case .normal: .info
            case .verbose: .debug
            }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var all = metadata
        if let provided = metadataProvider?.get() { all.merge(provided) { $1 } }
        if let given = event.metadata { all.merge(given) { $1 } }
        let sorted = all.sorted { $0.key < $1.key }
        guard format == .text else {
            let fields = [("label", .text(label))] + sorted.map { ($0.key, Console.Field.text("\($0.value)")) }
            let line = Console.jsonLine("\(event.message)", level: event.level.rawValue, fields)
            return LogWriter.standardError.write(Array(line.utf8))
        }
        let pairs = sorted.map { " \($0.key)=\($0.value)" }.joined()
        let text = "\(Self.now) \(event.level.rawValue) \(label): \(event.message)\(pairs)"
        LogWriter.standardError.write(Self.line(text))
    }

    static var now: String {
        Date().ISO8601Format(.iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    /// One line whatever the text has in it: prompts and paths may hold line ends and terminal controls.
    static func line(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 1)
        for byte in text.utf8 {
            switch byte {
            case 0x0A: bytes += Array("\\n".utf8)
            case 0..<0x20, 0x7F: bytes.append(UInt8(ascii: "?"))
            default: bytes.append(byte)
            }
        }
        return bytes + [0x0A]
    }
}

/// Descriptors 0, 1 and 2, which a service manager or shell (`2>&-`) may have left closed: a database or socket that then
/// got the number 2 would be written log lines into.
enum StandardDescriptors {
    static func ensureOpen() {
        for number in STDIN_FILENO...STDERR_FILENO where fcntl(number, F_GETFD) < 0 && errno == EBADF {
            // The lowest free number is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }
}
