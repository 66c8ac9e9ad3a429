import ArgumentParser
import Diffusion
import Foundation
import Media
import Models
import Pipelines

struct Inspect: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a model holds (phases, experts, sizes), what a weight file is, or this machine.",
        discussion: """
            Opens the model as serving does, so whatever is wrong with it is said here. For each generator it prints \
            the phases with the interval of sigma and of SNR that each owns, its expert and the steps it runs.

            With --machine it shows what Phasor finds here instead: processor, kernels and why not better ones, measured peaks, \
            memory, the limits of affinity and control groups, memory nodes, and where threads go.
            """)

    @Argument(
        help: "A model folder, or one weight file (default: the embedded model).", completion: .file(),
        transform: HomeFolder.expand)
    var model: String?

    @Option(help: ArgumentHelp("Also predict the memory that computing takes at this size.", valueName: "WxH"))
    var size: String?

    @Option(help: "Frames of a clip whose memory is predicted.")
    var frames: Int?

    @Flag(help: "Show this machine instead of a model.")
    var machine = false

    @Flag(help: "Say which files the model or set still lacks, and end with 1 if it lacks any.")
    var missing = false

    @OptionGroup var speech: SpeechOptions
    @OptionGroup var options: ModelOptions

    func validate() throws {
        guard !machine || (model == nil && size == nil && frames == nil && options.partOptions.isEmpty) else {
            throw ValidationError("--machine: it looks at no model, and takes no option of one but --threads")
        }
    }

    func run() throws {
        if machine { return MachineInspection(options.threading).show() }
        if missing { return try showMissing() }
        // The tokenizer of a text encoder's file says nothing about the weights.
        if let model, options.partOptions.allSatisfy({ $0 == "--tokenizer" }), !Installation.isModelFolder(model) {
            guard size == nil, frames == nil else {
                throw ValidationError("--size and --frames are for models; \(model) is a weight file")
            }
            if let type = FileType(path: model) {
                throw ValidationError(
                    "\(model): a .\(type.rawValue) holds no weights; the page and /sdapi/v1/png-info read how it was made"
                )
            }
            return try FileInspection(path: model, compute: options.makeCompute()).show()
        }
        let clock = ContinuousClock()
        let start = clock.now
        let pipeline = try options.openPipeline(model, compute: options.makeCompute())
        let opened = start.duration(to: clock.now)
        let request = try activationRequest(pipeline.sizes)
        Console.current.result("\(pipeline.id)  (\(pipeline.source))")
        Console.current.result(
            "opened in \(String(format: "%.1f", opened / .milliseconds(1))) ms; weights are mapped, not read\n")
        printComponents(pipeline)
        let sizes = pipeline.sizes
        Console.current.result(
            """

            sizes: sides multiples of \(sizes.sideMultiple), default \(sizes.defaultWidth)x\(sizes.defaultHeight), at \
            most \(sizes.maximumPixels) pixels; \(lengths(sizes))
            pictures: \(pictures(pipeline.traits.pictures))
            """)
        let loras = pipeline.loraNames
        if !loras.isEmpty { Console.current.result("LoRA files for requests: \(loras.joined(separator: ", "))") }
        for generator in pipeline.generators.generators { try printGenerator(generator, pipeline) }
        if let request { try printActivations(pipeline, request) }
    }

    private func showMissing() throws {
        let lines = try PulledModels().missing(model, options)
        guard !lines.isEmpty else { return print("nothing is missing") }
        print(lines.joined(separator: "\n"))
        throw ExitCode.failure
    }

    /// What memory is to be predicted for, if that was asked.
    private func activationRequest(_ sizes: SizeLimits) throws -> (width: Int, height: Int, frames: Int)? {
        guard size != nil || frames != nil else { return nil }
        let (width, height) = try SizeArgument.parse(size, default: (sizes.defaultWidth, sizes.defaultHeight))
        let frames = frames ?? 1
        if let reason = sizes.refusal(width: width, height: height) { throw ValidationError("--size: \(reason)") }
        if let reason = sizes.refusal(frames: frames) { throw ValidationError("--frames \(frames): it \(reason)") }
        return (width, height, frames)
    }

    private func printActivations(_ pipeline: Pipeline, _ request: (width: Int, height: Int, frames: Int)) throws {
        let (width, height, frames) = request
        let plan = try pipeline.activationPlan(width: width, height: height, frames: frames)
        let preview = plan.preview > 0 ? "\n  tiny preview  \(megabytes(plan.preview))" : ""
        let encode = plan.picture > 0 ? "  VAE encode    \(megabytes(plan.picture))\n" : ""
        let inputs = pipeline.traits.pictures.references
        let references = inputs.upperBound > 0 ? ", \(max(inputs.lowerBound, 1)) reference picture" : ""
        Console.current.result(
            """

            memory for activations at \(width)x\(height), \(frames) frame\(frames == 1 ? "" : "s"), \
            \(pipeline.generators.defaultName)\(references), prompts of \(pipeline.maximumTokens) tokens (the longest), beside the weights:
            \(encode)  text encoding \(megabytes(plan.text))
              steps         \(megabytes(plan.steps))
              VAE decode    \(megabytes(plan.decode))\(preview)
              peak          \(megabytes(plan.peak))
            """)
    }

    /// Which pictures requests may give, and which they must.
    private func pictures(_ inputs: PictureInputs) -> String {
        var taken: [String] = []
        if inputs.changesByStrength {
            taken.append("one to change by strength (image\(inputs.looksAtImage ? " with strength" : ""))")
        }
        if inputs.first != .never { taken.append("a first frame (image), \(inputs.first.rawValue)") }
        if inputs.last != .never { taken.append("a last frame (last_image), \(inputs.last.rawValue)") }
        let (least, most) = (inputs.references.lowerBound, inputs.references.upperBound)
        if most > 0 {
            taken.append(
                "\(least) to \(most) to look at (image or images)" + (inputs.needsReference ? ", required" : ""))
        }
        return taken.joined(separator: "; ")
    }

    private func lengths(_ sizes: SizeLimits) -> String {
        guard sizes.makesClips else { return "single pictures" }
        return "frames \(sizes.frameMultiple)k + 1, default \(sizes.defaultFrames) at \(sizes.defaultFPS)/s, "
            + "at most \(sizes.maximumFrames)"
    }

    private func printComponents(_ pipeline: Pipeline) {
        for component in pipeline.components {
            let bytes = component.files.reduce(0) { $0 + $1.bytes }
            Console.current.result(
                "  \(component.name.padded(16)) \(megabytes(bytes).padded(12)) \(millions(component.parameters).padded(10)) "
                    + "\(component.types)  \(component.files.count) file\(component.files.count == 1 ? "" : "s")")
            if !component.unusedKeys.isEmpty {
                Console.current.result(
                    "    \(component.unusedKeys.count) unused keys: "
                        + component.unusedKeys.prefix(5).joined(separator: ", ")
                        + (component.unusedKeys.count > 5 ? ", ..." : ""))
            }
        }
    }

    private func printGenerator(_ generator: GeneratorSpec, _ pipeline: Pipeline) throws {
        let isDefault = generator.name == pipeline.generators.defaultName
        let sizes = pipeline.sizes
        let tokens = sizes.tokens(width: sizes.defaultWidth, height: sizes.defaultHeight)
        let schedule = try generator.schedule(steps: nil, tokens: tokens)
        let owners = schedule.timesteps.map { generator.plan.phaseIndex(timestep: $0) }
        let evaluations = try pipeline.evaluations(of: generator.name)
        let guided = try pipeline.evaluations(of: generator.name, negativePrompt: "")
        Console.current.result(
            "\ngenerator \(generator.name)\(isDefault ? " (default)" : ""): \(generator.sampler.rawValue), "
                + "\(schedule.count) steps, NFE \(evaluations)"
                + (guided != evaluations ? ", \(guided) with a negative prompt" : ""))
        for (index, phase) in generator.plan.phases.enumerated() {
            let steps = owners.indices.filter { owners[$0] == index }
            let sigmas = steps.map { String(format: "%.4g", schedule.sigmas[$0]) }
            let shown = sigmas.count > 6 ? sigmas.prefix(3) + ["..."] + sigmas.suffix(2) : sigmas[...]
            let closing = phase.upper == 1 ? "]" : ")"
            Console.current.result(
                "  \(phase.name.padded(12)) sigma [\(number(phase.lower)), \(number(phase.upper))\(closing)  "
                    + "SNR \(interval(phase))  expert \(expert(phase.expert, pipeline))  "
                    + "guidance \(number(Double(phase.guidanceScale)))")
            Console.current.result(
                "  \("".padded(12)) \(steps.count) step\(steps.count == 1 ? "" : "s"): sigma "
                    + shown.joined(separator: ", "))
        }
    }

    /// The name, and what is put on which base where it is no folder.
    private func expert(_ name: String, _ pipeline: Pipeline) -> String {
        guard let adapted = pipeline.generators.adaptedExperts[name] else { return name }
        let loras = adapted.loras.map { " + \($0.file):\(number(Double($0.strength)))" }.joined()
        return "\(name) (\(adapted.base)\(loras))"
    }

    /// The interval of SNR that the phase owns. SNR grows as sigma falls, so the open end is the lower one.
    private func interval(_ phase: Phase) -> String {
        let (low, high) = (phase.snr.lowerBound, phase.snr.upperBound)
        return "\(phase.upper == 1 ? "[" : "(")\(number(low)), \(number(high))\(high.isFinite ? "]" : ")")"
    }

    private func number(_ value: Double) -> String { String(format: "%.4g", value) }
    private func megabytes(_ bytes: Int) -> String { String(format: "%.1f MB", Double(bytes) / 1e6) }
    private func millions(_ count: Int) -> String { String(format: "%.2f M", Double(count) / 1e6) }
}

extension String {
    /// Filled up with spaces on the right.
    func padded(_ width: Int) -> String {
        count < width ? self + String(repeating: " ", count: width - count) : self
    }
}
