import Foundation
import Pictures
import PromptText
import Tensor

/// What makes patches of a picture for the vision tower of Qwen2.5-VL: `preprocessor_config.json` of a transformers
/// `Qwen2VLImageProcessor`, or in its place the part of it in a `processor_config.json`, which transformers 5 saves.
package struct QwenPictureProcessor: Sendable {
    /// Pixels along a side of a patch, and equal frames in it.
    private let patch, frames: Int
    /// Pixels that a picture has at least and at most.
    private let pixels: ClosedRange<Int>
    private let mean, deviation: [Float]

    /// One side of a picture may be so many times the other at most.
    package static let sides = SideRule(mostAspect: 200)

    /// The published numbers, which are CLIP's means and deviations.
    package init(for tower: QwenVisionConfig) {
        (patch, frames) = (tower.patch, tower.frames)
        pixels = 3136...12_845_056
        (mean, deviation) = (Self.published.mean, Self.published.deviation)
    }

    private static let published: (mean: [Float], deviation: [Float]) = (
        [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    )

    /// What a folder of a processor says; nil for one that says nothing.
    /// - Throws: `TextError` that names the file and the field, also for patches that are not the tower's.
    package static func read(in folder: URL, for tower: QwenVisionConfig) throws(TextError) -> QwenPictureProcessor? {
        func isThere(_ file: URL) -> Bool { FileManager.default.fileExists(atPath: file.path) }
        let own = folder.appending(path: "preprocessor_config.json")
        if isThere(own) { return try made(of: JSONFile.decode(File.self, at: own), in: own, for: tower) }
        let whole = folder.appending(path: "processor_config.json")
        guard isThere(whole), let part = try JSONFile.decode(Whole.self, at: whole).pictures else { return nil }
        return try made(of: part, in: whole, for: tower)
    }

    private static func made(
        of read: File, in file: URL, for tower: QwenVisionConfig
    ) throws(TextError) -> QwenPictureProcessor {
        func fault(_ field: String, _ reason: String) -> TextError {
            .invalid(file: file.path, field: field, reason: reason)
        }
        let own = QwenPictureProcessor(for: tower)
        guard read.patch ?? tower.patch == tower.patch, read.frames ?? tower.frames == tower.frames else {
            throw fault("patch_size", "is not the vision tower's: \(tower.patch) pixels, \(tower.frames) frames")
        }
        guard read.merge ?? QwenVisionConfig.merge == QwenVisionConfig.merge else {
            throw fault("merge_size", "must be \(QwenVisionConfig.merge)")
        }
        let steps = [("do_resize", read.resizes), ("do_rescale", read.rescales), ("do_normalize", read.normalizes)]
        if let (step, _) = steps.first(where: { $0.1 == false }) { throw fault(step, "false is not supported") }
        guard read.filter ?? bicubic == bicubic else { throw fault("resample", "must be \(bicubic), bicubic") }
        guard abs((read.factor ?? 1.0 / 255) * 255 - 1) < 1e-6 else { throw fault("rescale_factor", "must be 1 / 255") }
        let least = read.size?.least ?? read.least ?? own.pixels.lowerBound
        let most = read.size?.most ?? read.most ?? own.pixels.upperBound
        guard 1...most ~= least, most <= 1 << 28 else {
            throw fault("size", "\(least)...\(most) pixels: expected 1...\(1 << 28), the shortest first")
        }
        let (mean, deviation) = (read.mean ?? own.mean, read.deviation ?? own.deviation)
        guard mean.count == 3, deviation.count == 3, deviation.allSatisfy({ $0 > 0 }) else {
            throw fault("image_mean, image_std", "must be three numbers each, the deviations above 0")
        }
        return QwenPictureProcessor(
            patch: tower.patch, frames: tower.frames, pixels: least...most, mean: mean, deviation: deviation)
    }

    private init(patch: Int, frames: Int, pixels: ClosedRange<Int>, mean: [Float], deviation: [Float]) {
        (self.patch, self.frames, self.pixels) = (patch, frames, pixels)
        (self.mean, self.deviation) = (mean, deviation)
    }

    private struct File: Decodable {
        struct Size: Decodable {
            let least, most: Int?

            enum CodingKeys: String, CodingKey {
                case least = "shortest_edge"
                case most = "longest_edge"
            }
        }

        let size: Size?
        let least, most, patch, frames, merge, filter: Int?
        let mean, deviation: [Float]?
        let resizes, rescales, normalizes: Bool?
        let factor: Double?

        enum CodingKeys: String, CodingKey {
            case size
            case least = "min_pixels"
            case most = "max_pixels"
            case patch = "patch_size"
            case frames = "temporal_patch_size"
            case merge = "merge_size"
            case mean = "image_mean"
            case deviation = "image_std"
            case filter = "resample"
            case resizes = "do_resize"
            case rescales = "do_rescale"
            case normalizes = "do_normalize"
            case factor = "rescale_factor"
        }
    }

    private struct Whole: Decodable {
        let pictures: File?

        enum CodingKeys: String, CodingKey { case pictures = "image_processor" }
    }

    /// The number of Pillow's filter.
    private static let bicubic = 3

    /// The sides that a picture is brought to: multiples of two patches, of an area within the limits.
    ///
    /// Reference: `smart_resize` of transformers' image_processing_qwen2_vl.py.
    /// - Throws: `ModelError.unusablePicture` for one that is too long and thin.
    package func size(of picture: PictureSize) throws -> PictureSize {
        let (width, height) = (picture.width, picture.height)
        if let reason = Self.sides.refusal(width: width, height: height) {
            throw ModelError.unusablePicture(reason: reason)
        }
        let unit = patch * QwenVisionConfig.merge
        func side(_ side: Int, _ scale: Double, _ rule: FloatingPointRoundingRule) -> Int {
            max(Int((Double(side) * scale / Double(unit)).rounded(rule)), 1) * unit
        }
        let (wide, high) = (side(width, 1, .toNearestOrEven), side(height, 1, .toNearestOrEven))
        if wide * high > pixels.upperBound {
            let scale = (Double(pixels.upperBound) / Double(width * height)).squareRoot()
            return PictureSize(width: side(width, scale, .down), height: side(height, scale, .down))
        }
        if wide * high < pixels.lowerBound {
            let scale = (Double(pixels.lowerBound) / Double(width * height)).squareRoot()
            return PictureSize(width: side(width, scale, .up), height: side(height, scale, .up))
        }
        return PictureSize(width: wide, height: high)
    }

    /// The patches `[n, 3 * frames * patch * patch]` of a picture, group by group; inside a row colour, frame, row, column.
    /// - Throws: as `size`.
    package func patches(of picture: RGBImage) throws -> (values: Tensor, grid: PatchGrid) {
        let size = try size(of: PictureSize(width: picture.width, height: picture.height))
        let resized = try picture.resized(width: size.width, height: size.height, filter: .bicubic)
        let grid = PatchGrid(rows: size.height / patch, columns: size.width / patch)
        let places = grid.places
        let values = Tensor(shape: [places.count, 3 * frames * patch * patch]) { out in
            var index = 0
            for place in places {
                for channel in 0..<3 {
                    for _ in 0..<frames {
                        for y in 0..<patch {
                            let row = (place.row * patch + y) * size.width + place.column * patch
                            for x in 0..<patch {
                                let sample = Float(resized.bytes[(row + x) * 3 + channel]) / 255
                                out[index] = (sample - mean[channel]) / deviation[channel]
                                index += 1
                            }
                        }
                    }
                }
            }
        }
        return (values, grid)
    }
}
