/// Records of separated values: RFC 4180, and what spreadsheets make of it.
///
/// Fields in quotes hold separators, line ends and doubled quotes, and are taken to the byte. Blanks around a field without
/// quotes are no part of it. The text is read by bytes: a separator is one whatever combining character follows it.
struct CSVReader {
    struct Record: Equatable {
        /// The line on which it begins.
        let line: Int
        let fields: [String]

        /// A row that a spreadsheet kept for its borders.
        var isEmpty: Bool { fields.allSatisfy(\.isEmpty) }
    }

    private(set) var records: [Record] = []
    private(set) var faults: [ManifestFault] = []

    private let separator: UInt8
    private var line: Int
    private var start: Int
    private var fields: [String] = []
    private var field: [UInt8] = []
    private var state = State.start
    private var isSpoilt = false

    private enum State {
        case start, plain, quoted, closed, closedAndBlank
    }

    private static let quote = UInt8(ascii: "\"")
    private static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")

    /// What is no record is among the faults; the records after it are read all the same. Lines without a character, and
    /// records whose fields are all empty, are left out.
    /// - Parameters:
    ///   - bytes: UTF-8.
    ///   - firstLine: the number of the line on which `bytes` begins.
    ///   - most: records after which reading ends.
    init(_ bytes: some Collection<UInt8>, separator: UInt8, firstLine: Int = 1, most: Int = .max) {
        self.separator = separator
        line = firstLine
        start = firstLine
        var isAfterReturn = false
        for byte in bytes {
            // CR LF ends one line, not two.
            let isSecond = isAfterReturn && byte == Self.lineFeed
            isAfterReturn = byte == Self.carriageReturn
            if state == .quoted {
                readQuoted(byte, isSecond: isSecond)
            } else if byte == Self.lineFeed || byte == Self.carriageReturn {
                if isSecond { continue }
                endRecord()
                line += 1
                start = line
                if records.count >= most { return }
            } else {
                read(byte)
            }
        }
        if state == .quoted {
            faults.append(ManifestFault(line: start, field: nil, reason: "a quote is opened and never closed"))
        } else {
            endRecord()
        }
    }

    private mutating func readQuoted(_ byte: UInt8, isSecond: Bool) {
        if byte == Self.quote {
            state = .closed
            return
        }
        field.append(byte)
        if byte == Self.carriageReturn || byte == Self.lineFeed && !isSecond { line += 1 }
    }

    /// A byte outside quotes that ends no line.
    private mutating func read(_ byte: UInt8) {
        if byte == separator { return endField() }
        switch state {
        case .start where byte == Self.quote: state = .quoted
        case .start where Self.isBlank(byte): break
        case .plain where byte == Self.quote:
            spoil("a quote in a field that does not begin with one; double it, and put the field in quotes")
        case .start, .plain:
            field.append(byte)
            state = .plain
        case .closed where byte == Self.quote:
            field.append(byte)
            state = .quoted
        case .closed, .closedAndBlank:
            guard Self.isBlank(byte) else { return spoil("there is text after a closing quote") }
            state = .closedAndBlank
        case .quoted: break
        }
    }

    private mutating func endField() {
        if state == .plain, let last = field.lastIndex(where: { !Self.isBlank($0) }) {
            field.removeSubrange((last + 1)...)
        }
        fields.append(String(decoding: field, as: UTF8.self))
        field.removeAll(keepingCapacity: true)
        state = .start
    }

    private mutating func endRecord() {
        endField()
        let record = Record(line: start, fields: fields)
        if !isSpoilt, !record.isEmpty { records.append(record) }
        fields = []
        isSpoilt = false
    }

    /// Tells what is wrong with a record, once.
    private mutating func spoil(_ reason: String) {
        if !isSpoilt { faults.append(ManifestFault(line: line, field: nil, reason: reason)) }
        isSpoilt = true
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
