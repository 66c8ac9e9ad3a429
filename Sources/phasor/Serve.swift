import API
import ArgumentParser
import Dispatch
import Foundation
import HTTP
import Logging
import Serving
import Synchronization

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve a model over HTTP: OpenAI's images and videos, jobs, A1111, and a web page.",
        discussion: """
            Prints the address when it listens. SIGTERM or SIGINT ends it: no more requests are taken, the running job \
            is finished; a second signal ends it at once. Jobs that wait then run at the next start with the same \
            --state folder, which holds the jobs and what they made.

              phasor serve
              curl http://127.0.0.1:8080/v1/images/generations \\
                -H "Content-Type: application/json" \\
                -d '{"prompt": "a red balloon", "response_format": "url"}'
            """)

    @Argument(help: "A model folder (default: the embedded model).")
    var model: String?

    @Option(help: "Address to listen on; 0.0.0.0 for all of IPv4. Give --api-keys with it.")
    var host = "127.0.0.1"

    @Option(help: "Port to listen on; 0 for any free one.")
    var port: UInt16 = 8080

    @Option(
        help: ArgumentHelp(
            "Folder of jobs and artifacts (default: $XDG_STATE_HOME/phasor, else ~/.local/state/phasor).",
            valueName: "dir"))
    var state: String?

    @Option(
        help: ArgumentHelp(
            "File of API keys, one a line, each plain or as sha256:HEX (printf %s KEY | sha256sum). Without it everybody "
                + "who reaches the address may use the API.", valueName: "file"))
    var apiKeys: String?

    @Option(
        name: .customLong("cors-origin"),
        help: ArgumentHelp(
            "Let pages of this origin use the API, e.g. https://example.org. May be repeated.", valueName: "origin"))
    var corsOrigins: [String] = []

    @Option(help: "Jobs that may wait; one more is answered with 429.")
    var queue = 64

    @Option(help: ArgumentHelp("Seconds that a running job is given when the server ends.", valueName: "seconds"))
    var drain = 60.0

    @Option(
        help: ArgumentHelp("Folder of the web page (default: public/ near the executable).", valueName: "dir"))
    var page: String?

    @Flag(help: "Write a line of JSON for each request to standard error.")
    var requestLog = false

    @OptionGroup var options: ModelOptions

    func validate() throws {
        guard queue >= 1 else { throw ValidationError("--queue must be at least 1, not \(queue)") }
        guard drain >= 0, drain <= 86_400 else { throw ValidationError("--drain must be 0...86400, not \(drain)") }
    }

    func run() async throws {
        // A client that leaves is noticed where it is written to.
        signal(SIGPIPE, SIG_IGN)
        let signals = Signals()
        let logger = Logger(label: "phasor")
        let pipeline = try options.openPipeline(model, compute: options.makeCompute())
        var serving = EngineOptions(stateFolder: stateFolder)
        serving.queueCapacity = queue
        let engine = try Engine(models: [pipeline], options: serving, logger: logger)
        let server = try await APIServer(engine: engine, options: apiOptions(), logger: logger)
            .start(host: host, port: port)
        let shownHost = server.host.contains(":") ? "[\(server.host)]" : server.host
        print("Phasor serves \(pipeline.id) at http://\(shownHost):\(server.port)")
        fflush(nil)

        await signals.first()
        logger.notice("draining; a second signal ends at once")
        async let isDrained = server.drain(deadline: .seconds(drain))
        await engine.drain(within: drain)
        _ = await isDrained
    }

    private var stateFolder: String {
        if let state { return state }
        let environment = ProcessInfo.processInfo.environment
        if let base = environment["XDG_STATE_HOME"], base.hasPrefix("/") { return "\(base)/phasor" }
        return FileManager.default.homeDirectoryForCurrentUser.appending(path: ".local/state/phasor").path
    }

    private func apiOptions() throws -> APIServer.Options {
        var api = APIServer.Options()
        api.publicFolder = page ?? Installation.find("public")
        api.corsOrigins = corsOrigins
        api.limits.drain = .seconds(drain)
        if let apiKeys {
            guard let text = try? String(contentsOfFile: apiKeys, encoding: .utf8) else {
                throw ValidationError("--api-keys \(apiKeys): the file cannot be read")
            }
            do {
                api.keys = try APIKeys(file: text)
            } catch {
                throw ValidationError("--api-keys \(apiKeys): \(error)")
            }
        }
        if requestLog { api.onExchange = RequestLog().write }
        return api
    }
}

/// SIGTERM and SIGINT: the first is waited for, the second ends the process.
private struct Signals {
    private let stream: AsyncStream<Void>
    private let sources: [any DispatchSourceSignal]

    init() {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        self.stream = stream
        let seen = Count()
        let queue = DispatchQueue(label: "phasor.signals")
        sources = [SIGTERM, SIGINT].map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                if seen.value.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
                continuation.yield()
            }
            source.resume()
            return source
        }
    }

    func first() async {
        for await _ in stream { return }
    }

    private final class Count: Sendable {
        let value = Atomic(0)
    }
}
