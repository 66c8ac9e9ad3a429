import ArgumentParser
import Foundation
import Jobs
import Models
import Pictures
import Support

/// The pictures that a command was given as files.
struct GivenFiles {
    private typealias Given = (file: PictureFile, picture: RGBImage)

    private let first: Given?
    private let last: Given?
    private let references: [Given]

    /// - Throws: `ValidationError` for a file that cannot be read or is no picture.
    init(image: String?, lastImage: String?, references: [String]) throws {
        first = try image.map { try Self.read($0, "--image") }
        last = try lastImage.map { try Self.read($0, "--last-image") }
        self.references = try references.map { try Self.read($0, "--reference") }
    }

    private static func read(_ path: String, _ flag: String) throws -> Given {
        do {
            return try PictureFile.decoded(path: path)
        } catch {
            throw ValidationError("\(flag) \(path): \(error)")
        }
    }

    /// The default size, of the aspect of the first picture.
    func usualSize(_ sizes: SizeLimits) -> (Int, Int) {
        guard let picture = (first ?? references.first)?.picture else {
            return (sizes.defaultWidth, sizes.defaultHeight)
        }
        let size = sizes.usual(like: PixelSize(width: picture.width, height: picture.height))
        return (size.width, size.height)
    }

    func name(in request: inout GenerationRequest) {
        (request.image, request.lastImage) = (first?.file.digest, last?.file.digest)
        request.images = references.isEmpty ? nil : references.map(\.file.digest)
    }

    func pictures(fit: PictureFit) -> GivenPictures {
        GivenPictures(
            first: first?.picture, last: last?.picture, references: references.map(\.picture), fit: fit)
    }
}

extension PictureFit: ExpressibleByArgument {}
