import ArgumentParser
import Foundation
import Jobs
import Models
import Pictures
import Pipelines
import Support

/// The pictures that a command was given as files.
struct GivenFiles {
    private typealias Given = (file: PictureFile, picture: RGBImage)

    private let first: Given?
    private let last: Given?
    private let references: [Given]

    /// - Parameter image: the picture to change, or the first frame; to a model that looks at pictures, those. More than one is a
    ///   fault to any other.
    /// - Throws: `ValidationError` for a file that cannot be read or is no picture.
    init(image: [String], lastImage: String?, references: [String], hasStrength: Bool, for model: Pipeline) throws {
        last = try lastImage.map { try Self.read($0, "--last-image") }
        let sorted = model.traits.pictures.sorted(
            image: try image.map { try Self.read($0, "--image") },
            images: try references.map { try Self.read($0, "--reference") }, hasStrength: hasStrength)
        guard sorted.first.count <= 1 else {
            throw ValidationError("--image: \(sorted.first.count) pictures given; \(model.id) takes one")
        }
        (first, self.references) = (sorted.first.first, sorted.references)
    }

    private static func read(_ path: String, _ flag: String) throws -> Given {
        do {
            return try PictureFile.decoded(path: path)
        } catch {
            throw ValidationError("\(flag) \(path): \(error)")
        }
    }

    var referenceSizes: [PixelSize] { references.map(\.file.size) }

    /// The size where none is asked for.
    func usualSize(of model: Pipeline) -> (Int, Int) {
        let size = model.usualSize(first: first?.file.size, references: referenceSizes)
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
extension LatentDecoder: ExpressibleByArgument {}
