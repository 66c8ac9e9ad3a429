import ArgumentParser
import Foundation
import Jobs
import Media
import Models
import Pictures
import Pipelines
import Support

/// The pictures that a command was given as files.
struct GivenFiles {
    private var first: PictureFile?
    private var last: PictureFile?
    private var references: [PictureFile]

    /// - Throws: `ValidationError` for a file that cannot be read or is no picture.
    init(image: String?, lastImage: String?, references: [String]) throws {
        first = try image.map { try Self.read($0, "--image") }
        last = try lastImage.map { try Self.read($0, "--last-image") }
        self.references = try references.map { try Self.read($0, "--reference") }
    }

    private static func read(_ path: String, _ flag: String) throws -> PictureFile {
        do {
            return try PictureFile(path: path)
        } catch {
            throw ValidationError("\(flag) \(path): \(error)")
        }
    }

    /// The default size, of the aspect of the first picture.
    func usualSize(_ sizes: SizeLimits) -> (Int, Int) {
        guard let picture = first ?? references.first else { return (sizes.defaultWidth, sizes.defaultHeight) }
        let size = sizes.usual(like: PixelSize(width: picture.width, height: picture.height))
        return (size.width, size.height)
    }

    func name(in request: inout GenerationRequest) {
        (request.image, request.lastImage) = (first?.digest, last?.digest)
        request.images = references.isEmpty ? nil : references.map(\.digest)
    }

    func pictures(fit: PictureFit?) throws -> GivenPictures {
        func decoded(_ file: PictureFile) throws -> RGBImage { try Picture.decode(file.bytes) }
        return GivenPictures(
            first: try first.map(decoded), last: try last.map(decoded), references: try references.map(decoded),
            fit: fit ?? .crop)
    }
}

extension PictureFit: ExpressibleByArgument {}
extension LatentDecoder: ExpressibleByArgument {}
