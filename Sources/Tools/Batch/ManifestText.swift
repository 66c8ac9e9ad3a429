import Support

/// The lines of a manifest file, of either format, as named values.
struct ManifestText {
    private(set) var lines: [ManifestLine] = []
    private(set) var faults: [ManifestFault] = []

    init(_ bytes: [UInt8], _ format: Manifest.Format) {
        guard let text = Self.utf8(bytes) else {
            faults = [
                ManifestFault(line: 0, field: nil, reason: "the file begins as UTF-16 does, but is cut off or damaged")
            ]
            return
        }
        switch format {
        case .jsonLines: readJSONLines(text)
        case .csv: readCSV(text)
        }
    }

    /// The bytes without a byte order mark, which editors and spreadsheets put in front; UTF-16, which Excel's "Unicode
    /// text" and PowerShell's `>` write, as UTF-8.
    /// - Returns: nil for UTF-16 that is none.
    private static func utf8(_ bytes: [UInt8]) -> [UInt8]? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return Array(bytes.dropFirst(3)) }
        let isLittle = bytes.starts(with: [0xFF, 0xFE])
        guard isLittle || bytes.starts(with: [0xFE, 0xFF]) else { return bytes }
        guard bytes.count % 2 == 0 else { return nil }
        let units = stride(from: 2, to: bytes.count, by: 2).map { at in
            let pair = (UInt16(bytes[at]), UInt16(bytes[at + 1]))
            return isLittle ? pair.1 << 8 | pair.0 : pair.0 << 8 | pair.1
        }
        return String(validating: units, as: UTF16.self).map { Array($0.utf8) }
    }

    private mutating func fault(_ line: Int, _ reason: String) {
        faults.append(ManifestFault(line: line, field: nil, reason: reason))
    }

    // MARK: JSON

    /// An object a line, or one array of them, which counts by element.
    private mutating func readJSONLines(_ bytes: [UInt8]) {
        let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        if first == UInt8(ascii: "["), case .array(let elements) = try? JSON(parsing: bytes) {
            for (index, element) in elements.enumerated() {
                guard case .object(let members) = element else {
                    fault(index + 1, "the element is not a JSON object")
                    continue
                }
                lines.append(ManifestLine(line: index + 1, members: members, isText: false))
            }
            return
        }
        for (index, text) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard text.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) else { continue }
            do throws(JSONFault) {
                let value = try JSON(parsing: Array(text))
                guard case .object(let members) = value else {
                    fault(index + 1, "the line is not a JSON object")
                    continue
                }
                lines.append(ManifestLine(line: index + 1, members: members, isText: false))
            } catch {
                fault(index + 1, "the line is not JSON: \(error)")
            }
        }
    }

    // MARK: CSV

    private mutating func readCSV(_ bytes: [UInt8]) {
        guard String(validating: bytes, as: UTF8.self) != nil else {
            let wrong = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
                .firstIndex { String(validating: $0, as: UTF8.self) == nil }
            return fault((wrong ?? -1) + 1, "the text is not UTF-8; spreadsheets save it as \"CSV UTF-8\"")
        }
        let dialect = CSVDialect(bytes) { Self.fieldName($0) != nil }
        let reader = CSVReader(
            bytes[dialect.start...], separator: dialect.separator, firstLine: dialect.firstLine)
        faults += reader.faults
        guard let header = reader.records.first else { return }
        let names = header.fields.map { Self.fieldName($0) ?? $0 }
        // A wrong header makes every line wrong; it is said once.
        let named = names.filter { !$0.isEmpty }.map { JSON.Member(name: $0, value: .null) }
        faults += ManifestLine(line: header.line, members: named, isText: true).faults
        guard faults.allSatisfy({ $0.line != header.line }) else { return }
        for record in reader.records.dropFirst() { read(record, names, dialect) }
    }

    private mutating func read(_ record: CSVReader.Record, _ names: [String], _ dialect: CSVDialect) {
        var fields = record.fields
        // Empty columns on the right come and go with what else was in the sheet.
        while fields.count > names.count, fields.last?.isEmpty == true { fields.removeLast() }
        guard fields.count == names.count else {
            let count = "\(fields.count) field\(fields.count == 1 ? "" : "s")"
            let advice = fields.count > names.count ? "; a value with a \(dialect.name) in it stands in quotes" : ""
            return fault(record.line, "\(count); the header has \(names.count)\(advice)")
        }
        if let index = fields.indices.first(where: { names[$0].isEmpty && !fields[$0].isEmpty }) {
            return fault(
                record.line, "column \(index + 1) holds '\(fields[index].prefix(40))', but has no name in the header")
        }
        let members = zip(names, fields).filter { !$0.0.isEmpty }.map { JSON.Member(name: $0, value: .string($1)) }
        lines.append(ManifestLine(line: record.line, members: members, isText: true))
    }

    /// A field as manifests call it, whatever the case of its letters; nil for what is none.
    private static func fieldName(_ text: String) -> String? {
        [text, text.lowercased()].first { ManifestLine.names.contains($0) || ManifestLine.aliases[$0] != nil }
    }
}
