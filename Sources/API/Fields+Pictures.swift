import Foundation
import Jobs
import Media
import Support

/// Pictures in a request: files of a form, and base64 or data URLs in JSON. Nothing is fetched, and no path is opened.
extension Fields {
    /// Fields that files of a form may be; `mask` only to be refused by name.
    static let fileNames: Set = Set(
        [RequestFields.image, RequestFields.lastImage, RequestFields.images]
            .flatMap { $0.allNames(for: .image) + $0.allNames(for: .video) } + ["mask"])

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
            // OpenAI's: {"image_url": "data:..."}.
            guard let url = members.first(where: { $0.name == "image_url" })?.value, case .string = url else {
                throw APIError.invalid(name, "\(name) is an object without image_url")
            }
            return try bytes(url, name)
        case .string(let text): return try Self.bytes(text, name)
        default: throw wrong(name, value, "base64, or a data URL")
        }
    }

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
