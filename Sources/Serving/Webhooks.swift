import Foundation
import Jobs
import Logging
import Support
import Web

/// Tells webhooks that jobs have ended, on a thread for each, so that no receiver waits for another.
///
/// What is to be told lies in the ledger (`EndNotice`) and goes when the receiver has answered 2xx: a notice is told at
/// least once, also after a restart, and each attempt has the same id and body. Attempts follow one another ever more slowly,
/// up to an hour; after a week a notice is given up.
package final class Webhooks: Sendable {
    private let urls: [String]
    private let secret: WebhookSecret
    private let ledger: any JobLedger
    private let metrics: Metrics
    private let logger: Logger
    private let condition = NSCondition()
    // Guarded by `condition`.
    nonisolated(unsafe) private var stopping = false
    nonisolated(unsafe) private var threads = 0

    private static let pollSeconds = 0.5
    private static let longestPause = 3600.0
    private static let patience = 7 * 86_400.0

    /// Notes in the store who is to be told; nil if that is nobody.
    /// - Throws: `ServingError.storage`; what is wrong with the secret.
    /// - Parameter folder: where a secret is made that no file was named for.
    package init?(
        _ options: WebhookOptions, ledger: any JobLedger, folder: String, metrics: Metrics, logger: Logger
    ) throws {
        let dropped = try ledger.setWebhooks(options.urls)
        if dropped > 0 { logger.warning("\(dropped) ends of jobs are not told: their webhook is not set any more") }
        guard !options.urls.isEmpty else { return nil }
        if options.secretFile == nil, let known = options.secret.flatMap({ WebhookSecret($0) }) {
            secret = known
        } else {
            secret = try WebhookSecret(file: options.secretFile, folder: folder)
        }
        urls = options.urls.enumerated().filter { !options.urls[..<$0].contains($1) }.map(\.element)
        self.ledger = ledger
        self.metrics = metrics
        self.logger = logger
    }

    package func start() {
        for url in urls {
            condition.withLock { threads += 1 }
            let thread = Thread { [self] in
                serve(url)
                condition.withLock { threads -= 1 }
            }
            thread.name = "phasor.webhook"
            thread.start()
        }
    }

    /// Ends the threads soon, within an attempt. What was not told is told after the next start.
    package func stop() {
        condition.withLock {
            stopping = true
            condition.broadcast()
        }
    }

    package var isRunning: Bool { condition.withLock { threads > 0 } }

    private var isStopping: Bool { condition.withLock { stopping } }

    // MARK: One receiver

    private func serve(_ url: String) {
        // While the receiver cannot be reached, all of its notices wait, not each for itself.
        var failures = 0
        while !isStopping {
            var pause = Self.pollSeconds
            do {
                for notice in try ledger.dueNotices(for: url, at: Date(), limit: 64) {
                    guard !isStopping else { return }
                    if try tell(notice, to: url) {
                        failures = 0
                    } else {
                        failures += 1
                        pause = Self.pause(after: failures)
                        break
                    }
                }
            } catch {
                logger.error("\(error)")
                pause = 5
            }
            wait(seconds: pause)
        }
    }

    /// - Returns: false where there was no answer.
    private func tell(_ notice: EndNotice, to url: String) throws -> Bool {
        let body = Self.body(of: notice)
        let time = Int(Date().timeIntervalSince1970)
        var request = WebRequest("POST", url, body: body)
        request.headers = [
            ("Content-Type", "application/json"), ("User-Agent", "phasor/\(Release.version)"),
            ("webhook-id", notice.id), ("webhook-timestamp", "\(time)"),
            ("webhook-signature", secret.signature(id: notice.id, time: time, body: body)),
        ]
        request.timeout = 15
        request.longestAnswer = 1 << 20
        let answer: WebRequest.Answer?
        let fault: String
        do throws(WebRequest.Failure) {
            let got = try request.send { [self] in isStopping }
            (answer, fault) = (got, "it answered \(got.status)")
        } catch {
            // A stop is no failure of the receiver.
            guard !isStopping else { return false }
            (answer, fault) = (nil, error.reason)
        }
        if answer?.isSuccess == true {
            try ledger.settle(notice)
            count("delivered")
            return true
        }
        let place: Logger.Metadata = ["webhook": "\(Self.shown(url))", "job": "\(notice.job)"]
        if Date().timeIntervalSince(notice.endedAt) > Self.patience {
            try ledger.settle(notice)
            count("given_up")
            logger.error("the end of a job is not told any more: \(fault)", metadata: place)
        } else {
            let pause = Self.pause(after: notice.attempts + 1)
            try ledger.postpone(notice, until: Date().addingTimeInterval(pause))
            count("failed")
            logger.warning("the end of a job could not be told: \(fault)", metadata: place)
        }
        return answer != nil
    }

    /// The body in the form of OpenAI's webhooks. It names the job; a receiver that wants more asks for
    /// `/v1/jobs/{id}`.
    static func body(of notice: EndNotice) -> [UInt8] {
        let event: JSON = [
            "id": .string(notice.id), "object": "event", "type": .string("job.\(notice.state.rawValue)"),
            "created_at": JSON(Int(notice.endedAt.timeIntervalSince1970)),
            "data": [
                "id": .string(notice.job), "object": "job", "kind": .string(notice.kind),
                "state": .string(notice.state.rawValue),
            ],
        ]
        return event.bytes
    }

    /// Seconds: 1, 2, 4, ... up to an hour, each up to a quarter longer, so that many servers do not come at once.
    static func pause(after attempts: Int) -> Double {
        min(longestPause, exp2(Double(min(attempts, 20) - 1))) * Double.random(in: 1...1.25)
    }

    /// The address without what may be secret: a path or a query.
    private static func shown(_ url: String) -> String {
        let parts = URLComponents(string: url)
        return "\(parts?.scheme ?? "")://\(parts?.host ?? "")\(parts?.port.map { ":\($0)" } ?? "")"
    }

    private func count(_ result: String) {
        metrics.count(
            "phasor_webhook_attempts_total", "Attempts to tell a webhook that a job has ended, by what came of it.",
            ["result": result])
    }

    private func wait(seconds: Double) {
        let end = Date().addingTimeInterval(seconds)
        condition.withLock {
            while !stopping, condition.wait(until: end) {}
        }
    }
}
