import Foundation
import HTTP
import Media
import Support

/// `POST /sdapi/v1/png-info`: what the text chunks of a PNG say, or the comment of a JPEG or WebP. Clients ask it of the
/// pictures they were just given.
enum PNGParameters {
    /// Texts of one file that are read, and bytes of each.
    private static let (mostTexts, longestText) = (64, 1 << 20)

    static func answer(_ request: HTTPRequest) throws -> HTTPResponse {
        let fields = try Fields(json: request)
        guard let image = try fields.string("image") else { throw APIError.missing("image") }
        // As a data URL or bare.
        let base64 = image.utf8.contains(UInt8(ascii: ",")) ? String(image.drop { $0 != "," }.dropFirst()) : image
        guard let data = Data(base64Encoded: base64), let texts = texts(of: [UInt8](data)) else {
            throw APIError.invalid("image", "image is no PNG, JPEG or WebP in base64")
        }
        let items = texts.map { JSON.Member(name: $0.keyword, value: .string($0.text)) }
        let info = texts.first { $0.keyword == "parameters" }?.text ?? ""
        return .json([
            "info": .string(info), "items": .object(items), "parameters": .object(Infotext(info).members),
        ])
    }

    /// Returns nil for a file that is no picture.
    private static func texts(of file: [UInt8]) -> [(keyword: String, text: String)]? {
        if let texts = chunks(of: file) { return texts }
        guard let notes = try? FileNotes(ofPicture: file) else { return nil }
        return notes.parameters.map { [("parameters", $0)] } ?? []
    }

    /// The texts of the chunks tEXt and iTXt (PNG specification, third edition, 11.3.3) that are not compressed, the
    /// first of each keyword. Returns nil for a file that is no PNG.
    private static func chunks(of file: [UInt8]) -> [(keyword: String, text: String)]? {
        guard file.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) else { return nil }
        var texts: [(keyword: String, text: String)] = []
        var position = 8
        while position + 12 <= file.count, texts.count < mostTexts {
            let length = file[position..<position + 4].reduce(0) { $0 << 8 | Int($1) }
            guard length <= file.count - position - 12 else { break }
            let kind = String(decoding: file[position + 4..<position + 8], as: UTF8.self)
            let content = file[position + 8..<position + 8 + length]
            position += length + 12
            guard kind == "tEXt" || kind == "iTXt", length <= longestText, let entry = entry(content, kind),
                !texts.contains(where: { $0.keyword == entry.keyword })
            else { continue }
            texts.append(entry)
        }
        return texts
    }

    private static func entry(_ content: ArraySlice<UInt8>, _ kind: String) -> (keyword: String, text: String)? {
        guard let end = content.firstIndex(of: 0), end > content.startIndex else { return nil }
        let keyword = latin1(content[..<end])
        let rest = content[(end + 1)...]
        guard kind == "iTXt" else { return (keyword, latin1(rest)) }
        // A flag that says compressed, the method, the language, the keyword in that language, each of the last ended by 0.
        guard rest.first == 0, let language = rest.dropFirst(2).firstIndex(of: 0),
            let translation = rest[(language + 1)...].firstIndex(of: 0),
            let text = String(validating: rest[(translation + 1)...], as: UTF8.self)
        else { return nil }
        return (keyword, text)
    }

    private static func latin1(_ bytes: ArraySlice<UInt8>) -> String {
        String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    }
}
