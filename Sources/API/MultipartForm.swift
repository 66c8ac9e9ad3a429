import HTTP

/// A body of `multipart/form-data` (RFC 7578), read strictly: lines end with CR LF, nothing stands outside the parts,
/// every part has a name.
package struct MultipartForm: Sendable, Equatable {
    package struct Part: Sendable, Equatable {
        package let name: String
        /// The name that the client gives a file; nil for a plain field.
        package let filename: String?
        package let content: [UInt8]
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
        guard body.starts(with: delimiter) else { throw Self.fault("it does not begin with its boundary") }
        var position = delimiter.count
        var parts: [Part] = []
        while true {
            if body[position...].starts(with: Array("--".utf8)) {
                let rest = body[(position + 2)...]
                guard rest.isEmpty || rest.elementsEqual([0x0D, 0x0A]) else {
                    throw Self.fault("there is more after its last boundary")
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
        guard let text = String(validating: header, as: UTF8.self) else { throw fault("a header is not UTF-8") }
        for line in text.split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":"),
                line[..<colon].lowercased() == "content-disposition"
            else { continue }
            let value = String(line[line.index(after: colon)...])
            guard Fields.mediaType(value) == "form-data", let name = parameter("name", of: value), !name.isEmpty else {
                break
            }
            return Part(name: name, filename: parameter("filename", of: value), content: content)
        }
        throw fault("a part has no Content-Disposition: form-data with a name")
    }

    /// A parameter of a header field such as `form-data; name="a"`; quotes around it are taken off.
    private static func parameter(_ name: String, of field: String) -> String? {
        var pieces: [String] = [""]
        var isQuoted = false
        for character in field {
            if character == "\"" { isQuoted.toggle() }
            if character == ";", !isQuoted { pieces.append("") } else { pieces[pieces.count - 1].append(character) }
        }
        for piece in pieces.dropFirst() {
            let piece = piece.drop { $0 == " " || $0 == "\t" }
            guard let equals = piece.firstIndex(of: "="), piece[..<equals].lowercased() == name else { continue }
            let value = piece[piece.index(after: equals)...]
            guard value.hasPrefix("\"") else { return String(value) }
            return value.count >= 2 && value.hasSuffix("\"") ? String(value.dropFirst().dropLast()) : nil
        }
        return nil
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
