import ArgumentParser
import Benchmarks
import Foundation
import Support

struct BenchCluster: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Simulate many workers: claims by part against whole jobs, in virtual time.",
        discussion: """
            Nothing is computed. Jobs arrive at random at a share of what the workers can compute at most, and pass the stages \
            in order; workers claim in the order of phasor work. A memory holds the weights of one stage.

              phasor bench cluster
              phasor bench cluster --workers 64 --jobs 10000 --load 0.9 --stage text:1:6 --stage high:60:14 --stage low:60:14 \
            --stage vae:15:1
            """)

    @Option(help: "Workers.")
    var workers = 10_000

    @Option(help: "Jobs.")
    var jobs = 1_000_000

    @Option(
        help: "Work that arrives, as a share of what all workers can compute. May be repeated (default: 0.5, 0.9, 1.2)."
    )
    var load: [Double] = []

    @Option(
        name: .customLong("stage"),
        help: ArgumentHelp(
            "A stage, its seconds of computing, and the seconds to load its weights. May be repeated (default: a clip of a "
                + "Wan2.2-A14B in four steps, weights from a disk of 2 GB/s).", valueName: "name:seconds:load"))
    var stages: [StageArgument] = []

    @Option(help: "Jobs that a worker claims at once at most.")
    var held = 4

    @Option(help: "Decides when jobs arrive.")
    var seed: UInt64 = 1

    func validate() throws {
        guard 1...1_000_000 ~= workers else { throw ValidationError("--workers \(workers): it must be 1...1000000") }
        guard 1...10_000_000 ~= jobs else { throw ValidationError("--jobs \(jobs): it must be 1...10000000") }
        guard 1...1024 ~= held else { throw ValidationError("--held \(held): it must be 1...1024") }
        guard load.allSatisfy({ 0.01...10 ~= $0 }) else { throw ValidationError("--load: it must be 0.01...10") }
    }

    func run() {
        let stages =
            self.stages.isEmpty
            ? [
                ClusterSimulation.Stage("text", seconds: 1, loadSeconds: 6),
                ClusterSimulation.Stage("high", seconds: 60, loadSeconds: 14),
                ClusterSimulation.Stage("low", seconds: 60, loadSeconds: 14),
                ClusterSimulation.Stage("vae", seconds: 15, loadSeconds: 1),
            ] : self.stages.map(\.stage)
        let work = stages.reduce(0) { $0 + $1.seconds }
        print("\(workers) workers, \(jobs) jobs, in virtual time; a job computes for \(work) s")
        print("load  claimed      switches/job  wait p50 s  wait p99 s  claims/s    jobs/s")
        for load in load.isEmpty ? [0.5, 0.9, 1.2] : load {
            for claiming in ClusterSimulation.Claiming.allCases {
                var simulation = ClusterSimulation(
                    stages: stages, workers: workers, jobs: jobs, rate: load * Double(workers) / work)
                (simulation.held, simulation.seed) = (held, seed)
                let outcome = simulation.run(claiming)
                print(
                    String(
                        format: "%4.2f  %@ %12.3f %11.1f %11.1f %9.1f %9.2f", load, claiming.rawValue.padded(11),
                        outcome.switchesPerJob, outcome.medianWait, outcome.p99Wait, outcome.claimsPerSecond,
                        Double(outcome.finished) / outcome.seconds))
            }
        }
    }
}

/// `NAME:SECONDS:LOAD`.
struct StageArgument: ExpressibleByArgument {
    let stage: ClusterSimulation.Stage

    init?(argument: String) {
        let words = argument.unicodeScalars.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
        guard words.count == 3, !words[0].isEmpty, let seconds = Double(words[1]), let load = Double(words[2]),
            0.001...1e6 ~= seconds, 0...1e6 ~= load
        else { return nil }
        stage = ClusterSimulation.Stage(words[0], seconds: seconds, loadSeconds: load)
    }
}
