import ArgumentParser
import Dispatch
import Foundation
import Models
import Pipelines
import Support
import Tensor
import Weights

/// Begins before the runtime has opened anything.
@main
enum Program {
    static func main() {
        StandardDescriptors.ensureOpen()
        Task {
            await Phasor.main()
            Foundation.exit(EXIT_SUCCESS)
        }
        dispatchMain()
    }
}

struct Phasor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "phasor",
        abstract: "Inference server for few-step distilled image and video generators.",
        discussion: """
            Phased DMD distils a slow diffusion teacher into a few experts, each of which owns a subinterval of the \
            signal-to-noise ratio. Phasor maps their weights, routes every denoising step to the expert that owns its \
            sigma, and answers with PNG or MP4.

            For completions, put what `phasor --generate-completion-script bash` (or zsh, fish) prints where your shell \
            looks for them.
            """,
        version: Release.version,
        subcommands: [
            Serve.self, Work.self, Pull.self, JobsCommand.self, Recover.self, Generate.self, Render.self, Inspect.self,
            Quantize.self, Verify.self, Bench.self,
        ])

    @Flag(help: ArgumentHelp("Print the manual page, phasor.1.", visibility: .hidden))
    var generateMan = false

    func run() throws {
        guard generateMan else { throw CleanExit.helpRequest(self) }
        print(try ManPage(description: Self._dumpHelp(), version: Self.configuration.version).text, terminator: "")
    }

    static func main() async {
        // Where a reader leaves, what is written fails; what is computed goes on.
        signal(SIGPIPE, SIG_IGN)
        let arguments = Array(CommandLine.arguments.dropFirst())
        let command: any ParsableCommand
        do {
            if let stray = Self.strayCommand(arguments) { throw ValidationError(stray) }
            command = try parseAsRoot(arguments)
        } catch {
            exit(withError: error)
        }
        if let command = command as? any SpeakingCommand { Console.current = command.console }
        do {
            try await run(command)
            guard fflush(nil) == 0 else {
                throw OutputError.unwritable(path: "-", reason: String(cString: strerror(errno)))
            }
        } catch {
            // Help and version are errors too, to the argument parser.
            if exitCode(for: error) == .success {
                exit(withError: Bench.isAskedForHelp(arguments) ? CleanExit.message(Bench.wholeHelp) : error)
            }
            fflush(nil)
            let failure = CommandFailure(error, of: type(of: command))
            if let message = failure.message { Console.current.fail(message) }
            Foundation.exit(failure.exitCode)
        }
    }

    /// What is wrong with a first word that is no subcommand, before what follows it is taken for arguments; nil where nothing is.
    static func strayCommand(_ arguments: [String]) -> String? {
        guard let first = arguments.first, !first.hasPrefix("-") else { return nil }
        let known = configuration.subcommands.map { $0._commandName } + ["help"]
        guard !known.contains(first) else { return nil }
        return "there is no subcommand '\(first)', only \(known.joined(separator: ", "))"
    }

    private static func run(_ command: any ParsableCommand) async throws {
        if var command = command as? any AsyncParsableCommand {
            try await command.run()
        } else {
            var command = command
            try command.run()
        }
    }

    /// `["phasor", "bench", "step"]`.
    static func path(to command: any ParsableCommand.Type) -> [String] {
        func path(from root: any ParsableCommand.Type) -> [String]? {
            if root == command { return [root._commandName] }
            return root.configuration.subcommands.lazy.compactMap { path(from: $0) }.first.map {
                [root._commandName] + $0
            }
        }
        return path(from: Self.self) ?? [_commandName]
    }
}

/// Options of every command that opens a model.
struct ModelOptions: ParsableArguments {
    @Option(
        name: .customLong("expert"),
        help: ArgumentHelp(
            "Weights of an expert, in place of the model folder's or without one: high=FILE, low=FILE, or FILE for a model "
                + "of one expert. safetensors or GGUF, any naming. May be repeated.", valueName: "expert=file"))
    var experts: [ExpertArgument] = []

    @Option(
        help: ArgumentHelp("Weights of the text encoder.", valueName: "file"), completion: .file(),
        transform: HomeFolder.expand)
    var textEncoder: String?

    @Option(
        help: ArgumentHelp(
            "The vision tower of a text encoder whose file has none: an mmproj GGUF.", valueName: "file"),
        completion: .file(), transform: HomeFolder.expand)
    var visionTower: String?

    @Option(
        help: ArgumentHelp("Folder of the tokenizer (tokenizer.json).", valueName: "dir"), completion: .directory,
        transform: HomeFolder.expand)
    var tokenizer: String?

    @Option(
        help: ArgumentHelp(
            "Weights of the VAE, or of a tiny autoencoder in its place (taesdxl, taef1, taef2, taew2_1, taew2_2).",
            valueName: "file"), completion: .file(), transform: HomeFolder.expand)
    var vae: String?

