import Foundation
import Media
import Pictures
import Testing

/// `Tests/Fixtures/pictures`: files, and what Pillow makes of them (make_pictures.py).
struct PictureFixtures: Decodable {
    /// Offset in expected.bin, height, width, channels.
    typealias Place = [Int]

    struct Read: Decodable, Sendable, CustomTestStringConvertible {
        let file: String
        let rgb: Place
        let rgba: Place?
        let lossy: Bool?
        var testDescription: String { file }
    }

    struct Resize: Decodable, Sendable {
        let source: [Int]
        let filter: ResizeFilter
        let box: [Float]?
        let result: Place
    }

    struct Fit: Decodable, Sendable {
        let source: [Int]
        let fit: PictureFit
        let filter: ResizeFilter
        let result: Place
    }

    struct Sizes: Decodable, Sendable {
        let source, diffusers480, diffusers720, wan480, wan720, wanRatio, qwenEdit, flux2, clip: [Int]
    }

    let pictures: [Read]
    let resizes: [Resize]
    let fits: [Fit]
    let sizes: [Sizes]

    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/pictures")

    static let manifest = Result {
        try snakeCase.decode(PictureFixtures.self, from: Data(contentsOf: folder.appending(path: "manifest.json")))
    }

    private static let expected = Result { [UInt8](try Data(contentsOf: folder.appending(path: "expected.bin"))) }

    static func file(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appending(path: name)))
    }

    static func samples(_ place: Place) throws -> [UInt8] {
        let all = try expected.get()
        try #require(place.count == 4)
        let end = place[0] + place[1] * place[2] * place[3]
        try #require(place[0] >= 0 && end <= all.count)
        return Array(all[place[0]..<end])
    }

    /// Files that hold a picture.
    static var readable: [Read] { (try? manifest.get().pictures) ?? [] }
}
