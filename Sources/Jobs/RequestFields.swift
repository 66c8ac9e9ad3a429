import Diffusion
import Media
import Models
import Pictures
import Pipelines
import Support

/// The one list of the fields of requests.
package enum RequestFields {
    /// Unicode scalars. In UTF-8 they are never more than the bytes that `GenerationRequest.longestPrompt` allows.
    package static let longestPrompt = 4096
    /// Seeds are 63 bits, so that signed readers keep them.
    package static let seeds = 0...Int.max
    /// What draws a seed in place of one, as clients of other programs write it; HTTP's takers and `generate` know it.
    package static let drawnSeed = -1
    package static let steps = 1...SigmaSchedule.maximumSteps
    package static let scales = 0.0...100.0
    /// The most previews of each image, where the large VAE makes them.
    package static let mostPreviews = 3
    package static let strengths = 0.0...1.0
    /// Reference pictures of one request.
    package static let mostPictures = 16

    private static let http: [RequestField.Taker] = [.image, .video]
    private static let own: [RequestField.Taker] = [.image, .video, .manifest]
    private static let made: [RequestField.Taker] = [.image, .video, .manifest, .generate]
    private static let clips: [RequestField.Taker] = [.video, .manifest, .generate, .render]

    package static let prompt = RequestField(
        "prompt", .text(longest: longestPrompt), own + [.webUI, .render],
        "What is to be seen; without NUL, and of no more tokens than the model reads", help: "What to show")
    package static let negativePrompt = RequestField(
        "negative_prompt", .text(longest: longestPrompt), made + [.webUI],
        "What is not to be seen, where guidance is on")
    package static let model = RequestField(
        "model", .name, [.image, .video, .webUI], as: [.webUI: "sd_model_checkpoint"],
        "An id or alias of /v1/models; the default model when left out")
    package static let size = RequestField(
        "size", .size, made, "WIDTHxHEIGHT, each a multiple of the model's; see /v1/capabilities",
        help: "Width and height in pixels (default: the model's)")
    package static let width = RequestField(
        "width", .integer(1...65536), [.image, .video, .webUI], "With height, the same as size")
    package static let height = RequestField(
        "height", .integer(1...65536), [.image, .video, .webUI], "With width, the same as size")
    package static let seed = RequestField(
        "seed", .integer(seeds), http + [.webUI, .generate], "Image k of n has seed + k. Drawn when left out or -1",
        help: "Where the noise begins: 0 or any whole number above it; -1 draws one, which the output tells")
    /// A manifest's: the same name, more than one at a time.
    package static let seedRange = RequestField(
        "seed", .seeds, [.manifest], initial: 0, "One seed, or a range such as 0-9: a file for each")
    package static let generator = RequestField(
        "generator", .name, RequestField.Taker.allCases, as: [.webUI: "sampler_name"],
        "The recipe to sample by, one of the model's such as student or teacher; the default one when left out",
        help: "The recipe to sample by, one of the model's: student, teacher, ... (default: the model's)")
    package static let stepCount = RequestField(
        "num_inference_steps", .integer(steps), made + [.webUI],
        as: [.manifest: "steps", .webUI: "steps", .generate: "steps"],
        also: [.image: ["steps"], .video: ["steps"], .manifest: ["num_inference_steps"]],
        "Denoising steps; the generator's own number when left out, and the only one of many distilled generators",
        help: "Denoising steps (default: the generator's, the only number of many distilled ones)")
    package static let guidanceScale = RequestField(
        "guidance_scale", .number(scales), made + [.webUI], as: [.webUI: "cfg_scale"],
        also: [.image: ["cfg_scale"], .video: ["cfg_scale"], .manifest: ["guidance"]],
        "Of the first phase, the high-noise expert; of all unless guidance_scale_2 is given",
        help: "Guidance of the first phase, the high-noise expert, and of all without --guidance-scale-2 (default: the "
            + "generator's)")
    package static let guidanceScale2 = RequestField(
        "guidance_scale_2", .number(scales), made, "Of the phases after the first",
        help: "Guidance of the phases after the first")
    package static let loras = RequestField(
        "loras", .loras, own, "LoRA files on top of those of the model; in a form, as JSON")
    package static let image = RequestField(
        "image", .picture, made, also: [.image: ["image_url"], .video: ["input_reference", "image_url"]],
        "The picture to change or edit, or the first frame of a clip; see inputs in /v1/capabilities",
        help: "The picture to change or edit, or the first frame of a clip: PNG, JPEG or WebP")
    package static let lastImage = RequestField(
        "last_image", .picture, [.video, .manifest, .generate], "The last frame of a clip")
    package static let images = RequestField(
        "images", .pictures(most: mostPictures), own + [.generate], as: [.generate: "reference"],
        "Pictures for the model to look at: edits",
        help: "A picture for the model to look at; may be given more than once")
    package static let fit = RequestField(
        "fit", .choice(PictureFit.allCases.map(\.rawValue)), made,
        "What becomes of a picture of another aspect than the result's; crop when left out",
        help: "What becomes of a picture of another aspect than the result's (default: crop)")
    package static let strength = RequestField(
        "strength", .number(strengths), [.image, .manifest, .generate, .render],
        "How far image is changed, from 0 to 1, where the network does not read it: the sigma to start near; "
            + "0.75 when left out",
        help: "How far a picture is changed, from 0 to 1, where the network does not read it (default: 0.75)")
    package static let outputFormat = RequestField(
        "output_format", .choice(PictureFormat.allCases.map(\.rawValue)), [.image, .manifest, .render],
        "What a picture is written as; png when left out",
        help: "What a picture is written as where its name does not tell (default: png)")
    package static let outputCompression = RequestField(
        "output_compression", .integer(GenerationRequest.compressions), [.image, .manifest, .generate, .render],
        "Quality of a jpeg or webp: less is smaller and worse; 100 when left out",
        help: "Quality of a JPEG or WebP, 0 to 100: less is smaller and worse (default: 100)")
    package static let previews = RequestField(
        "partial_images", .integer(0...GenerationRequest.previewEveryStep), http, initial: 0,
        "Pictures on the way: x0 as a step predicts it. At most \(mostPreviews), but one for each step where the model has a "
            + "tiny decoder, which makes them at little cost; see /v1/capabilities")
    package static let decoder = RequestField(
        "decoder", .choice(LatentDecoder.allCases.map(\.rawValue)), made,
        "What makes pictures of latents: full is the model's own VAE, tiny a small one that takes a tenth of the time or "
            + "less and loses fine detail; one of the model's decoders in /v1/capabilities, the first of them when left out",
        help: "What makes pictures of latents: the VAE, or a tiny autoencoder (--preview-vae FILE)")
    package static let count = RequestField(
        "n", .integer(GenerationRequest.counts), [.image],
        also: [.image: ["num_outputs_per_prompt", "num_images_per_prompt", "num_images"]], initial: 1,
        "Images of one request")
    /// A manifest's: each is a request of its own.
    package static let fileCount = RequestField(
        "n", .integer(1...10_000), [.manifest], initial: 1, "Files of each seed, with that seed and those after it")
    package static let frames = RequestField(
        "num_frames", .integer(1...1_000_000), made, as: [.manifest: "frames", .generate: "frames"],
        also: [.manifest: ["num_frames"]],
        "A multiple of the model's and 1 more, often 4k + 1; see /v1/capabilities. An image has 1",
        help: "Frames of a clip, a multiple of the model's and 1 more, often 4k + 1 (default: the model's for .mp4)")
    package static let seconds = RequestField(
        "seconds", .seconds, [.video], also: [.video: ["duration"]],
        "A clip of seconds * fps + 1 frames, or of seconds * fps; whichever the model can")
    package static let fps = RequestField(
        "fps", .integer(SizeLimits.frameRates), clips, also: [.video: ["frame_rate", "frames_per_second"]],
        "Frames a second of a clip; the model's own when left out",
        help: "Frames a second of a clip (default: the model's)")
    package static let crf = RequestField(
        "crf", .integer(0...100), clips,
        "Constant rate factor of a clip: less is better and larger; the codec says how far it goes")
    package static let preset = RequestField(
        "preset", .name, clips, "Preset of the clip's encoder, from superfast to veryslow for H.264")
    package static let kind = RequestField(
        "kind", .choice(GenerationRequest.Kind.allCases.map(\.rawValue)), [.manifest],
        "image or video; a clip when the line has more than one frame")
    package static let codec = RequestField(
        "codec", .choice(VideoOptions.Codec.allCases.map(\.rawValue)), [.manifest, .render], "How a clip is coded")
    package static let pixelFormat = RequestField(
        "pixel_format", .choice(VideoOptions.PixelFormat.allCases.map(\.rawValue)), [.manifest, .render],
        "Samples of a clip: yuv420p plays everywhere")
    package static let file = RequestField(
        "file", .name, [.manifest], initial: "{line}-{seed}",
        "Name below the output folder; {line}, {index} and {seed} stand for numbers")

    package static let all = [
        prompt, negativePrompt, model, size, width, height, kind, seed, seedRange, generator, stepCount, guidanceScale,
        guidanceScale2, loras, image, lastImage, images, fit, strength, outputFormat, outputCompression, decoder,
        previews, count, fileCount, frames, seconds,
        fps, codec, crf, preset, pixelFormat, file,
    ]

    /// Previews that a request may ask of a model for each image.
    package static func mostPreviews(of model: Pipeline) -> Int {
        model.hasCheapPreviews ? GenerationRequest.previewEveryStep : mostPreviews
    }

    /// The fields of a taker, in the order of the list.
    package static func taken(by taker: RequestField.Taker) -> [RequestField] {
        all.filter { $0.name(for: taker) != nil }
    }

    /// Every name that a taker understands.
    package static func names(of taker: RequestField.Taker) -> [String] {
        taken(by: taker).flatMap { $0.allNames(for: taker) }
    }

    /// What a taker calls the field that another part of the server speaks of by its own name; that name where the
    /// taker has none.
    package static func name(of name: String, for taker: RequestField.Taker) -> String {
        let fields = all.filter { $0.name == name }
        return fields.lazy.compactMap { $0.name(for: taker) }.first ?? name
    }
}
