import API
import ArgumentParser
import Cluster
import Foundation
import HTTP
import Jobs
import Logging
import Media
import Models
import Pipelines
import Serving
import Support
import Weights

struct Work: AsyncParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute the jobs of a store that several machines share.",
        discussion: """
            Jobs come in by phasor serve --store or phasor render --store, on any machine. A worker claims those that need \
            what it has in memory, goes on with a job as long as that is so, and hands it on where another expert begins. \
            Killed at any moment, its jobs go on elsewhere, to the same bytes. All workers of a store compute in one \
            precision, on processors of one kind: their bytes differ otherwise.

            SIGTERM or SIGINT ends it: what runs is finished for --drain seconds, and put back. A second signal ends it at \
            once. docs/scale.md has a whole example.

              phasor work Wan2.2-T2V-A14B-Diffusers --store postgres://phasor@db/phasor --blobs s3://bucket/phasor
              phasor work MODEL --store ... --blobs ... --parts transformer --port 9100     metrics at :9100/metrics
            """)

    @Argument(
        help: "Model folders, as for phasor serve (none: the embedded model).", transform: HomeFolder.expand)
    var folders: [String] = []

    @OptionGroup var store: StoreOption

    @Option(
        help: ArgumentHelp(
            "Where the files of the jobs are: s3://BUCKET/PREFIX, or file:///FOLDER that all machines share (default: "
                + "$PHASOR_BLOBS).", valueName: "url"))
    var blobs: String?

    @Option(
        help: ArgumentHelp(
            "Do only these parts of the models, separated by commas: text_encoder, transformer, transformer_2, vae, as "
                + "phasor inspect names them (default: all).", valueName: "parts"))
    var parts: String?

    @Option(
        help: ArgumentHelp(
            "Seconds without a sign of life after which other workers take the jobs of this one (default: 30).",
            valueName: "seconds"))
    var lease = 30.0

    @Option(help: "Jobs that the worker holds at a time, those it computes together and those that follow at once.")
    var held = 4

    @Option(help: "Port of /metrics, /healthz and /readyz (default: none); 0 for any free one.")
    var port: UInt16?

    @Option(help: "Address to listen on with --port.")
    var host = "127.0.0.1"

    @Option(
        help: ArgumentHelp(
            "Seconds that a running job is given when the worker ends (default: 60).", valueName: "seconds"))
    var drain = 60.0

    @Option(
        help: ArgumentHelp(
            "A folder for files on their way, of this process alone (default: one in ~/.cache/phasor).",
            valueName: "dir"))
    var state: String?

    @OptionGroup var provenance: ProvenanceOptions
    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    func validate() throws {
        guard 1...3600 ~= lease else { throw ValidationError("--lease \(lease): it must be 1...3600 seconds") }
        guard 1...1024 ~= held else { throw ValidationError("--held \(held): it must be 1...1024") }
        guard 0...86_400 ~= drain else { throw ValidationError("--drain \(drain): it must be 0...86400 seconds") }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let store = try store.required()
        StandardErrorLog.install(console)
        defer { LogWriter.standardError.flush(within: 1) }
        DescriptorLimit.raise()
        let signals = Signals()
        let logger = Logger(label: "phasor")
        let models = try options.openModels(
            folders, in: nil, memory: options.memory, load: options.load, loras: options.loras
        ) { logger.warning("\($0)") }
        let shared = try SharedStore(store: store, blobs: blobs ?? environment["PHASOR_BLOBS"])
        var cluster = ClusterOptions()
        cluster.leaseSeconds = lease
        cluster.heldJobs = held
        cluster.retains = false
        cluster.parts = try places(in: models)
        let folder = try SharedStore.folder(state)
        var serving = EngineOptions(stateFolder: folder.path)
        serving.generator = provenance.generator
        let engine = try ClusterProcess(
            models: models, address: shared.address, blobs: shared.blobs, folder: folder, options: cluster,
            serving: serving, computes: true, logger: logger
        ).engine
        var server: HTTPServer?
        if let port {
            server = try await OperationsServer(engine: engine, logger: logger).start(host: host, port: port)
        }
        let address = server.map { ", metrics at http://\(host):\($0.port)/metrics" } ?? ""
        console.result("Phasor works on \(models.map(\.id).joined(separator: ", ")) for \(shared.address)\(address)")
        fflush(nil)
        await signals.first()
        logger.notice("putting back what is not finished; a second signal ends at once")
        await engine.drain(within: drain)
        _ = await server?.drain(deadline: .seconds(1))
    }

    /// - Throws: `ValidationError` for a part that no model has.
    private func places(in models: [Pipeline]) throws -> Set<PartLine.Place>? {
        guard let parts else { return nil }
        var places: Set<PartLine.Place> = []
        for name in parts.unicodeScalars.split(separator: ",").map({ String($0) }) {
            let found = models.flatMap { model in
                model.passedParts.filter { $0.name == name }.map { PartLine.Place(model: model.id, part: $0) }
            }
            guard !found.isEmpty else {
                let known = Set(models.flatMap { $0.passedParts.map(\.name) }).sorted().joined(separator: ", ")
                throw ValidationError("--parts \(name): no model has such a part; there are \(known)")
            }
            places.formUnion(found)
        }
        return places
    }
}
