import ArgumentParser
import Benchmarks
import Foundation
import PostgreSQL

struct BenchClaims: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        commandName: "claims",
        abstract: "Measure how fast workers get jobs from a database.",
        discussion: """
            A schema of its own is made in the database, filled, and removed afterwards. First workers only claim; then \
            each job goes from part to part, and new ones come. The server must allow the connections.

              phasor bench claims --store postgres://user@host/database --connections 200 --waiting 100000
            """,
        shouldDisplay: false)

    @Option(help: ArgumentHelp("The database.", valueName: "url"))
    var store: String

    @Option(help: "Workers that claim at once, each with a connection.")
    var connections = 200

    @Option(help: "Jobs in the line.")
    var waiting = 100_000

    @Option(help: "Seconds of claims alone.")
    var seconds = 10.0

    @Option(help: "Seconds of all that becomes of jobs.")
    var churn = 30.0

    @OptionGroup var speech: SpeechOptions

    func validate() throws {
        guard 1...2000 ~= connections else {
            throw ValidationError("--connections \(connections): it must be 1...2000")
        }
        guard 1...10_000_000 ~= waiting else { throw ValidationError("--waiting \(waiting): it must be 1...10000000") }
        guard 0.1...86_400 ~= seconds, 0.1...86_400 ~= churn else {
            throw ValidationError("--seconds, --churn: they must be 0.1...86400")
        }
    }

    func run() throws {
        let benchmark = ClaimBenchmark(
            address: try PostgresAddress(store), connections: connections, waiting: waiting, seconds: (seconds, churn))
        let report = try benchmark.run()
        Console.current.result(report.text)
    }
}
