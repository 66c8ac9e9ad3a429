import Foundation
import Media
import Pipelines
import Serving
import Support

/// What a batch is to make: the files of all lines, in order. Every request is one that the model accepts.
package struct Manifest: Sendable {
    package struct Item: Sendable, Equatable {
        /// Of the manifest, from 1.
        package let line: Int
        /// Within the files of the line, from 0.
        package let index: Int
        /// Below the output folder.
        package let file: String
        package let request: GenerationRequest
    }

    package enum Format: Sendable {
        /// A JSON object on each line.
        case jsonLines
        /// Names of fields on the first line, values on the others.
        case csv

        /// By the ending of a file's name; nil for an unknown one.
        package init?(path: String) {
            switch URL(filePath: path).pathExtension.lowercased() {
            case "jsonl", "ndjson", "json": self = .jsonLines
            case "csv": self = .csv
            default: return nil
            }
        }
    }

    /// What holds for lines that do not say otherwise.
    package struct Defaults: Sendable {
        package var generator: String?
        package var fps: Int?
        package var codec: VideoOptions.Codec?
        package var crf: Int?
        package var preset: String?
        package var pixelFormat: VideoOptions.PixelFormat?

        package init() {}
    }

    package let items: [Item]
    package static var fieldNames: [String] { ManifestLine.names }
    static let mostFiles = 1_000_000

    /// - Throws: `ManifestError` with every wrong line.
    package init(
        _ bytes: [UInt8], format: Format, model: Pipeline, defaults: Defaults = Defaults()
    ) throws(ManifestError) {
        var (lines, faults) = Self.lines(bytes, format)
        var items: [Item] = []
        var owners: [String: Int] = [:]
        for index in lines.indices {
            var reader = LineReader(model: model, defaults: defaults)
            let made = reader.items(&lines[index])
            faults += lines[index].faults
            guard items.count + made.count <= Self.mostFiles else {
                faults.append(
                    ManifestFault(line: lines[index].line, field: nil, reason: "more than \(Self.mostFiles) files"))
                break
            }
            for item in made {
                guard let owner = owners.updateValue(item.line, forKey: item.file) else { continue }
                let place = owner == item.line ? "this line" : "line \(owner)"
                let advice = owner == item.line ? "; put {seed} or {index} into the name" : ""
                faults.append(
                    ManifestFault(
                        line: item.line, field: "file", reason: "'\(item.file)' is made by \(place) already\(advice)"))
                break
            }
            items += made
        }
        if items.isEmpty, faults.isEmpty {
            faults.append(ManifestFault(line: 0, field: nil, reason: "nothing to make"))
        }
        guard faults.isEmpty else { throw ManifestError(faults: faults.sorted { $0.line < $1.line }) }
        self.items = items
    }

    // MARK: Lines

    private static func lines(_ bytes: [UInt8], _ format: Format) -> ([ManifestLine], [ManifestFault]) {
        switch format {
        case .jsonLines: jsonLines(bytes)
        case .csv: csvLines(bytes)
        }
    }

    private static func jsonLines(_ bytes: [UInt8]) -> ([ManifestLine], [ManifestFault]) {
        var lines: [ManifestLine] = []
        var faults: [ManifestFault] = []
        for (index, text) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard text.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { continue }
            do throws(JSONFault) {
                let value = try JSON(parsing: Array(text))
                guard case .object(let members) = value else {
                    faults.append(ManifestFault(line: index + 1, field: nil, reason: "the line is not a JSON object"))
                    continue
                }
                lines.append(ManifestLine(line: index + 1, members: members, isText: false))
            } catch {
                faults.append(ManifestFault(line: index + 1, field: nil, reason: "the line is not JSON: \(error)"))
            }
        }
        return (lines, faults)
    }

    private static func csvLines(_ bytes: [UInt8]) -> ([ManifestLine], [ManifestFault]) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return ([], [ManifestFault(line: 0, field: nil, reason: "the file is not UTF-8")])
        }
        // Spreadsheets put a byte order mark in front.
        let reader = CSVReader(text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text)
        var faults = reader.faults
        guard let header = reader.records.first else { return ([], faults) }
        let names = header.fields.map { $0.trimmingCharacters(in: .whitespaces) }
        // A wrong header makes every line wrong; it is said once.
        faults +=
            ManifestLine(
                line: header.line, members: names.map { JSON.Member(name: $0, value: .null) }, isText: true
            ).faults
        guard faults.allSatisfy({ $0.line != header.line }) else { return ([], faults) }
        var lines: [ManifestLine] = []
        for record in reader.records.dropFirst() {
            guard record.fields.count == names.count else {
                let reason = "\(record.fields.count) fields; the header has \(names.count)"
                faults.append(ManifestFault(line: record.line, field: nil, reason: reason))
                continue
            }
            let members = zip(names, record.fields).map { JSON.Member(name: $0, value: .string($1)) }
            lines.append(ManifestLine(line: record.line, members: members, isText: true))
        }
        return (lines, faults)
    }
}
