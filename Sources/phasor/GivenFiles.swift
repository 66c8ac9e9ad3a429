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

    /// - Parameter image: the picture to change, or the first frame; to a model that makes nothing without a reference, one.
    /// - Throws: `ValidationError` for a file that cannot be read or is no picture.
    init(image: String?, lastImage: String?, references: [String], for model: Pipeline) throws {
        first = try image.map { try Self.read($0, "--image") }
        last = try lastImage.map { try Self.read($0, "--last-image") }
        self.references = try references.map { try Self.read($0, "--reference") }
        if model.traits.pictures.needsReference, let picture = first {
            self.references.insert(picture, at: 0)
            first = nil
        }
    }

    private static func read(_ path: String, _ flag: String) throws -> PictureFile {
        do {
            return try PictureFile(path: path)
        } catch {
            throw ValidationError("\(flag) \(path): \(error)")
        }
    }

    /// The size where none is asked for.
    func usualSize(of model: Pipeline) -> (Int, Int) {
        let size = model.usualSize(first: first?.size, references: references.map(\.size))
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
