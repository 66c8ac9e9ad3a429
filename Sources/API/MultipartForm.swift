import HTTP

/// A body of `multipart/form-data` (RFC 7578): lines end with CR LF, every part has a name. What stands before the first
/// boundary and after the last is passed over, as RFC 2046 has it.
package struct MultipartForm: Sendable, Equatable {
    package struct Part: Sendable, Equatable {
        package let name: String
        /// The name that the client gives a file; nil for a plain field.
        package let filename: String?
        package let content: [UInt8]

        /// What a page sends for a field of files in which none was chosen.
        package var isNoFile: Bool { filename == "" && content.isEmpty }
    }

    package let parts: [Part]
    private static let mostParts = 64
    private static let longestHeader = 4 << 10

    /// - Throws: `APIError` with what is wrong.
    init(_ request: HTTPRequest) throws {
        guard let boundary = Self.parameter("boundary", of: request.headers["Content-Type"] ?? ""),
            (1...70).contains(boundary.utf8.count)
        else { throw Self.fault("Content-Type has no boundary") }
        try self.init(body: request.body, boundary: boundary)
    }

    package init(body: [UInt8], boundary: String) throws {
        // Every delimiter but the first follows a line end that belongs to it, so one is put before the first as well.
        let delimiter = Array("\r\n--\(boundary)".utf8)
        let body = [0x0D, 0x0A] + body
        guard let first = Self.find(delimiter, in: body[...]) else { throw Self.fault("its boundary is not in it") }
        var position = first + delimiter.count
        var parts: [Part] = []
        while true {
            if body[position...].starts(with: Array("--".utf8)) {
                let rest = body[(position + 2)...]
                guard rest.isEmpty || rest.starts(with: [0x0D, 0x0A]) else {
                    throw Self.fault("its last boundary is not followed by a line end")
                }
                self.parts = parts
                return
            }
            guard body[position...].starts(with: [0x0D, 0x0A]) else {
                throw Self.fault("a boundary is not followed by a line end")
            }
            guard parts.count < Self.mostParts else { throw Self.fault("it has more than \(Self.mostParts) parts") }
            // The line end after the boundary stays: a part without header fields begins with an empty line.
            let header = body[position...].prefix(Self.longestHeader)
            guard let headerEnd = Self.find([0x0D, 0x0A, 0x0D, 0x0A], in: header) else {
                throw Self.fault("the header of a part does not end")
            }
            let start = headerEnd + 4
            guard let end = Self.find(delimiter, in: body[start...]) else {
                throw Self.fault("it does not end with its boundary")
            }
            parts.append(try Self.part(header: body[position..<headerEnd], content: Array(body[start..<end])))
            position = end + delimiter.count
        }
    }

    private static func part(header: ArraySlice<UInt8>, content: [UInt8]) throws -> Part {
        // Names of files may be in an old encoding; a field's own name that is not UTF-8 is nobody's.
        let text = String(decoding: header, as: UTF8.self)
        for line in text.split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":"),
                line[..<colon].lowercased() == "content-disposition"
            else { continue }
            let value = String(line[line.index(after: colon)...])
            guard Fields.mediaType(value) == "form-data", let name = parameter("name", of: value), !name.isEmpty else {
                break
            }
            let filename = parameter("filename", of: value) ?? parameter("filename*", of: value)
            return Part(name: name, filename: filename, content: content)
        }
        throw fault("a part has no Content-Disposition: form-data with a name")
    }

    /// A parameter of a header field such as `form-data; name="a"`; quotes around it, and backslashes before quotes in it, are
    /// taken off.
    private static func parameter(_ name: String, of field: String) -> String? {
        var pieces: [String.UnicodeScalarView] = [.init()]
        var isQuoted = false
        var isEscaped = false
        for scalar in field.unicodeScalars {
            if scalar == "\"", !isEscaped { isQuoted.toggle() }
            // A path of Windows has backslashes that escape nothing.
            isEscaped = isQuoted && scalar == "\\" && !isEscaped
            if scalar == ";", !isQuoted { pieces.append(.init()) } else { pieces[pieces.count - 1].append(scalar) }
        }
        for piece in pieces.dropFirst() {
            let piece = piece.drop { $0 == " " || $0 == "\t" }
            guard let equals = piece.firstIndex(of: "="), String(piece[..<equals]).lowercased() == name else {
                continue
            }
            let value = piece[piece.index(after: equals)...]
            guard value.first == "\"" else { return String(value) }
            guard value.count >= 2, value.last == "\"" else { return nil }
            return unescaped(value.dropFirst().dropLast())
        }
        return nil
    }

    /// Without the backslash before each quote.
    private static func unescaped(_ text: Substring.UnicodeScalarView) -> String {
        var plain = String.UnicodeScalarView()
        for scalar in text {
            if scalar == "\"", plain.last == "\\" { plain.removeLast() }
            plain.append(scalar)
        }
        return String(plain)
    }

    private static func find(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
        guard let first = pattern.first else { return nil }
        var rest = bytes
        while let start = rest.firstIndex(of: first) {
            if rest[start...].starts(with: pattern) { return start }
            rest = rest[(start + 1)...]
        }
        return nil
    }

    private static func fault(_ reason: String) -> APIError {
        .invalid(nil, "the body is no multipart form: \(reason)", code: "invalid_form")
    }
}
