import ArgumentParser
import Foundation
import Hub
import Models
import Pipelines

struct Pull: ParsableCommand, SpeakingCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a model, or files of one, from the Hugging Face hub.",
        discussion: """
            NAME is a set of --list, or OWNER/NAME of a repository: then the files that a model is read from are brought, \
            in one type and format. OWNER/NAME/FILE names a file, a folder or, with *, several files; OWNER/NAME@REVISION \
            another branch, tag or commit. An interrupted pull goes on where it was; every file is checked against the \
            digest that the hub has for it.

              phasor pull --list
              phasor pull z-image-turbo                    then: phasor serve z-image-turbo
              phasor pull Wan-AI/Wan2.2-T2V-A14B-Diffusers
              phasor pull 'QuantStack/Wan2.2-T2V-A14B-GGUF/*Q4_K_M*' --to wan

            Files go to the cache that huggingface_hub uses too. HF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and \
            HF_HUB_OFFLINE are heeded.
            """)

    @Argument(help: ArgumentHelp("A set, a repository, or files of one.", valueName: "name"))
    var name: String?

    @Option(
        help: ArgumentHelp("Put the files into this folder by their paths, instead of the cache.", valueName: "dir"),
        completion: .directory, transform: HomeFolder.expand)
    var to: String?

    @Option(help: "Branch, tag or commit of the repository (default: main).")
    var revision: String?

    @Option(help: "Weights of this type where a repository has several, e.g. fp16 (default: those without a type).")
    var variant: String?

    @Flag(help: "List the known sets, with what each wants of a machine.")
    var list = false

    @OptionGroup var speech: SpeechOptions

    func validate() throws {
        guard list || name != nil else { throw ValidationError("give the name of a set or repository, or --list") }
    }

    func run() throws {
        guard !list, let name else { return print(PulledModels.table(memory: Self.memory)) }
        let models = try PulledModels()
        if let (set, variant) = KnownSet.find(name) {
            guard revision == nil, self.variant == nil || variant == nil else {
                throw ValidationError("\(name) is a set: it has no --revision, and one variant")
            }
            let chosen = try PulledModels.variant(variant ?? self.variant, of: set)
            for file in chosen.files {
                try models.pull(try RepositoryName(file.path), variant: file.type, to: to)
            }
            Console.current.result(
                to.map { "\(set.name) (\(chosen.name)) is in \($0)" }
                    ?? "\(set.name) (\(chosen.name)) is here: phasor serve \(set.name):\(chosen.name)")
            return
        }
        let repository = try RepositoryName(name, revision: revision)
        let folder = try models.pull(repository, variant: variant, to: to)
        Console.current.result(folder)
    }

    /// Bytes that this machine lets the process have.
    static var memory: Int { MemoryBudget.automatic.limit ?? 0 }
}
