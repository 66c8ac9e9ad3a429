import API
import ArgumentParser
import Blobs
import Cluster
import Foundation
import HTTP
import Jobs
import Logging
import Media
import Pipelines
import Serving
import Support
import Weights

struct Serve: AsyncParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve models over HTTP: OpenAI's images and videos, jobs, A1111, and a web page.",
        discussion: """
            Prints the address when it listens. SIGTERM or SIGINT ends it: no more requests are taken, the running jobs \
            are finished; a second signal ends it at once. Jobs that wait then run at the next start with the same \
            --state folder, which holds the jobs and what they made.

            Finished files are kept for 7 days, and the newest 20 GB of them; jobs without files are remembered for 60 \
            days. The settings retention_days and retention_gigabytes (PHASOR_RETENTION_DAYS, \
            PHASOR_RETENTION_GIGABYTES) change that. DELETE of a job removes its files and prompt at once. A lost or \
            damaged database of the folder is made again by phasor recover.

              phasor serve
              phasor serve Wan2.2-T2V-A14B-Diffusers Z-Image-Turbo      requests choose by "model"
              phasor serve z-image-turbo                                of phasor pull --list
              curl http://127.0.0.1:8080/v1/images/generations \\
                -H "Content-Type: application/json" \\
                -d '{"prompt": "a red balloon", "response_format": "url"}'
            """)

    @Argument(
        help: ArgumentHelp(
            "Model folders, the first of which is the default (none: the embedded model). A repository of the hub "
                + "(OWNER/NAME) or a set of phasor pull --list is brought if it is not here."),
        transform: HomeFolder.expand)
    var folders: [String] = []

    @Option(
        name: .customLong("models"),
        help: ArgumentHelp("Serve every model folder in this folder as well.", valueName: "dir"),
        transform: HomeFolder.expand)
    var modelsFolder: String?

    @Option(
        help: ArgumentHelp("JSON file of settings; the environment and flags go before it.", valueName: "file"),
        transform: HomeFolder.expand)
    var config: String?

    @Flag(help: "Print the settings as such a file would have them, and end.")
    var printConfig = false

    @Option(help: "Address to listen on (default: 127.0.0.1); 0.0.0.0 for all of IPv4. Give --api-keys with it.")
    var host: String?

    @Option(help: "Port to listen on (default: 8080); 0 for any free one.")
    var port: UInt16?

    @Option(
        help: ArgumentHelp(
            "Folder of jobs and artifacts (default: $XDG_STATE_HOME/phasor, else ~/.local/state/phasor).",
            valueName: "dir"), transform: HomeFolder.expand)
    var state: String?

    @Option(
        help: ArgumentHelp(
            "File of API keys, one a line, each plain or as sha256:HEX (printf %s KEY | sha256sum); a key sees its own jobs, "
                + "one after operator: those of all. Without it everybody who reaches the address may use the API.",
            valueName: "file"), transform: HomeFolder.expand)
    var apiKeys: String?

    @Option(
        name: .customLong("cors-origin"),
        help: ArgumentHelp(
            "Let pages of this origin use the API, e.g. https://example.org. May be repeated.", valueName: "origin"))
    var corsOrigins: [String] = []

    @Option(
        name: .customLong("allowed-host"),
        help: ArgumentHelp(
            "A name by which a server without keys on this machine is reached besides localhost, e.g. that of a proxy. May "
                + "be repeated.", valueName: "name"))
    var allowedHosts: [String] = []

    @Option(help: "Jobs that may wait (default: 64); one more is answered with 429.")
    var queue: Int?

    @Option(
        help: "Jobs of one API key (without keys: of one address) that may run at a time (default: any number).")
    var runningPerKey: Int?

    @Option(
        help: ArgumentHelp(
            "Jobs of one API key (without keys: of one address) that may wait (default: with several keys fewer than "
                + "places are free, so that others find one; else any number)."))
    var queuePerKey: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that a running job is given when the server ends (default: 60).", valueName: "seconds"))
    var drain: Double?

    @Option(
        help: ArgumentHelp("Folder of the web page (default: public/ near the executable).", valueName: "dir"),
        transform: HomeFolder.expand)
    var page: String?

    @Option(
        help: ArgumentHelp(
            "Address by which clients reach the server, e.g. https://example.org/phasor: links in answers begin with it "
                + "(default: what the client's request says).", valueName: "url"))
    var publicUrl: String?

    @Flag(help: "Believe X-Forwarded-Host, -Proto and -Prefix: every request comes through a proxy that sets them.")
    var trustProxy = false

    @Option(
        help: ArgumentHelp(
            "Seconds after which a plain JSON answer that is not ready is kept alive with white space (default: 25); 0 for "
                + "never. Clients and proxies often give up after 60 without a byte.", valueName: "seconds"))
    var keepAlive: Double?

    @Flag(
        name: .customLong("strict-a1111"),
        help: ArgumentHelp(
            "Refuse A1111 requests whose sampler, steps or scale the generator cannot use (default: the generator's own are "
                + "used, and info says so)."))
    var strictA1111 = false

    @Option(
        help: ArgumentHelp(
            "What is made of a size that the model does not make: exact refuses it and names one that works (default); "
                + "nearest makes the nearest of about the same aspect and says so; scale scales that to the size asked for.",
            valueName: "exact|nearest|scale"))
    var sizePolicy: String?

    @OptionGroup var provenance: ProvenanceOptions

    @Option(
        name: .customLong("alias"),
        help: ArgumentHelp("Another name for a model. May be repeated.", valueName: "name=model"))
    var aliases: [String] = []

    @Option(
        help: ArgumentHelp(
            "Keep jobs in this PostgreSQL database, which several servers and phasor work share; --blobs says where their files "
                + "are. The password is that of PGPASSWORD or ~/.pgpass.", valueName: "postgres://user@host/database"))
    var store: String?

    @Flag(help: "With --store: take jobs in and answer for them, and leave the computing to phasor work.")
    var noCompute = false

    @Option(
        help: ArgumentHelp(
            "Keep finished files also in file:///FOLDER or s3://BUCKET/PREFIX, before their jobs succeed; the state folder holds "
                + "copies of the latest (setting cache_gigabytes: 20). S3 is reached by AWS_ACCESS_KEY_ID, "
                + "AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.", valueName: "url"))
    var blobs: String?

    @Flag(
        help: ArgumentHelp(
            "With --store and s3: send whoever asks for a file to the object store, by an address that opens for a quarter of an "
                + "hour. Clients must reach AWS_ENDPOINT_URL; pages are given files here."))
    var blobLinks = false

    @Option(
        name: .customLong("webhook"),
        help: ArgumentHelp(
            "POST to this address when a job has ended, until it answers 2xx (https://www.standardwebhooks.com). May be "
                + "repeated.", valueName: "url"))
    var webhooks: [String] = []

    @Option(
        help: ArgumentHelp(
            "File of the secret, whsec_ and Base64, that webhooks are signed with (default: webhook-secret in the state "
                + "folder, made when first needed).", valueName: "file"), transform: HomeFolder.expand)
    var webhookSecret: String?

    @Flag(help: "Write a line of JSON for each request to standard error.")
    var requestLog = false

    @Option(help: ArgumentHelp("Seconds for the whole header of a request (default: 10).", valueName: "seconds"))
    var headerDeadline: Double?

    @Option(help: ArgumentHelp("Longest pause within a request body (default: 20).", valueName: "seconds"))
    var bodyProgress: Double?

    @Option(help: ArgumentHelp("Seconds for a whole request body (default: 120).", valueName: "seconds"))
    var bodyDeadline: Double?

    @Option(
        help: ArgumentHelp(
            "Bytes of a request body a second that must have come on average after 20 s (default: 1024).",
            valueName: "bytes"))
    var bodyRate: Int?

    @Option(help: ArgumentHelp("Longest wait on an open connection (default: 60).", valueName: "seconds"))
    var idle: Double?

    @Option(
        help: ArgumentHelp("Longest time a client may take nothing of its answer (default: 30).", valueName: "seconds"))
    var writeStall: Double?

    @Option(
        help: "Connections served at once (default: 1024); one more gets the place of an idle or slow one, else 503.")
    var connections: Int?

    @Option(help: "Of these from one address (default: half of them; any number from this machine).")
    var connectionsPerAddress: Int?

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    func run() async throws {
        let settings = try configuration()
        if printConfig {
            print(try settings.printed())
            return
        }
        StandardErrorLog.install(console)
        defer { LogWriter.standardError.flush(within: 1) }
        DescriptorLimit.raise()
        let signals = Signals()
        let logger = Logger(label: "phasor")
        let models = try options.openModels(
            folders, in: modelsFolder, memory: settings.memory, load: WeightLoading(rawValue: settings.load),
            loras: settings.loras.map(HomeFolder.expand)
        ) { logger.warning("\($0)") }
        for model in models { logger.debug("opened", metadata: ["model": "\(model.id)", "source": "\(model.source)"]) }
        var serving = EngineOptions(stateFolder: HomeFolder.expand(settings.state ?? Self.defaultState))
        serving.queueCapacity = settings.queueCapacity
        serving.generator = settings.provenance ? Provenance.phasor : nil
        serving.activeRunsPerOwner = settings.runningPerKey
        serving.onTurn = { turn in
            logger.debug(
                "computed",
                metadata: [
                    "part": "\(turn.weights.part)", "jobs": "\(turn.runs.joined(separator: " "))",
                    "seconds": "\(turn.seconds)",
                ])
        }
        var api = try Self.apiOptions(settings)
        serving.queueShare = settings.queuePerKey.map { .atMost($0) } ?? (api.keys.areSeveral ? .fair : .whole)
        serving.store.retentionSeconds = settings.retentionDays * 86_400
        serving.store.retentionBytes = Int(settings.retentionGigabytes * 1e9)
        serving.store.cacheBytes = Int(settings.cacheGigabytes * 1e9)
        serving.webhooks.urls = settings.webhooks
        serving.webhooks.secretFile = settings.webhookSecret.map(HomeFolder.expand)
        let engine: Engine
        if let store = settings.store {
            let process = try Self.sharing(store, models, &serving, settings, logger)
            engine = process.engine
            api.links = ArtifactLinks(secret: try process.ledger.secret(LinkSecret.name, make: LinkSecret.make))
        } else {
            guard settings.compute else {
                throw ValidationError("--no-compute: with no --store there is nobody else to compute the jobs")
            }
            guard !settings.blobLinks else {
                throw ValidationError("--blob-links: with no --store this server has the files itself")
            }
            serving.store.blobs = try settings.blobs.flatMap { BlobLocation($0) }?
                .open(environment: ProcessInfo.processInfo.environment)
            engine = try await Self.engine(models, serving, logger, until: signals)
            api.links = ArtifactLinks(secret: try LinkSecret.read(in: serving.store.folder))
        }
        for alias in api.aliases where !engine.models.contains(where: { $0.id == alias.model }) {
            let known = models.map(\.id).joined(separator: ", ")
            throw ValidationError("--alias \(alias): there is no model '\(alias.model)', only \(known)")
        }
        let server = try await APIServer(engine: engine, options: api, logger: logger)
            .start(host: settings.host, port: UInt16(settings.port))
        let shownHost = server.host.contains(":") ? "[\(server.host)]" : server.host
        console.result(
            "Phasor serves \(models.map(\.id).joined(separator: ", ")) at http://\(shownHost):\(server.port)")
        fflush(nil)

        await signals.first()
        logger.notice("draining; a second signal ends at once")
        // Longer than the engine: who still waits when that stops gets an answer.
        async let isDrained = server.drain(deadline: .seconds(settings.drain + Self.answerSeconds))
        await engine.drain(within: settings.drain)
        _ = await isDrained
    }

    private static let linkSeconds = 900

    /// The time from the end of the engine to the last answer.
    private static let answerSeconds = 5.0

    /// A front of a cluster, which computes too unless it is told not to.
    private static func sharing(
        _ store: String, _ models: [Pipeline], _ serving: inout EngineOptions, _ settings: ServerConfiguration,
        _ logger: Logger
    ) throws -> ClusterProcess {
        let shared = try SharedStore(store: store, blobs: settings.blobs)
        logger.notice(
            "jobs are shared", metadata: ["store": "\(shared.address)", "blobs": "\(shared.blobs.location)"])
        let folder = try SharedStore.folder(settings.state)
        serving.store.folder = folder.path
        var cluster = ClusterOptions()
        cluster.queueCapacity = settings.queueCapacity
        cluster.queueShare = serving.queueShare
        cluster.cacheBytes = serving.store.cacheBytes
        cluster.linkSeconds = settings.blobLinks ? Self.linkSeconds : nil
        return try ClusterProcess(
            models: models, address: shared.address, blobs: shared.blobs, folder: folder, options: cluster,
            serving: serving, computes: settings.compute, logger: logger)
    }

    /// Opens the state folder. On a full disk it is tried again and again, as one that fills up later is no end either.
    private static func engine(
        _ models: [Pipeline], _ options: EngineOptions, _ logger: Logger, until signals: Signals
    ) async throws -> Engine {
        var seconds = 1.0
        while true {
            do {
                return try Engine(models: models, options: options, logger: logger)
            } catch let error as ServingError where error.isForWantOfRoom(in: options.store.folder) {
                logger.error("\(error); the disk is full; trying again in \(Int(seconds)) s")
            }
            let end = ContinuousClock.now + .seconds(seconds)
            while ContinuousClock.now < end {
                guard !signals.hasCome else { throw ExitCode.failure }
                try await Task.sleep(for: .milliseconds(100))
            }
            seconds = min(seconds * 2, 15)
        }
    }

    /// Defaults, then the file, the environment, the flags.
    private func configuration() throws -> ServerConfiguration {
        var settings = ServerConfiguration()
        if let config { try settings.apply(file: config) }
        try settings.apply(environment: ProcessInfo.processInfo.environment)
        // Flags are texts as variables are, so they are checked by the same rules.
        let flags: [(ServerConfiguration.CodingKeys, String?)] = [
            (.host, host), (.port, port.map { "\($0)" }), (.state, state), (.apiKeys, apiKeys),
            (.corsOrigins, corsOrigins.isEmpty ? nil : corsOrigins.joined(separator: ",")),
            (.allowedHosts, allowedHosts.isEmpty ? nil : allowedHosts.joined(separator: ",")),
            (.queue, queue.map { "\($0)" }), (.runningPerKey, runningPerKey.map { "\($0)" }),
            (.queuePerKey, queuePerKey.map { "\($0)" }), (.bodyDeadline, bodyDeadline.map { "\($0)" }),
            (.bodyRate, bodyRate.map { "\($0)" }), (.connectionsPerAddress, connectionsPerAddress.map { "\($0)" }),
            (.drain, drain.map { "\($0)" }), (.page, page),
            (.publicURL, publicUrl), (.trustProxy, trustProxy ? "true" : nil),
            (.keepAlive, keepAlive.map { "\($0)" }), (.strictA1111, strictA1111 ? "true" : nil),
            (.sizePolicy, sizePolicy), (.provenance, provenance.isLeftOut ? "false" : nil),
            (.aliases, aliases.isEmpty ? nil : aliases.joined(separator: ",")),
            (.requestLog, requestLog ? "true" : nil), (.headerDeadline, headerDeadline.map { "\($0)" }),
            (.bodyProgress, bodyProgress.map { "\($0)" }), (.idle, idle.map { "\($0)" }),
            (.writeStall, writeStall.map { "\($0)" }), (.connections, connections.map { "\($0)" }),
            (.store, store), (.compute, noCompute ? "false" : nil), (.blobs, blobs),
            (.blobLinks, blobLinks ? "true" : nil),
            (.webhooks, webhooks.isEmpty ? nil : webhooks.joined(separator: ",")),
            (.webhookSecret, webhookSecret),
            (.memory, options.memory), (.load, options.load?.rawValue), (.loras, options.loras),
        ]
        for (key, text) in flags {
            guard let text else { continue }
            try settings.apply(key, text: text, named: "--" + key.rawValue.replacing("_", with: "-"))
        }
        return settings
    }

    static var defaultState: String {
        if let base = ProcessInfo.processInfo.environment["XDG_STATE_HOME"], base.hasPrefix("/") {
            return "\(base)/phasor"
        }
        return "\(HomeFolder.path)/.local/state/phasor"
    }

    private static func apiOptions(_ settings: ServerConfiguration) throws -> APIServer.Options {
        var api = APIServer.Options()
        api.publicFolder = settings.page.map(HomeFolder.expand) ?? Installation.find("public")
        api.corsOrigins = settings.corsOrigins
        api.allowedHosts =
            settings.allowedHosts + [settings.publicURL].compactMap { $0.flatMap { URL(string: $0)?.host() } }
        api.publicURL = settings.publicURL
        api.trustsProxy = settings.trustProxy
        api.keepAlive = settings.keepAlive > 0 ? .seconds(settings.keepAlive) : nil
        api.isA1111Strict = settings.strictA1111
        api.sizePolicy = settings.sizePolicy
        api.aliases = settings.aliases.compactMap { ModelAlias($0) }
        api.limits.drain = .seconds(settings.drain)
        api.limits.headerDeadline = .seconds(settings.headerDeadline)
        api.limits.bodyProgress = .seconds(settings.bodyProgress)
        api.limits.bodyDeadline = .seconds(settings.bodyDeadline)
        api.limits.leastBodyRate = settings.bodyRate
        api.limits.idle = .seconds(settings.idle)
        api.limits.writeStall = .seconds(settings.writeStall)
        api.limits.connections = settings.connections
        api.limits.connectionsPerAddress = settings.connectionsPerAddress
        if let file = settings.apiKeys {
            let path = HomeFolder.expand(file)
            guard let text = try? Data(contentsOf: URL(filePath: path)) else {
                let reason = access(path, R_OK) == 0 ? "it is no file" : String(cString: strerror(errno))
                throw ValidationError("--api-keys \(file): the file cannot be read: \(reason)")
            }
            do {
                api.keys = try APIKeys(file: text)
            } catch {
                throw ValidationError("--api-keys \(file): \(error)")
            }
        }
        if settings.requestLog { api.onExchange = RequestLog().write }
        return api
    }
}