    @Option(
        name: .customLong("preview-vae"),
        help: ArgumentHelp(
            "A tiny autoencoder beside the VAE: it makes the previews, one of each step at little cost, and decodes where a "
                + "request says decoder: tiny.", valueName: "file"), completion: .file(), transform: HomeFolder.expand)
    var previewVAE: String?

    @Option(
        help: ArgumentHelp("How to generate: a phases.json, in place of the folder's.", valueName: "file"),
        completion: .file(extensions: ["json"]), transform: HomeFolder.expand)
    var phases: String?

    @Option(
        name: .customLong("lora"),
        help: ArgumentHelp(
            "Put a LoRA file on an expert: high=FILE:1.0, low=FILE:1.0, or FILE:1.0 for a model of one expert. May be repeated.",
            valueName: "expert=file[:strength]"))
    var adapters: [AdapterArgument] = []

    @Option(
        help: ArgumentHelp(
            "Folder of LoRA files that requests may name, a file by its path in the folder without .safetensors "
                + "(default: $PHASOR_LORAS).", valueName: "dir"), completion: .directory, transform: HomeFolder.expand)
    var loras: String?

    @Option(
        help: ArgumentHelp(
            "The family of models that the files are of, where their keys do not tell: one of "
                + "\(Families.all.map(\.name).joined(separator: ", ")).",
            valueName: "name"))
    var family: String?

    @OptionGroup var threading: ThreadOptions

    @Option(
        help: ArgumentHelp(
            "What products are computed in: f32; bf16 with float32 sums where the processor has it; or int8 for the large "
                + "ones of the experts where the processor multiplies int8 faster (AVX2, VNNI, AMX, I8MM), and bf16 for the "
                + "others."))
    var precision = Precision.f32

    @Option(help: "The same for the VAE, whose output is rounded to 8 bits a sample.")
    var vaePrecision = Precision.bf16

    @Option(
        help: ArgumentHelp(
            "Bytes the process may take, e.g. 12GB. What computes next stays in memory, the rest comes and goes; a model "
                + "may be larger. Default: auto, 7/8 of the machine's memory or of the control group's limit; off leaves "
                + "it to the system.", valueName: "size"))
    var memory: String?

    @Option(help: "How weights get into memory: mmap (default), or read where mapped files are slow.")
    var load: WeightLoading?

    func validate() throws {
        guard vaePrecision != .int8 else {
            throw ValidationError("--vae-precision int8: it must be f32 or bf16")
        }
    }
}

/// The option of every command that computes.
struct ThreadOptions: ParsableArguments {
    @Option(help: "Threads to compute with (default: one for each processor core that the process may use).")
    var threads: Int?

    func validate() throws {
        guard 1...1024 ~= threads ?? 1 else { throw ValidationError("--threads must be 1...1024") }
    }

    var count: Int { threads ?? Processors.usable }

    func makeCompute(_ precision: Precision = .f32) -> Compute { Self.compute(threads: count, precision) }

    /// Threads in their places, where the machine has more than one memory node, or hyper-threads that are to be left alone.
    static func compute(threads: Int, _ precision: Precision = .f32) -> Compute {
        let placement = ProcessorTopology.current.placement(threads: threads)
        return Compute(
            threads: threads, precision: precision,
            placement: placement.map { ThreadPlacement(processors: $0.processors, memoryNodes: $0.memoryNodes) })
    }
}

extension Precision: ExpressibleByArgument {}
extension WeightLoading: ExpressibleByArgument {}

/// `EXPERT=FILE`, or `FILE` of a model's only expert.
struct ExpertArgument: ExpressibleByArgument {
    let expert: String
    let path: String
    /// Whether it was called high or low: one of two.
    let isHalf: Bool

    init?(argument: String) {
        let (name, file) = Self.parts(of: argument)
        let called = String(name ?? "transformer")
        expert = ModelFiles.expertName(called)
        isHalf = expert != called
        path = HomeFolder.expand(String(file))
        guard !expert.isEmpty, !path.isEmpty else { return nil }
    }

    /// A name has no slash; what has one before the sign is a path that contains it.
    static func parts(of argument: String) -> (name: Substring?, file: Substring) {
        guard let equals = argument.firstIndex(of: "="), !argument[..<equals].contains("/") else {
            return (nil, argument[...])
        }
        return (argument[..<equals], argument[argument.index(after: equals)...])
    }
}

/// `EXPERT=FILE[:STRENGTH]`, or `FILE[:STRENGTH]` for a model of one expert.
struct AdapterArgument: ExpressibleByArgument {
    let expert: String?
    let path: String
    let strength: Float

    init?(argument: String) {
        let (name, file) = ExpertArgument.parts(of: argument)
        expert = name.map { ModelFiles.expertName(String($0)) }
        var path = file
        var strength: Float = 1
        // A strength follows the last colon; a colon that no number follows belongs to the path.
        if let colon = path.lastIndex(of: ":"), let value = Float(path[path.index(after: colon)...]), value.isFinite {
            strength = value
            path = path[..<colon]
        }
        guard expert != "", !path.isEmpty else { return nil }
        self.path = HomeFolder.expand(String(path))
        self.strength = strength
    }
}
