import Foundation
import HTTP
import Support

/// Writes each exchange as a line of JSON to standard error. Neither queries nor header fields are logged: they may
/// hold what is secret.
struct RequestLog: Sendable {
    private struct Line: Encodable {
        let time: String
        let id: String
        let remote: String
        let method: String?
        let path: String?
        let route: String?
        let status: Int
        let bytes: Int
        let seconds: Double
        let complete: Bool
    }

    func write(_ exchange: HTTPExchange) {
        let line = Line(
            time: StandardErrorLog.now,
            id: exchange.requestID, remote: exchange.remote, method: exchange.method, path: exchange.path,
            route: exchange.route, status: exchange.status, bytes: exchange.bytes,
            seconds: exchange.duration / .seconds(1), complete: exchange.isComplete)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        guard var data = try? encoder.encode(line) else { return }
        data.append(0x0A)
        LogWriter.standardError.write(Array(data))
    }
}
