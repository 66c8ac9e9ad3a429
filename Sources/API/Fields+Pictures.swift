import Foundation
import Jobs
import Media
import Support

/// Pictures in a request: files of a form, and base64 or data URLs in JSON. Nothing is fetched, and no path is opened.
extension Fields {
    /// The pictures of a field and the name they came under; nil where none are given.
    func pictures(_ field: RequestField, _ taker: RequestField.Taker) throws -> (name: String, files: [[UInt8]])? {
        let given = field.allNames(for: taker).filter { self[$0] != nil || files[$0] != nil }
        guard let name = given.first else { return nil }
        guard given.count == 1 else {
            throw APIError.invalid(given[1], "\(given[1]) and \(name) say two things; give one of them")
        }
        return (name, try pictures(name))
    }

    /// - Throws: `APIError` for what is no base64, and for more than `RequestFields.mostPictures`.
    func pictures(_ name: String) throws -> [[UInt8]] {
        var all = files[name] ?? []
        if let value = self[name] {
            let values = if case .array(let elements) = value { elements } else { [value] }
            guard values.count <= RequestFields.mostPictures else { throw tooMany(name, values.count) }
            all += try values.map { try bytes($0, name) }
        }
        guard all.count <= RequestFields.mostPictures else { throw tooMany(name, all.count) }
        return all
    }

    private func tooMany(_ name: String, _ count: Int) -> APIError {
        .invalid(name, "\(name): \(count) pictures given; at most \(RequestFields.mostPictures) are taken")
    }

    private func bytes(_ value: JSON, _ name: String) throws -> [UInt8] {
        switch value {
        case .object(let members):
            // OpenAI's: {"image_url": "data:..."}, in conversations {"image_url": {"url": "data:..."}}; answers have b64_json.
            let given = Self.keys.lazy.compactMap { key in members.first { $0.name == key && $0.value != .null } }.first
            guard let given else {
                let isNamed = members.contains { $0.name == "file_id" }
                throw APIError.invalid(
                    name,
                    isNamed
                        ? "\(name) names a file_id; this server keeps no files: send image_url with a data URL"
                        : "\(name) is an object without image_url")
            }
            if given.name == "image_url", case .object(let inner) = given.value {
                guard let url = inner.first(where: { $0.name == "url" })?.value, case .string(let text) = url else {
                    throw APIError.invalid(name, "\(name): image_url is an object without url")
                }
                return try Self.bytes(text, name)
            }
            guard case .string(let text) = given.value else {
                throw wrong("\(name): \(given.name)", given.value, "base64, or a data URL")
            }
            return try Self.bytes(text, name)
        case .string(let text): return try Self.bytes(text, name)
        default: throw wrong(name, value, "base64, or a data URL")
        }
    }

    /// Where an object has the picture, the first that is there.
    private static let keys = ["image_url", "url", "b64_json"]

    private static func bytes(_ text: String, _ name: String) throws -> [UInt8] {
        var base64 = text[...]
        let head = text.utf8.prefix(8).map { $0 | 0x20 }
        if head.starts(with: "http:".utf8) || head.starts(with: "https:".utf8) || head.starts(with: "file:".utf8) {
            throw APIError.invalid(
                name,
                "\(name) is an address; this server fetches none: send the picture's bytes, as base64 or a data URL")
        }
        if head.starts(with: "data:".utf8) {
            guard let comma = text.utf8.firstIndex(of: UInt8(ascii: ",")),
                text.utf8[..<comma].elementsEqual(text[..<comma].utf8), text[..<comma].lowercased().hasSuffix(";base64")
            else { throw APIError.invalid(name, "\(name) is a data URL, but not one in base64") }
            base64 = text[text.utf8.index(after: comma)...]
        }
        guard let data = Data(base64Encoded: Data(base64.utf8), options: .ignoreUnknownCharacters), !data.isEmpty,
            base64.utf8.allSatisfy({ isBase64($0) })
        else {
            throw APIError.invalid(name, "\(name) is neither base64 nor a data URL of a picture", code: "invalid_image")
        }
        return Array(data)
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="), 0x0A, 0x0D,
            0x20:
            true
        default: false
        }
    }
}

/// Decodes what clients send, one picture at a time: so many at once as there are clients would take their memory all
/// together.
actor PictureReader {
    static let shared = PictureReader()

    /// - Throws: `APIError` that names the field.
    func read(_ bytes: [UInt8], _ name: String) throws -> PictureFile {
        do {
            return try PictureFile(bytes)
        } catch {
            throw APIError.invalid(name, "\(name): \(error)", code: "invalid_image")
        }
    }
}
