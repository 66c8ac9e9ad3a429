import Foundation
import PromptText

/// What sizes a model makes, and what it makes when it is not told.
package struct SizeLimits: Sendable, Equatable {
    /// Sides are multiples of this many pixels: the VAE's factor times the patch of the transformer.
    package let sideMultiple: Int
    /// A clip has `frameMultiple * k + 1` frames, the VAE's factor in time.
    package let frameMultiple: Int
    package let defaultWidth: Int
    package let defaultHeight: Int
    package let defaultFrames: Int
    package let defaultFPS: Int
    package let maximumPixels: Int
    package let maximumFrames: Int

    /// - Parameter defaults: up to four times this area and twice this length are accepted.
    package init(sideMultiple: Int, frameMultiple: Int, defaults: Defaults) {
        self.sideMultiple = sideMultiple
        self.frameMultiple = frameMultiple
        defaultWidth = defaults.width
        defaultHeight = defaults.height
        defaultFrames = defaults.frames
        defaultFPS = defaults.fps
        maximumPixels = 4 * defaultWidth * defaultHeight
        maximumFrames = 2 * (defaultFrames - 1) + 1
    }

    /// Limits that no file says: of a model that is not a folder.
    package init(sideMultiple: Int, frameMultiple: Int, width: Int, height: Int, frames: Int, fps: Int) {
        self.init(
            sideMultiple: sideMultiple, frameMultiple: frameMultiple,
            defaults: Defaults(width: width, height: height, frames: frames, fps: fps))
    }

    /// `"defaults"` of `phases.json`, or of a family.
    package struct Defaults: Sendable {
        let width: Int
        let height: Int
        let frames: Int
        let fps: Int

        package init(width: Int, height: Int, frames: Int, fps: Int) {
            self.width = width
            self.height = height
            self.frames = frames
            self.fps = fps
        }
    }

    private struct File: Decodable { let defaults: Defaults? }

    /// The limits of a `phases.json`, else those of the family.
    /// - Throws: `TextError` that names the file and the key for what cannot be read, `ModelError.notAModel` for values the
    ///   model itself could not make.
    package static func read(
        phases: String?, sideMultiple: Int, frameMultiple: Int, family: Defaults
    ) throws -> SizeLimits {
        guard let phases, let defaults = try JSONFile.decode(File.self, at: URL(fileURLWithPath: phases)).defaults
        else {
            return SizeLimits(sideMultiple: sideMultiple, frameMultiple: frameMultiple, defaults: family)
        }
        for (field, side) in [("width", defaults.width), ("height", defaults.height)] {
            guard 1...16384 ~= side, side % sideMultiple == 0 else {
                throw ModelError.notAModel(
                    folder: phases,
                    reason: "defaults.\(field) is \(side), expected a multiple of \(sideMultiple)")
            }
        }
        guard family.frames > 1 || defaults.frames == 1 else {
            throw ModelError.notAModel(
                folder: phases,
                reason: "defaults.frames is \(defaults.frames), but the model makes single pictures")
        }
        guard 1...10000 ~= defaults.frames, defaults.frames % frameMultiple == 1 else {
            throw ModelError.notAModel(
                folder: phases,
                reason: "defaults.frames is \(defaults.frames), expected \(frameMultiple)k + 1")
        }
        guard frameRates ~= defaults.fps else {
            throw ModelError.notAModel(
                folder: phases, reason: "defaults.fps is \(defaults.fps), expected \(frameRates)")
        }
        return SizeLimits(sideMultiple: sideMultiple, frameMultiple: frameMultiple, defaults: defaults)
    }

    /// Frames a second that a clip may have.
    package static let frameRates = 1...240

    /// Whether more than one frame is possible at all.
    package var makesClips: Bool { maximumFrames > 1 }

    /// Tokens of a picture: the transformer sees one for each square of `sideMultiple` pixels.
    package func tokens(width: Int, height: Int) -> Int { (width / sideMultiple) * (height / sideMultiple) }

    /// Why pictures of that size are not possible, or nil.
    package func refusal(width: Int, height: Int) -> String? {
        for (name, side) in [("width", width), ("height", height)] {
            guard side > 0, side % sideMultiple == 0 else {
                return "the \(name) is \(side) and must be a positive multiple of \(sideMultiple)"
            }
        }
        let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
        guard !overflow, pixels <= maximumPixels else {
            return "\(width)x\(height) is more than the \(maximumPixels) pixels allowed"
        }
        return nil
    }

    /// Why that many frames are not possible, or nil.
    package func refusal(frames: Int) -> String? {
        guard makesClips || frames == 1 else { return "must be 1: the model makes single pictures" }
        guard frames >= 1, (frames - 1) % frameMultiple == 0 else {
            return "must be \(frameMultiple)k + 1: 1, \(frameMultiple + 1), \(2 * frameMultiple + 1), ..."
        }
        return frames <= maximumFrames ? nil : "must be at most \(maximumFrames)"
    }
}

extension SizeLimits.Defaults: Decodable {
    private enum Key: String, CodingKey { case width, height, frames, fps }

    /// - Throws: `DecodingError` that names the key, also for a number that is not whole, of which `Int` would not tell where
    ///   it stands.
    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        func whole(_ key: Key) throws -> Int {
            let number = try fields.decode(Double.self, forKey: key)
            guard let value = Int(exactly: number) else {
                throw DecodingError.dataCorruptedError(
                    forKey: key, in: fields, debugDescription: "is \(number), expected a whole number")
            }
            return value
        }
        self.init(
            width: try whole(.width), height: try whole(.height), frames: try whole(.frames), fps: try whole(.fps))
    }
}
