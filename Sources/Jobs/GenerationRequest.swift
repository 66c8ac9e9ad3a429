import Media
import Pictures
import Pipelines
import Support

/// What a client wants: the values as they were accepted, so that the same request gives the same bytes again.
///
/// Its JSON is the `parameters` of a job; the keys are the fields of the HTTP API.
package struct GenerationRequest: Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        case image, video
    }

    package var kind: Kind
    package var prompt: String
    package var negativePrompt: String?
    /// The model's id, as `Pipeline.id` gives it.
    package var model: String
    /// One of the model's generators, such as `student` or `teacher`; nil is the model's default.
    package var generator: String?
    package var width: Int
    package var height: Int
    /// 1 for an image.
    package var frames: Int
    /// Frames a second of a video; an image ignores it.
    package var fps: Int
    /// Images of one request; image k has the seed `seed + k` and its own random stream. 1 for a video.
    package var count: Int
    package var seed: UInt64
    package var steps: Int?
    /// The guidance scale of the first phase (high-noise expert), and of all phases unless `guidanceScale2` is given.
    package var guidanceScale: Float?
    /// The guidance scale of the phases after the first (low-noise expert).
    package var guidanceScale2: Float?
    /// LoRA files on top of those of the model; nil is none.
    package var loras: [LoRA]?
    /// The picture that is changed by strength, or the first frame of a clip: its SHA-256.
    package var image: String?
    /// The last frame of a clip.
    package var lastImage: String?
    /// Pictures that the network looks at.
    package var images: [String]?
    /// What becomes of a first or last picture of another aspect; nil is `crop`.
    package var fit: PictureFit?
    /// How far `image` is changed where the network does not read it; nil is the usual strength.
    package var strength: Float?
    /// What a picture is written as; nil is PNG.
    package var outputFormat: PictureFormat?
    /// Quality of a JPEG or WebP, 0 to 100; nil is 100.
    package var outputCompression: Int?
    /// The size that what was made is scaled to; nil leaves it as it was made.
    package var scaledSize: PixelSize?
    /// What makes frames of the latents; nil is the model's default.
    package var decoder: LatentDecoder?
    /// Partial pictures to make on the way: at most one a step, none of the last step; 0 is none.
    package var previews: Int
    /// How a video is coded; nil is H.264.
    package var codec: VideoOptions.Codec?
    /// Samples of a video; nil is 4:2:0.
    package var pixelFormat: VideoOptions.PixelFormat?
    /// Constant rate factor of a video; nil is the encoder's default.
    package var crf: Int?
    /// Encoder preset of a video; nil is the encoder's default.
    package var preset: String?

    /// `previews` for a picture of every step but the last.
    package static let previewEveryStep = 1000
    package static let counts = 1...10

    /// A seed that nobody named, small enough for any JSON reader.
    package static func drawSeed() -> UInt64 { UInt64.random(in: 0...UInt64(UInt32.max)) }

    /// - Parameter seed: nil when the client gave none: one is drawn.
    package init(
        kind: Kind, prompt: String, negativePrompt: String? = nil, model: String, generator: String? = nil,
        width: Int, height: Int, frames: Int = 1, fps: Int = 16, count: Int = 1, seed: UInt64? = nil,
        steps: Int? = nil, guidanceScale: Float? = nil, guidanceScale2: Float? = nil,
        loras: [LoRA] = [], previews: Int = 0, crf: Int? = nil, preset: String? = nil
    ) {
        self.kind = kind
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.model = model
        self.generator = generator
        self.width = width
        self.height = height
        self.frames = frames
        self.fps = fps
        self.count = count
        self.seed = seed ?? Self.drawSeed()
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.guidanceScale2 = guidanceScale2
        self.loras = loras.isEmpty ? nil : loras
        self.previews = previews
        self.crf = crf
        self.preset = preset
    }

    private enum CodingKeys: String, CodingKey {
        case kind, prompt, model, generator, width, height, fps, seed, loras, codec, crf, preset, image, images, fit,
            strength, decoder
        case negativePrompt = "negative_prompt"
        case pixelFormat = "pixel_format"
        case lastImage = "last_image"
        case outputFormat = "output_format"
        case outputCompression = "output_compression"
        case scaledSize = "scaled_size"
        case frames = "num_frames"
        case count = "n"
        case steps = "num_inference_steps"
        case guidanceScale = "guidance_scale"
        case guidanceScale2 = "guidance_scale_2"
        case previews = "partial_images"
    }

    /// The seed of image `index` of `count`.
    package func seed(ofImage index: Int) -> UInt64 { seed &+ UInt64(index) }
}
