import Foundation

/// How fast a server answers when several clients ask at once.
package struct LoadBenchmark: Sendable {
    package enum Load: Sendable, Equatable {
        /// So many clients; each asks again as soon as it has its answer.
        case closed(clients: Int)
        /// Requests come at random moments, so many a second on average, whether or not the server keeps up (a Poisson
        /// process): what a public server meets. A request's time counts from when it was due.
        case open(perSecond: Double)
    }

    let server: ImageServer
    let load: Load
    let requests: Int
    let prompts: [String]
    let size: String?
    let model: String?

    /// - Parameters:
    ///   - requests: that are counted; as many as there are clients (one of an open loop) go before.
    ///   - model: nil for none to be named.
    package init(
        server: ImageServer, load: Load, requests: Int, prompts: [String], size: String?, model: String?
    ) {
        self.server = server
        self.load = load
        self.requests = requests
        self.prompts = prompts
        self.size = size
        self.model = model
    }

    /// The result of a load test. Its JSON is that of `phasor bench --against --json`.
    package struct Report: Codable, Sendable {
        package var url: String
        package var model: String?
        /// `closed` or `open`.
        package var loop: String
        package var clients: Int?
        package var requestsPerSecondOffered: Double?
        package var requests: Int
        package var succeeded: Int
        /// What went wrong, and how often.
        package var errors: [String: Int]
        package var seconds: Double
        package var picturesPerSecond: Double
        /// Seconds from the request, or from when it was due, to the last byte of a picture; nil if none came.
        package var latency: Summary?
        package var pictureBytes: Double?

        enum CodingKeys: String, CodingKey {
            case url, model, loop, clients, requests, succeeded, errors, seconds, latency
            case requestsPerSecondOffered = "requests_per_second_offered"
            case picturesPerSecond = "pictures_per_second"
            case pictureBytes = "picture_bytes"
        }
    }

    private struct Answer: Sendable {
        let seconds: Double
        let result: Result<Int, ImageServer.Fault>
    }

    package func run(url: String, progress: @escaping @Sendable (_ done: Int, _ of: Int) -> Void) async -> Report {
        let clients: Int? = if case .closed(let clients) = load { clients } else { nil }
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<(clients ?? 1) { group.addTask { _ = await ask(index) } }
        }
        let start = ContinuousClock.now
        let answers: [Answer]
        if let clients {
            answers = await closed(clients, progress)
        } else {
            answers = await open(start, progress)
        }
        let seconds: Double = start.duration(to: .now) / .seconds(1)
        var latencies: [Double] = []
        var bytes = 0
        var errors: [String: Int] = [:]
        for answer in answers {
            switch answer.result {
            case .success(let count):
                latencies.append(answer.seconds)
                bytes += count
            case .failure(let fault): errors["\(fault)", default: 0] += 1
            }
        }
        let succeeded = latencies.count
        var offered: Double?
        if case .open(let rate) = load { offered = rate }
        return Report(
            url: url, model: model, loop: clients == nil ? "open" : "closed", clients: clients,
            requestsPerSecondOffered: offered, requests: answers.count, succeeded: succeeded, errors: errors,
            seconds: seconds, picturesPerSecond: Double(succeeded) / seconds, latency: Summary(latencies),
            pictureBytes: succeeded > 0 ? Double(bytes) / Double(succeeded) : nil)
    }

    private func closed(_ clients: Int, _ progress: @Sendable (Int, Int) -> Void) async -> [Answer] {
        await withTaskGroup(of: Answer.self) { group in
            var answers: [Answer] = []
            for index in 0..<requests {
                if index >= clients, let answer = await group.next() { answers.append(answer) }
                progress(answers.count, requests)
                group.addTask { await ask(index) }
            }
            for await answer in group { answers.append(answer) }
            return answers
        }
    }

    private func open(
        _ start: ContinuousClock.Instant, _ progress: @Sendable (Int, Int) -> Void
    ) async -> [Answer] {
        guard case .open(let rate) = load else { return [] }
        var random = SplitMix64(state: 1)
        return await withTaskGroup(of: Answer.self) { group in
            var due = start
            for index in 0..<requests {
                progress(index, requests)
                try? await Task.sleep(until: due, clock: .continuous)
                let moment = due
                group.addTask { await ask(index, since: moment) }
                // Exponential distances; 1 - u is never 0.
                due += .seconds(-log(1 - Double.random(in: 0..<1, using: &random)) / rate)
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    private func ask(_ index: Int, since due: ContinuousClock.Instant = .now) async -> Answer {
        let result: Result<Int, ImageServer.Fault>
        do {
            result = .success(
                try await server.picture(model: model, prompt: prompts[index % prompts.count], size: size))
        } catch let fault as ImageServer.Fault {
            result = .failure(fault)
        } catch {
            result = .failure(.malformed("\(error)"))
        }
        return Answer(seconds: due.duration(to: .now) / .seconds(1), result: result)
    }
}

extension LoadBenchmark.Report {
    /// The report as a terminal shows it.
    package var text: String {
        let how =
            clients.map { "\($0) client\($0 == 1 ? "" : "s"), closed loop" }
            ?? String(format: "%g requests/s offered, open loop", requestsPerSecondOffered ?? 0)
        var lines = [
            "\(url)\(model.map { ", model \($0)" } ?? "")", how,
            String(
                format: "  %d of %d requests answered in %.2f s: %.2f pictures/s", succeeded, requests, seconds,
                picturesPerSecond),
        ]
        if let latency {
            lines.append(
                String(
                    format: "  latency  min %.4f  median %.4f  p95 %.4f  p99 %.4f s", latency.minimum, latency.median,
                    latency.p95, latency.p99))
        }
        if let pictureBytes { lines.append(String(format: "  %.0f bytes a picture", pictureBytes)) }
        for (fault, count) in errors.sorted(by: { $0.key < $1.key }) { lines.append("  \(count) x \(fault)") }
        return lines.joined(separator: "\n")
    }
}
