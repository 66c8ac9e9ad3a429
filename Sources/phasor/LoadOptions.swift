import ArgumentParser
import Benchmarks
import Foundation

/// Options of `phasor bench --against`.
struct LoadOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Measure an image server that speaks OpenAI's API instead of a model; $OPENAI_API_KEY is sent if set.",
            valueName: "url"))
    var against: String?

    @Option(help: "Clients that ask at once, each again when it has its answer (default: 1).")
    var clients: Int?

    @Option(help: "Instead of that, requests a second at random moments, whether or not the server keeps up.")
    var rate: Double?

    @Option(help: "Requests that are counted.")
    var requests = 50

    @Option(help: "The model that is asked for (default: the server's first).")
    var serverModel: String?

    @Option(help: ArgumentHelp("After which an answer is given up.", valueName: "seconds"))
    var timeout = 600.0

    func validate() throws {
        guard 1...4096 ~= clients ?? 1 else { throw ValidationError("--clients \(clients ?? 1): it must be 1...4096") }
        guard 0.001...100_000 ~= rate ?? 1 else {
            throw ValidationError("--rate \(rate ?? 1): it must be 0.001...100000")
        }
        guard clients == nil || rate == nil else {
            throw ValidationError("--clients and --rate exclude each other: give one")
        }
        guard 1...1_000_000 ~= requests else { throw ValidationError("--requests \(requests): it must be 1...1000000") }
        guard 0.1...86_400 ~= timeout else { throw ValidationError("--timeout \(timeout): it must be 0.1...86400") }
    }

    /// - Returns: the report, printed.
    /// - Throws: `ValidationError` for what is no URL.
    func run(_ url: String, prompts: [String], size: String?) async throws -> LoadBenchmark.Report {
        let key = ProcessInfo.processInfo.environment["OPENAI_API_KEY"].flatMap { $0.isEmpty ? nil : $0 }
        guard
            let server = ImageServer(
                url: url, key: key, connections: rate == nil ? clients ?? 1 : 4096, timeout: timeout)
        else { throw ValidationError("--against \(url): expected http://HOST:PORT") }
        let model: String? = if let serverModel { serverModel } else { await server.firstModel() }
        let benchmark = LoadBenchmark(
            server: server, load: rate.map { .open(perSecond: $0) } ?? .closed(clients: clients ?? 1),
            requests: requests, prompts: prompts, size: size, model: model)
        let bar = ProgressLine()
        let report = await benchmark.run(url: url) { done, count in bar.show(done: done, of: count, "requests") }
        bar.finish()
        Console.current.result(report.text)
        return report
    }
}
