import Foundation
import Media
import Pictures
import Pipelines
import Support
import Tensor
import Weights

/// A model in a Swift program, without a server.
///
///     import PhasorKit
///
///     let model = try PhasorModel(folder: "Models/emoji-scenes")
///     let picture = try model.picture(of: "a large dog on the beach", seed: 7)
///     try picture.png().write(to: URL(filePath: "dog.png"))
///
/// The same seed and settings give the same bytes, on any number of threads. A model may be used from several tasks;
/// every call computes on the threads of the model and returns when it is done.
public final class PhasorModel: Sendable {
    private let pipeline: Pipeline

    /// Opens a model folder: a diffusers folder of a known family, or one with a `phases.json`. Weights are mapped, not
    /// read.
    /// - Parameters:
    ///   - threads: nil for one per processor core that the process may use.
    ///   - memory: bytes that the process may take; nil leaves memory to the system.
    /// - Throws: an error whose description names the file and the field or key that is wrong.
    public init(folder: String, threads: Int? = nil, memory: Int? = nil) throws {
        let compute = Compute(threads: max(threads ?? Processors.usable, 1))
        // As the command line's defaults: only the VAE, whose output is rounded to 8 bits a sample, rounds its operands.
        pipeline = try Pipeline(
            ModelFiles(folder: folder), compute: compute, vaeCompute: compute.with(.bf16),
            residency: memory.map { Residency(budget: $0, loading: .mmap) })
    }

    /// The ways to generate, such as `student` and `teacher`; the default comes first.
    public var generators: [String] { pipeline.generators.generators.map(\.name) }

    /// Pixels of a picture where a call names no size.
    public var defaultSize: (width: Int, height: Int) { (pipeline.sizes.defaultWidth, pipeline.sizes.defaultHeight) }

    /// Frames of a clip where a call names no length; 1 for a model of single pictures.
    public var defaultFrames: Int { pipeline.sizes.defaultFrames }

    /// Frames a second of a clip where a call names none.
    public var defaultFPS: Int { pipeline.sizes.defaultFPS }

    /// Makes one picture.
    /// - Parameters:
    ///   - settings: what differs from the model's defaults.
    ///   - onStep: called after each denoising step with the number of steps done and of all.
    /// - Throws: `PhasorError.refused` for settings that the model does not take, before anything is computed.
    public func picture(
        of prompt: String, seed: UInt64 = 0, settings: GenerationSettings = GenerationSettings(),
        onStep: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> PhasorPicture {
        var frames: [RGBImage] = []
        try generate(prompt, seed, settings, frames: 1, onStep) { frames += $0 }
        guard let image = frames.first else { throw PhasorError.refused("the model gave no picture") }
        return PhasorPicture(image: image, provenance: provenance)
    }

    /// Makes one clip and writes it as MP4 (H.264).
    /// - Parameters:
    ///   - frames: nil for the model's default.
    ///   - path: takes its name when the file is whole.
    /// - Throws: as `picture`, or what writing the file throws.
    public func clip(
        of prompt: String, seed: UInt64 = 0, frames: Int? = nil, fps: Int? = nil,
        settings: GenerationSettings = GenerationSettings(), to path: String,
        onStep: @escaping (_ done: Int, _ of: Int) -> Void = { _, _ in }
    ) throws {
        let (width, height) = (settings.width ?? defaultSize.width, settings.height ?? defaultSize.height)
        let partial = AtomicFile.aside(path)
        let encoder = try MP4Encoder(
            path: partial, width: width, height: height,
            options: VideoOptions(frameRate: try FrameRate(fps ?? defaultFPS), provenance: provenance))
        do {
            try generate(prompt, seed, settings, frames: frames ?? defaultFrames, onStep) { images in
                for image in images { try encoder.append(image) }
            }
            try encoder.finish()
            try SystemFile.sync(partial)
            try AtomicFile.publish(partial, as: path)
        } catch {
            unlink(partial)
            throw error
        }
    }

    /// The provenance that files of this model carry.
    private var provenance: Provenance { Provenance(generator: Provenance.phasor, model: pipeline.id) }

    private func generate(
        _ prompt: String, _ seed: UInt64, _ settings: GenerationSettings, frames: Int,
        _ onStep: @escaping (Int, Int) -> Void, onImages: ([RGBImage]) throws -> Void
    ) throws {
        let (width, height) = (settings.width ?? defaultSize.width, settings.height ?? defaultSize.height)
        if let reason = pipeline.sizes.refusal(width: width, height: height) { throw PhasorError.refused(reason) }
        if let reason = pipeline.sizes.refusal(frames: frames) { throw PhasorError.refused("frames \(reason)") }
        let tokens = pipeline.tokenCount(of: prompt)
        guard tokens <= pipeline.maximumTokens else {
            throw PhasorError.refused("the prompt has \(tokens) tokens; the model reads \(pipeline.maximumTokens)")
        }
        var run = try Run(
            GenerationParameters(
                prompt: prompt, negativePrompt: settings.negativePrompt, width: width, height: height, frames: frames,
                seed: seed, generator: settings.generator, steps: settings.steps,
                guidanceScale: settings.guidanceScale, guidanceScale2: settings.guidanceScale2), of: pipeline)
        let steps = run.generation.schedule.count
        var observer = RunObserver()
        observer.onStep = { done, _, _ in onStep(done.step, steps) }
        _ = try run.finish(observer) { try onImages($0.images()) }
    }
}

/// What differs from a model's defaults.
public struct GenerationSettings: Sendable {
    /// Pixels; nil for the model's default.
    public var width: Int?
    public var height: Int?
    public var negativePrompt: String?
    /// One of the model's generators; nil for its default.
    public var generator: String?
    /// Denoising steps; nil for the generator's own.
    public var steps: Int?
    /// Guidance of the first phase (high noise), and of all phases unless `guidanceScale2` is given.
    public var guidanceScale: Float?
    public var guidanceScale2: Float?

    public init(
        width: Int? = nil, height: Int? = nil, negativePrompt: String? = nil, generator: String? = nil,
        steps: Int? = nil, guidanceScale: Float? = nil, guidanceScale2: Float? = nil
    ) {
        self.width = width
        self.height = height
        self.negativePrompt = negativePrompt
        self.generator = generator
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.guidanceScale2 = guidanceScale2
    }
}

/// A finished picture.
public struct PhasorPicture: Sendable {
    let image: RGBImage
    let provenance: Provenance

    public var width: Int { image.width }
    public var height: Int { image.height }
    /// Samples of 8 bits, red, green, blue, row by row.
    public var pixels: [UInt8] { image.bytes }

    /// The picture as a PNG file.
    public func png() throws -> Data { Data(try PNG.encode(image, provenance: provenance)) }
}

/// Why a model did not do what it was asked.
public enum PhasorError: Error, CustomStringConvertible {
    /// The settings are none that the model takes.
    case refused(String)

    public var description: String {
        switch self {
        case .refused(let reason): reason
        }
    }
}
