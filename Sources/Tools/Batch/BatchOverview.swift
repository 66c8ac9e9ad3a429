import Foundation
import Media

extension BatchRun {
    /// Writes contact-sheet.png, index.html and summary.json.
    /// - Throws: `BatchError`, `MediaError`.
    package func writeOverview(title: String, summary: BatchSummary) throws {
        let there = manifest.items.filter { folder.size(of: $0.file) != nil }
        if let sheet = try ContactSheet.make(of: there.map { "\(folder.path)/\($0.file)" }) {
            try folder.replace("contact-sheet.png", with: Data(PNG.encode(sheet)))
        }
        let page = BatchPage.html(manifest, title: title, hasSheet: !there.isEmpty) { folder.size(of: $0.file) }
        try folder.replace("index.html", with: Data(page.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try folder.replace("summary.json", with: try encoder.encode(summary) + Data("\n".utf8))
    }
}
