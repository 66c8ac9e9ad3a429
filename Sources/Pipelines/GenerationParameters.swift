import Models

/// What one picture or clip is to be. Every way to ask for one (HTTP, the command line, a manifest, a benchmark) becomes
/// this, so the same parameters give the same bytes wherever they come from.
package struct GenerationParameters: Sendable {
    package var prompt: String
    package var negativePrompt: String?
    package var width: Int
    package var height: Int
    /// 1 for a picture.
    package var frames: Int
    package var seed: UInt64
    /// The generator; nil for the model's default.
    package var generator: String?
    /// The number of steps; nil for the generator's own.
    package var steps: Int?
    /// The guidance scale of the first phase, and of all phases unless `guidanceScale2` is given; nil for the
    /// generator's own.
    package var guidanceScale: Float?
    /// The guidance scale of the phases after the first.
    package var guidanceScale2: Float?
    package var pictures: GivenPictures
    /// How far a first picture is changed that the network itself does not read: the sigma to start at, in (0, 1].
    package var strength: Float
    /// The decoder; nil for the model's default.
    package var decoder: LatentDecoder?

    package static let defaultStrength: Float = 0.75

    package init(
        prompt: String, negativePrompt: String? = nil, width: Int, height: Int, frames: Int = 1, seed: UInt64 = 0,
        generator: String? = nil, steps: Int? = nil, guidanceScale: Float? = nil, guidanceScale2: Float? = nil,
        pictures: GivenPictures = GivenPictures(), strength: Float = Self.defaultStrength,
        decoder: LatentDecoder? = nil
    ) {
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.width = width
        self.height = height
        self.frames = frames
        self.seed = seed
        self.generator = generator
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.guidanceScale2 = guidanceScale2
        self.pictures = pictures
        self.strength = strength
        self.decoder = decoder
    }
}
