import Pictures

/// The pictures that a request starts from, upright, as somebody decoded them.
package struct GivenPictures: Sendable, Equatable {
    /// The first frame of a clip, or the picture that is to be changed by strength.
    package var first: RGBImage?
    /// The last frame of a clip.
    package var last: RGBImage?
    /// Pictures that a network looks at to make another one: edits.
    package var references: [RGBImage]
    /// What becomes of a first or last picture whose sides have another ratio than the result's.
    package var fit: PictureFit

    package init(
        first: RGBImage? = nil, last: RGBImage? = nil, references: [RGBImage] = [], fit: PictureFit = .crop
    ) {
        self.first = first
        self.last = last
        self.references = references
        self.fit = fit
    }

    package var isEmpty: Bool { first == nil && last == nil && references.isEmpty }
}

/// What sides of a picture a network can look at.
package struct SideRule: Sendable, Equatable {
    /// Pixels of the shorter side, at least.
    private let least: Int
    /// How many times the shorter side the longer one may be.
    private let mostAspect: Int

    package init(least: Int = 1, mostAspect: Int = .max) {
        (self.least, self.mostAspect) = (least, mostAspect)
    }

    /// Why a picture of these sides is not looked at; nil if it is.
    package func refusal(width: Int, height: Int) -> String? {
        let (short, long) = (min(width, height), max(width, height))
        if short < least {
            return "it has \(width)x\(height) pixels; each side of a reference must be at least \(least)"
        }
        // Divided, for products of the largest sides do not fit.
        if short == 0 || long / short > mostAspect || long / short == mostAspect && long % short > 0 {
            return "it has \(width)x\(height) pixels; one side of a reference may be at most \(mostAspect) times the "
                + "other"
        }
        return nil
    }
}

/// Which pictures a model's network reads.
package struct PictureInputs: Sendable, Equatable {
    package enum Need: String, Sendable, Codable {
        case never, optional, required
    }

    /// A first frame (Wan image to video).
    package var first: Need
    /// A last frame beside a first one.
    package var last: Need
    /// How many reference pictures (FLUX.2, Qwen-Image-Edit); `0...0` for a network that reads none.
    package var references: ClosedRange<Int>
    /// What sides a reference may have.
    package var referenceSides: SideRule
    /// Where it is set, a result that no size is asked for has the last reference's ratio: both sides to the nearest of such
    /// multiples.
    package var resultMultiple: Int?

    package init(
        first: Need = .never, last: Need = .never, references: ClosedRange<Int> = 0...0,
        referenceSides: SideRule = SideRule(), resultMultiple: Int? = nil
    ) {
        self.first = first
        self.last = last
        self.references = references
        self.referenceSides = referenceSides
        self.resultMultiple = resultMultiple
    }

    /// Whether nothing is made without a picture.
    package var isRequired: Bool { first == .required || needsReference }

    /// Whether nothing is made without a reference: a picture of whatever name can only be one.
    package var needsReference: Bool { references.lowerBound > 0 }

    /// Which of the pictures that a request calls `image` are references, before those that it calls `images`: all of them for
    /// a model that looks at pictures, but where one is to be changed by strength and the model can.
    /// - Parameter hasStrength: whether the request names a strength.
    /// - Returns: `first`, those to change by strength or to begin a clip with: more than one is a fault.
    package func sorted<Picture>(
        image: [Picture], images: [Picture], hasStrength: Bool
    ) -> (first: [Picture], references: [Picture]) {
        looksAtImage && (needsReference || !hasStrength) ? ([], image + images) : (image, images)
    }

    /// Whether `image` is a picture to look at where no strength is named.
    package var looksAtImage: Bool { references.upperBound > 0 }

    /// Whether a picture can be made of a first one by strength: the network does not have to read one.
    package var changesByStrength: Bool { first != .required && !needsReference }

    /// Whether a first picture is changed by strength where so many frames are made. A network that reads a first frame reads
    /// it in clips.
    package func changesByStrength(frames: Int) -> Bool { changesByStrength && (first == .never || frames == 1) }

    /// A network of text to image or text to video.
    package static let none = PictureInputs()
}
