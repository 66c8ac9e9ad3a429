import ArgumentParser
import Benchmarks
import Foundation
import Models
import Pipelines
import Serving
import Support
import Tensor
import Weights

struct BenchSchedule: AsyncParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule",
        abstract: "Measure the scheduler: the same requests served first come first served, and phase by phase.",
        discussion: """
            Requests come as a trace says, faster than one after the other can be served, and memory holds one expert at \
            a time unless --memory says otherwise. Every figure is the median over the rounds; policies take turns.

              phasor bench schedule
              phasor bench schedule --pattern bursts --count 32 --svg schedule.svg
              phasor bench schedule MODEL --memory 4500MB --json schedule.json

            A --trace is a JSON array of {"at": SECONDS, "kind": "image" or "video", "prompt": "...", "seed": 1, \
            "priority": "interactive" or "batch"}.
            """)

    @Argument(help: "A model folder (default: the embedded model).", transform: HomeFolder.expand)
    var model: String?

    @Option(help: "How requests come: poisson, bursts, or mixed (both, pictures and clips).")
    var pattern = ArrivalTrace.Pattern.mixed

    @Option(help: "Requests.")
    var count = 24

    @Option(help: "How fast they come: times what one after the other would take.")
    var rate = 2.0

    @Option(help: "Decides when requests come and what they are.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Requests from this file instead.", valueName: "file"), transform: HomeFolder.expand)
    var trace: String?

    @Option(help: ArgumentHelp("Pixels; the default is the model's.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames of a clip (default: the model's).")
    var frames: Int?

    @Option(
        help: ArgumentHelp(
            "Draw the first round to this file: what computed when, and what was in memory.", valueName: "file"),
        completion: .file(extensions: ["svg"]), transform: HomeFolder.expand)
    var svg: String?

    @OptionGroup var measuring: BenchOptions
    @OptionGroup var options: ModelOptions

    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }

    private static let prompts = [
        "a large dog on the beach", "a red car on a blue background", "a ghost in the night sky",
        "two yellow balloons in a grassy field", "a large cat on an orange background",
        "a strawberry on a white background",
    ]

    func validate() throws {
        guard 1...10_000 ~= count else { throw ValidationError("--count \(count): it must be 1...10000") }
        guard 0.01...1000 ~= rate else { throw ValidationError("--rate \(rate): it must be 0.01...1000") }
        try BenchOptions.check("--svg", svg)
    }

    func run() async throws {
        let pipeline = try open()
        let sizes = pipeline.sizes
        let (width, height) = try SizeArgument.parse(size, default: (sizes.defaultWidth, sizes.defaultHeight))
        func replay(_ trace: ArrivalTrace) -> ScheduleReplay {
            ScheduleReplay(
                model: pipeline, trace: trace, width: width, height: height, frames: frames ?? sizes.defaultFrames)
        }
        let requests = try await arrivals(replay)
        let policies = EngineOptions.PolicyName.allCases
        var rounds: [EngineOptions.PolicyName: [ScheduleReport.Figures]] = [:]
        var drawn: [(title: String, record: ScheduleRecord)] = []
        let bar = ProgressLine()
        for round in 0..<(measuring.rounds ?? 1) {
            for (turn, policy) in policies.enumerated() {
                bar.show(
                    step: round * policies.count + turn, of: (measuring.rounds ?? 1) * policies.count, policy.rawValue)
                let record = try await replay(requests).run(policy)
                if let figures = ScheduleReport.Figures(record) { rounds[policy, default: []].append(figures) }
                if round == 0 { drawn.append((Self.title(policy), record)) }
            }
        }
        bar.finish()
        guard let fifo = ScheduleReport.Figures(medianOf: rounds[.fifo] ?? []),
            let phases = ScheduleReport.Figures(medianOf: rounds[.phaseSynchronous] ?? [])
        else { throw ValidationError("the trace has no requests") }
        let experts = Set(pipeline.generators.generators.flatMap(\.plan.experts))
        let report = ScheduleReport(
            model: pipeline.id, requests: requests.arrivals.count, rounds: measuring.rounds ?? 1,
            expertBytes: Dictionary(
                uniqueKeysWithValues: experts.map { ($0, pipeline.residency.bytes(of: Part($0))) }),
            memoryBytes: pipeline.residency.report?.budget, policies: .init(fifo: fifo, phaseSynchronous: phases))
        Console.current.result(report.table)
        try measuring.write(report)
        if let svg { try OutputFile(svg).write(Data(ScheduleDrawing(drawn).svg.utf8)) }
    }

    /// The model. Unless --memory says how much the process may take, weights have room for all parts but the experts,
    /// and for one and a half of those.
    private func open() throws -> Pipeline {
        let files = try options.files(model)
        let compute = options.makeCompute()
        let whole = try options.open(files, compute: compute)
        guard options.memory == nil else { return whole }
        let experts = Set(whole.generators.generators.flatMap(\.plan.experts))
        let largest = experts.map { whole.residency.bytes(of: Part($0)) }.max() ?? 0
        let others = whole.traits.course.compactMap(\.part).reduce(0) { $0 + whole.residency.bytes(of: $1) }
        let room = others + largest * 3 / 2
        return try Pipeline(
            files, compute: compute, vaeCompute: compute.with(options.vaePrecision),
            residency: Residency(budget: room) { ProcessMemory() })
    }

    private static func title(_ policy: EngineOptions.PolicyName) -> String {
        switch policy {
        case .fifo: "First come, first served"
        case .phaseSynchronous: "Phase-synchronous"
        }
    }

    /// The trace that was asked for, its pace by how long one picture takes alone.
    private func arrivals(_ replay: (ArrivalTrace) -> ScheduleReplay) async throws -> ArrivalTrace {
        if let trace {
            do {
                return try ArrivalTrace(file: trace)
            } catch {
                throw ValidationError("--trace \(trace): \(CommandFailure.words(of: error))")
            }
        }
        let clips = pattern == .mixed
        func made(every seconds: Double, count: Int) -> ArrivalTrace {
            ArrivalTrace(pattern, count: count, every: seconds, prompts: Self.prompts, seed: seed, clips: clips)
        }
        // All at once, and so as fast as can be: twice, for the first time warms up.
        _ = try await replay(made(every: 0, count: min(count, 4))).run(.fifo)
        let alone = try await replay(made(every: 0, count: count)).run(.fifo)
        let end = alone.runs.map(\.end).max() ?? 1
        return made(every: end / Double(count) / rate, count: count)
    }
}

extension ArrivalTrace.Pattern: ExpressibleByArgument {}
