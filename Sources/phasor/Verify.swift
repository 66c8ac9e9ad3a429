import ArgumentParser
import Foundation
import Models
import Verification

struct Verify: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare with golden tensors of the reference libraries.",
        discussion: """
            Each FOLDER is a fixture folder: a tiny pipeline in the published format, a manifest.json and reference \
            tensors. Every check in it is run and printed with its largest absolute error. Exits 1 if a value is \
            beyond its tolerance or a check is not known.
            """)

    @Argument(help: "Fixture folders, e.g. Tests/Fixtures/wan22-tiny.", transform: HomeFolder.expand)
    var folders: [String]

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    @Flag(help: "Print one line for each check instead of one for each tensor.")
    var summary = false

    func validate() throws {
        guard let part = (options.partOptions + (options.loras == nil ? [] : ["--loras"])).first else { return }
        throw ValidationError(
            "\(part): verify runs the parts that lie in the fixture folder, because its reference tensors were computed with "
                + "these; there is nothing to compare other parts with")
    }

    func run() throws {
        let compute = options.makeCompute()
        var failures = 0
        for folder in folders {
            let verifier = try Verifier(folder: folder, compute: compute)
            Console.current.result("\(folder): \(verifier.checkCount) checks")
            Console.current.result(Self.line("check", "tensor", "max error", "atol", "rtol", ""))
            let rows = verifier.run { row in
                if !summary { Self.show(row) }
            }
            if summary { Self.worstOfEach(rows).forEach(Self.show) }
            let failed = Set(rows.filter { !$0.passed }.map(\.check))
            Console.current.result("\(verifier.checkCount - failed.count) passed, \(failed.count) failed")
            failures += failed.count
        }
        if failures > 0 { throw ExitCode(1) }
    }

    /// The row of each check that comes nearest to its tolerance or goes farthest beyond it.
    private static func worstOfEach(_ rows: [Comparison]) -> [Comparison] {
        var order: [String] = []
        var worst: [String: Comparison] = [:]
        for row in rows {
            guard let known = worst[row.check] else {
                order.append(row.check)
                worst[row.check] = row
                continue
            }
            let isWorse =
                known.passed != row.passed ? !row.passed : (row.maximumError ?? 0) > (known.maximumError ?? 0)
            if isWorse { worst[row.check] = row }
        }
        return order.compactMap { worst[$0] }
    }

    private static func show(_ row: Comparison) {
        let console = Console.current
        let text = line(
            row.check, row.tensor, row.maximumError.map { String(format: "%.2e", $0) } ?? "-",
            String(format: "%g", row.atol), String(format: "%g", row.rtol),
            (row.passed ? "pass" : "FAIL") + (row.note.isEmpty ? "" : "  \(row.note)"))
        // A quiet run tells what went wrong.
        if row.passed || console.verbosity > .quiet { console.result(text) } else { console.complain(text) }
    }

    private static func line(_ columns: String...) -> String {
        zip(columns, [34, 44, 10, 8, 8, 0]).map { text, width in
            text.count < width ? text + String(repeating: " ", count: width - text.count) : text
        }.joined(separator: " ")
    }
}
