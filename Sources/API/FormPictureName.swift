import Jobs
import Support

/// What a part of a form with a picture is called: a field, and in brackets after it a place in its list, or a member of its
/// object, as clients flatten `image: [{"image_url": ...}]`.
struct FormPictureName {
    /// Fields that pictures of a form may be; `mask` only to be refused by name.
    static let fields: Set = Set(
        [RequestFields.image, RequestFields.lastImage, RequestFields.images]
            .flatMap { $0.allNames(for: .image) + $0.allNames(for: .video) } + ["mask"])

    let field: String
    /// nil for the picture itself.
    private let member: String?

    /// Nil for what is no picture's name.
    init?(_ name: String) {
        var pieces = name.utf8.split(separator: UInt8(ascii: "["), omittingEmptySubsequences: false)
        field = String(pieces.removeFirst()) ?? ""
        guard Self.fields.contains(field) else { return nil }
        var member: String?
        for piece in pieces {
            guard piece.last == UInt8(ascii: "]"), let text = String(piece.dropLast()) else { return nil }
            if !text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) { member = text }
        }
        self.member = member
    }

    /// The text of the part as JSON would have it.
    func value(_ text: String) -> JSON {
        guard let member else { return .string(text) }
        return .object([JSON.Member(name: member, value: .string(text))])
    }
}
