import ArgumentParser
import Foundation
import Pipelines
import Tensor
import Weights

/// Where models and pages are found when no path is given: beside the checkout, then where a package installs them.
enum Installation {
    static let modelName = "emoji-scenes"

    /// Folders that may hold `Models/` and `public/`, in the order they are tried.
    private static var roots: [String] {
        // The first argument is only a name where the shell has looked it up.
        let executable = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        let current = FileManager.default.currentDirectoryPath
        // .build/<triple>/release/phasor lies four levels below the checkout, an installed bin/phasor two.
        let near = (1...4).map { levels in
            (0..<levels).reduce(executable) { url, _ in url.deletingLastPathComponent() }.path
        }
        let installed = executable.deletingLastPathComponent().deletingLastPathComponent().path + "/share/phasor"
        return [current] + near.reversed() + [installed, "/usr/share/phasor", "/usr/local/share/phasor", "/opt/phasor"]
    }

    static func find(_ path: String) -> String? {
        roots.map { "\($0)/\(path)" }.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// Whether there is a model, or nothing at all; a component folder or a weight file is none.
    static func isModelFolder(_ path: String) -> Bool {
        !FileManager.default.fileExists(atPath: path) || ModelFiles.isModel(path)
    }

    static func isFile(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
    }

    /// The folder of the model to open.
    /// - Throws: `ValidationError` if none was given and the embedded one is not there.
    static func model(_ given: String?) throws -> String {
        if let given { return given }
        guard let embedded = find("Models/\(modelName)") else {
            throw ValidationError("no model was given and Models/\(modelName) was not found near the executable")
        }
        return embedded
    }
}

extension ModelOptions {
    /// Says so where the processor's best kernels are not in use.
    func makeCompute() -> Compute {
        if let warning = InstructionSet.warning { Console.current.complain("Warning: \(warning).") }
        return threading.makeCompute(precision)
    }

    /// The options given that name a part of a model apart from its folder, or what is put on one.
    var partOptions: [String] {
        let isGiven = [
            ("--expert", !experts.isEmpty), ("--text-encoder", textEncoder != nil),
            ("--vision-tower", visionTower != nil), ("--tokenizer", tokenizer != nil),
            ("--vae", vae != nil), ("--preview-vae", previewVAE != nil), ("--family", family != nil),
            ("--phases", phases != nil),
            ("--lora", !adapters.isEmpty),
        ]
        return isGiven.compactMap { $1 ? $0 : nil }
    }

    /// - Parameters:
    ///   - folder: nil for the embedded model, or for none where experts are named.
    ///   - memory, load, loras: as settled by `Serve`, which has a settings file besides; else by flag and environment.
    func openPipeline(
        _ folder: String?, compute: Compute, memory: String? = nil, load: WeightLoading? = nil, loras: String? = nil
    ) throws -> Pipeline {
        var files = try files(folder)
        files.loras = loras ?? files.loras
        return try open(files, compute: compute, memory: memory, load: load)
    }

    func open(
        _ files: ModelFiles, compute: Compute, memory: String? = nil, load: WeightLoading? = nil
    ) throws -> Pipeline {
        try open(files, compute: compute, residency: residency(memory: memory, load: load))
    }

    /// Opens a model, and tells what its files say or have that is not used.
    func open(_ files: ModelFiles, compute: Compute, residency: Residency?) throws -> Pipeline {
        let pipeline = try Pipeline(
            files, compute: compute, vaeCompute: compute.with(vaePrecision), residency: residency)
        ([pipeline.generators.note].compactMap { $0 } + pipeline.unreadWeights).forEach(Console.current.note)
        return pipeline
    }

    /// - Parameters:
    ///   - model: a folder, one file with all parts, or a name of the hub; nil for the embedded model, or for none where experts
    ///     are named.
    ///   - pulling: whether what the hub has and is not here yet is brought.
    func files(_ model: String?, pulling: Bool = false) throws -> ModelFiles {
        var files = try modelFiles(model, pulling: pulling)
        if let twice = Dictionary(grouping: experts, by: \.expert).first(where: { $0.value.count > 1 }) {
            throw ValidationError("--expert \(twice.key) is given twice")
        }
        for expert in experts { files.experts[expert.expert] = expert.path }
        if files.folder == nil, files.experts.count == 1, let only = experts.first, only.isHalf {
            throw ValidationError(
                "--expert \(only.path) is one of two: give high=FILE and low=FILE, or FILE alone for a model of one expert"
            )
        }
        files.textEncoder = textEncoder ?? files.textEncoder
        files.visionTower = visionTower
        files.tokenizer = tokenizer
        files.vae = vae ?? files.vae
        files.familyName = family
        files.previewVAE = previewVAE
        files.phases = phases
        files.adapters += adapters.map {
            ModelFiles.AdapterFile(expert: $0.expert, path: $0.path, strength: $0.strength)
        }
        files.loras = loras ?? ProcessInfo.processInfo.environment["PHASOR_LORAS"].map(HomeFolder.expand)
        return files
    }

    private func modelFiles(_ model: String?, pulling: Bool) throws -> ModelFiles {
        guard let model else { return ModelFiles(folder: experts.isEmpty ? try Installation.model(nil) : nil) }
        if Installation.isFile(model) {
            let high = ModelFiles.expertName("high")
            guard !experts.contains(where: { $0.expert == high }) else {
                throw ValidationError("--expert and \(model) are both the weights of an expert: give one of them")
            }
            var files = ModelFiles()
            files.experts[high] = model
            return files
        }
        if !FileManager.default.fileExists(atPath: model),
            let files = try PulledModels().files(named: model, pulling: pulling)
        {
            return files
        }
        return ModelFiles(folder: model)
    }

    func residency(memory: String?, load: WeightLoading?) throws -> Residency? {
        let environment = ProcessInfo.processInfo.environment
        let text = memory ?? self.memory ?? environment["PHASOR_MEMORY"] ?? "auto"
        guard let budget = MemoryBudget(text) else {
            throw ValidationError("--memory \(text): expected a size such as 12GB, auto or off")
        }
        let way = (load ?? self.load)?.rawValue ?? environment["PHASOR_LOAD"] ?? WeightLoading.mmap.rawValue
        guard let loading = WeightLoading(rawValue: way) else {
            throw ValidationError("PHASOR_LOAD \(way): expected mmap or read")
        }
        return budget.limit.map { Residency(budget: $0, loading: loading) }
    }
}
