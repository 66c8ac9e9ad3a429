import ArgumentParser
import Foundation
import Support

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure: a student against its teacher, kernels, a step, decoders, threads, or a server.",
        discussion: """
            Without the name of a measurement it is a student against its teacher: phasor bench MODEL.
            """,
        subcommands: [
            BenchGenerate.self, BenchKernels.self, BenchStep.self, BenchDecoders.self, BenchScaling.self,
            BenchPrecision.self,
            BenchSchedule.self, BenchCluster.self, BenchClaims.self,
        ],
        defaultSubcommand: BenchGenerate.self)

    /// Whether `phasor bench --help` was asked for: without the name of a measurement, and so of all.
    static func isAskedForHelp(_ arguments: [String]) -> Bool {
        [["bench", "--help"], ["bench", "-h"], ["help", "bench"], ["bench", "help"]].contains(arguments)
    }

    /// The help of every measurement.
    static var wholeHelp: String {
        let parts = configuration.subcommands.filter { $0.configuration.shouldDisplay }.map { command in
            let title = Phasor.path(to: command).joined(separator: " ")
            return "\(title.uppercased())\n\n\(Phasor.helpMessage(for: command))"
        }
        return ([Phasor.helpMessage(for: Self.self)] + parts).joined(separator: "\n\n")
    }
}

/// Options of every measurement.
struct BenchOptions: ParsableArguments {
    @Option(help: "Runs of each thing that is measured.")
    var rounds: Int?

    @Option(
        help: ArgumentHelp("Write the figures to this file as JSON; - is standard output.", valueName: "file"),
        completion: .file(extensions: ["json"]), transform: HomeFolder.expand)
    var json: String?

    @OptionGroup var speech: SpeechOptions

    func validate() throws {
        guard 1...1000 ~= rounds ?? 1 else { throw ValidationError("--rounds \(rounds ?? 1): it must be 1...1000") }
        try Self.check("--json", json)
    }

    /// That a file can be written, before hours are spent on what it is to hold.
    static func check(_ flag: String, _ path: String?) throws {
        guard let path else { return }
        do throws(OutputError) {
            _ = try OutputFile(path)
        } catch {
            throw ValidationError("\(flag): \(error)")
        }
    }

    /// Writes a report to the file that was asked for, if one was.
    func write(_ report: some Encodable) throws {
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try OutputFile(json).write(encoder.encode(report) + Data("\n".utf8))
    }
}

extension BenchStep: SpeakingCommand {
    var speech: SpeechOptions { measuring.speech }
    var isOutputData: Bool { measuring.json == "-" }
}
