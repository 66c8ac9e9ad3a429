import Foundation
import Media

extension BatchRun {
    /// Writes contact-sheet.png, index.html and summary.json.
    /// - Returns: why some of them are not written; the others are.
    package func writeOverview(title: String, summary: BatchSummary) -> [String] {
        let there = manifest.items.filter { folder.size(of: $0.file) != nil }
        var faults: [String] = []
        func write(_ name: String, _ data: () throws -> Data?) {
            do {
                // An obstacle is told before anything is drawn.
                if let reason = folder.obstacle(toOverview: name) { throw BatchError.inTheWay(reason) }
                if let data = try data() { try folder.writeOverview(name, data) }
            } catch {
                faults.append("\(error)")
            }
        }
        write("contact-sheet.png") {
            let provenance = made.provenance.map { Provenance(generator: $0, model: model.id) }
            return try ContactSheet.make(of: there.map { "\(folder.path)/\($0.file)" }).map {
                Data(try PNG.encode($0, provenance: provenance))
            }
        }
        write("index.html") {
            Data(BatchPage.html(manifest, title: title, hasSheet: !there.isEmpty) { folder.size(of: $0.file) }.utf8)
        }
        write("summary.json") {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return try encoder.encode(summary) + Data("\n".utf8)
        }
        return faults
    }
}
