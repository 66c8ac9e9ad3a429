import Foundation
import Jobs
import Media
import Pipelines
import Support

/// What a batch is to make: the files of all lines, in order. Every request is one that the model accepts,
/// but for pictures that cannot be read.
package struct Manifest: Sendable {
    package struct Item: Sendable, Equatable {
        /// The line of the manifest, from 1.
        package let line: Int
        /// Within the files of the line, from 0.
        package let index: Int
        /// Below the output folder.
        package let file: String
        package let request: GenerationRequest
        let pictures: [NamedPicture]

        /// Why it cannot be made whatever the others are: a picture that cannot be read.
        package var fault: String? { pictures.lazy.compactMap(\.fault).first }
    }

    package enum Format: Sendable {
        /// A JSON object on each line.
        case jsonLines
        /// Names of fields on the first line, values on the others; `CSVDialect` says what may separate them.
        case csv

        /// The kind that the ending of a file's name stands for; nil for an unknown one.
        package init?(path: String) {
            switch URL(filePath: path).pathExtension.lowercased() {
            case "jsonl", "ndjson", "json": self = .jsonLines
            case "csv", "tsv": self = .csv
            default: return nil
            }
        }
    }

    /// What holds for lines that do not say otherwise.
    package struct Defaults: Sendable {
        package var prompt: String?
        package var generator: String?
        /// The strength of a line that changes a picture.
        package var strength: Float?
        package var fps: Int?
        package var codec: VideoOptions.Codec?
        package var crf: Int?
        package var preset: String?
        package var pixelFormat: VideoOptions.PixelFormat?
        package var outputFormat: PictureFormat?
        package var outputCompression: Int?
        /// Where the paths of pictures begin.
        package var folder = "."

        package init() {}
    }

    package let items: [Item]
    package static var fieldNames: [String] { ManifestLine.names }
    static let mostFiles = 1_000_000

    init(items: [Item]) { self.items = items }

    /// - Throws: `ManifestError` with every wrong line.
    package init(
        _ bytes: [UInt8], format: Format, model: Pipeline, defaults: Defaults = Defaults()
    ) throws(ManifestError) {
        let text = ManifestText(bytes, format)
        var (lines, faults) = (text.lines, text.faults)
        var items: [Item] = []
        var names = FileNames()
        var reader = LineReader(model: model, defaults: defaults)
        for index in lines.indices {
            let made = reader.items(&lines[index])
            faults += lines[index].faults
            guard items.count + made.count <= Self.mostFiles else {
                faults.append(
                    ManifestFault(line: lines[index].line, field: nil, reason: "more than \(Self.mostFiles) files"))
                break
            }
            for item in made {
                guard let reason = names.add(item.file, line: item.line) else { continue }
                faults.append(ManifestFault(line: item.line, field: "file", reason: reason))
                break
            }
            items += made
        }
        faults += names.conflicts.map { ManifestFault(line: $0.line, field: "file", reason: $0.reason) }
        if items.isEmpty, faults.isEmpty {
            faults.append(ManifestFault(line: 0, field: nil, reason: "nothing to make"))
        }
        guard faults.isEmpty else { throw ManifestError(faults: faults.sorted { $0.line < $1.line }) }
        self.items = items
    }
}
