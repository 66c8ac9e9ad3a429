import ArgumentParser
import Foundation
import Support

struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure: a student against its teacher, kernels, a step, or a server.",
        discussion: """
            Without the name of a measurement it is a student against its teacher: phasor bench MODEL.
            """,
        subcommands: [BenchGenerate.self, BenchKernels.self, BenchStep.self, BenchSchedule.self],
        defaultSubcommand: BenchGenerate.self)
}

/// Options of every measurement.
struct BenchOptions: ParsableArguments {
    @Option(help: "Runs of each thing that is measured.")
    var rounds: Int?

    @Option(help: ArgumentHelp("Write the figures to this file as JSON.", valueName: "file"))
    var json: String?

    func validate() throws {
        guard 1...1000 ~= rounds ?? 1 else { throw ValidationError("--rounds must be 1...1000") }
    }

    /// Writes a report to the file that was asked for, if one was.
    func write(_ report: some Encodable) throws {
        guard let json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try AtomicFile.write(encoder.encode(report), to: json)
    }
}
