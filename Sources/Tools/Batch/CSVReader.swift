/// Records of comma-separated values (RFC 4180): fields in quotes hold commas, line ends and doubled quotes.
struct CSVReader {
    struct Record: Equatable {
        /// The line on which it begins.
        let line: Int
        let fields: [String]
    }

    private(set) var records: [Record] = []
    private(set) var faults: [ManifestFault] = []

    /// What is no record is among the faults; the records after it are read all the same.
    init(_ text: String) {
        var line = 1
        var start = 1
        var fields: [String] = []
        var field = ""
        var state = State.start
        var isSpoilt = false

        func fault(_ reason: String) -> ManifestFault { ManifestFault(line: line, field: nil, reason: reason) }
        // Swift takes CR LF as one character.
        for character in text {
            switch (state, character) {
            case (.quoted, "\""): state = .closed
            case (.quoted, _):
                field.append(character)
                if character.isNewline { line += 1 }
            case (.closed, "\""):
                field.append("\"")
                state = .quoted
            case (_, ","):
                fields.append(field)
                (field, state) = ("", .start)
            case (_, "\n"), (_, "\r\n"), (_, "\r"):
                fields.append(field)
                // A blank line is no record.
                if !isSpoilt, fields != [""] { records.append(Record(line: start, fields: fields)) }
                line += 1
                (start, fields, field, state, isSpoilt) = (line, [], "", .start, false)
            case (.start, "\""): state = .quoted
            case (.closed, _):
                if !isSpoilt { faults.append(fault("there is text after a closing quote")) }
                isSpoilt = true
            case (.plain, "\""):
                if !isSpoilt { faults.append(fault("a quote in a field that does not begin with one; double it")) }
                isSpoilt = true
            default:
                field.append(character)
                state = .plain
            }
        }
        if state == .quoted {
            faults.append(ManifestFault(line: start, field: nil, reason: "a quote is opened and never closed"))
        } else if !field.isEmpty || !fields.isEmpty || state == .closed {
            fields.append(field)
            if !isSpoilt { records.append(Record(line: start, fields: fields)) }
        }
    }

    private enum State { case start, plain, quoted, closed }
}
