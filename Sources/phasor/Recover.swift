import ArgumentParser
import Foundation
import Jobs

struct Recover: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make the database of a state folder again from the finished files in it.",
        discussion: """
            For a folder whose jobs.sqlite was lost, damaged or replaced by an older one: serve refuses to start on it, as \
            it would not know the files. Every picture and clip says how it was made, so their jobs are there again, as \
            finished ones; API keys, timings and jobs that had not finished are known only as far as the old database \
            can still be read. Nothing is deleted: a damaged database stays beside the new one, files that say nothing \
            are moved to unrecovered/. No server may run on the folder meanwhile.

              phasor recover ~/.local/state/phasor
            """)

    @Argument(help: "The state folder (default: that of serve).", transform: HomeFolder.expand)
    var folder: String?

    func run() throws {
        let folder = folder ?? Serve.defaultState
        let report = try StateRecovery.run(folder: folder)
        if let path = report.putAside { print("the damaged database is \(path) now") }
        for (file, reason) in report.unreadable.sorted(by: { $0.key < $1.key }) {
            print("\(file): \(reason); moved to unrecovered/")
        }
        let recovered = report.recovered.count
        print(
            "\(folder): \(recovered) job\(recovered == 1 ? "" : "s") made again from the files, \(report.known) known, "
                + "\(report.unreadable.count) file\(report.unreadable.count == 1 ? "" : "s") put aside")
    }
}
