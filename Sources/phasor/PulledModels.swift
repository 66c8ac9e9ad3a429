import ArgumentParser
import Foundation
import Hub
import Models
import Pipelines

/// Models by the names that they have on the hub.
struct PulledModels {
    private let settings: HubSettings
    private let cache: HubCache

    init() throws {
        settings = try HubSettings(environment: ProcessInfo.processInfo.environment, home: HomeFolder.path)
        cache = HubCache(settings.cache)
    }

    // MARK: Bringing

    /// - Returns: the folder or file that was brought.
    @discardableResult
    func pull(_ name: RepositoryName, variant: String?, to folder: String? = nil) throws -> String {
        if settings.isOffline, folder == nil, let here = try? path(of: name, variant: variant, pulling: false) {
            return here
        }
        var selection = FileSelection()
        selection.variant = variant
        selection.originalPaths = Families.originalPaths
        let bar = ProgressLine()
        let what = name.file.map { "\(name)/\($0)" } ?? "\(name)"
        let pull = HubPull(HubClient(settings), place: folder.map { .folder($0) } ?? .cache)
        let (place, files): (String, [String])
        do {
            (place, files) = try pull.run(name, selection: selection) { event in
                switch event {
                case .began(let count, let bytes, let present):
                    Console.current.note(
                        "\(what): \(count) file\(count == 1 ? "" : "s"), \(Bytes.text(bytes))"
                            + (present == bytes ? ", all here" : present > 0 ? ", \(Bytes.text(present)) here" : ""))
                case .progress(let bytes, let total):
                    bar.show(done: bytes / 1_000_000, of: total / 1_000_000, "MB of \(name.name)")
                case .waits(let path):
                    Console.current.note("another process brings \(path); waiting for it")
                }
            }
        } catch {
            bar.finish()
            throw error
        }
        bar.finish()
        return name.file != nil && files.count == 1 ? "\(place)/\(files[0])" : place
    }

    // MARK: Opening

    /// The model that has this name on the hub; nil for what is no such name.
    /// - Parameter pulling: whether what is not here yet is brought.
    /// - Throws: `ValidationError` for a model that is not here, or `HubError`.
    func files(named text: String, pulling: Bool) throws -> ModelFiles? {
        if let (set, variant) = KnownSet.find(text) {
            // What is here counts before what the memory would have room for.
            let here = variant == nil ? set.variants.first { missing(of: $0).isEmpty } : nil
            let chosen = try here ?? Self.variant(variant, of: set)
            var files = ModelFiles()
            for file in chosen.files {
                let path = try path(of: RepositoryName(file.path), variant: file.type, pulling: pulling)
                switch file.role {
                case .folder: files = ModelFiles(folder: path)
                case .expert(let name): files.experts[ModelFiles.expertName(name)] = path
                case .textEncoder: files.textEncoder = path
                case .vae: files.vae = path
                case .lora(let name):
                    files.adapters.append(
                        ModelFiles.AdapterFile(expert: ModelFiles.expertName(name), path: path, strength: 1))
                }
            }
            files.name = set.name
            return files
        }
        guard RepositoryName.isLikely(text), let name = try? RepositoryName(text) else { return nil }
        if let file = name.file {
            throw ValidationError(
                "\(text): \(file) is a part of a model; pull it, and give it by --expert, --text-encoder, --vae or --lora"
            )
        }
        var files = ModelFiles(folder: try path(of: name, variant: nil, pulling: pulling))
        files.name = name.name
        return files
    }

    private func path(of name: RepositoryName, variant: String?, pulling: Bool) throws -> String {
        let here = name.file.map { cache.path(of: $0, in: name) } ?? cache.snapshot(of: name)
        if let here, name.file != nil || ((try? ModelFiles(folder: here).missing()) ?? []).isEmpty { return here }
        guard pulling else {
            let what = name.file.map { "\(name)/\($0)" } ?? "\(name)"
            throw ValidationError(
                "\(what): no such folder, nor all of it in the cache of the hub's files: phasor pull \(what) brings it")
        }
        Console.current.note("\(name) is not here yet; asking \(settings.endpoint)")
        return try pull(name, variant: variant)
    }

    /// The variant that is named, else the one for this machine's memory.
    /// - Throws: `HubError.badName` for a variant that there is not.
    static func variant(_ name: String?, of set: KnownSet) throws -> KnownSet.Variant {
        guard let found = name.map(set.variant(named:)) ?? set.variant(for: Pull.memory) else {
            throw HubError.badName(
                name: "\(set.name):\(name ?? "")",
                reason: "there is \(set.variants.map(\.name).joined(separator: ", "))")
        }
        return found
    }

    /// The files of a set that are not in the cache.
    func missing(of variant: KnownSet.Variant) -> [String] {
        variant.files.map(\.path).filter { (try? path(of: RepositoryName($0), variant: nil, pulling: false)) == nil }
    }

    /// A line for each file that a model lacks, and how to get it.
    /// - Parameter model: a folder, a repository, a set, or nil for the parts that the options name.
    func missing(_ model: String?, _ options: ModelOptions) throws -> [String] {
        if let model, let (set, name) = KnownSet.find(model), !FileManager.default.fileExists(atPath: model) {
            let variant = try Self.variant(name, of: set)
            let files = missing(of: variant)
            guard !files.isEmpty else { return [] }
            return files.map { "missing: \($0)" } + ["phasor pull \(set.name):\(variant.name) brings them"]
        }
        let files: ModelFiles
        var advice: [String] = []
        if let model, !FileManager.default.fileExists(atPath: model), let name = try? RepositoryName(model) {
            guard let snapshot = cache.snapshot(of: name) else {
                return ["missing: all of \(name)", "phasor pull \(name) brings it"]
            }
            files = ModelFiles(folder: snapshot)
            advice = ["phasor pull \(name) brings them"]
        } else {
            files = try options.files(model)
        }
        let missing = try files.missing()
        guard !missing.isEmpty else { return [] }
        if files.folder == nil, let family = try? files.family() { advice = Self.advice(missing, family) }
        return missing.map { "missing: \($0.part): \($0.what)" } + advice
    }

    /// Files of known sets that may take the place of the parts that are missing.
    private static func advice(_ missing: [ModelFiles.MissingFile], _ family: any ModelFamily) -> [String] {
        guard let set = Families.knownSets.first(where: { $0.family == family.name }),
            let files = set.variants.last?.files
        else {
            return []
        }
        return files.compactMap { file in
            let part: String? =
                switch file.role {
                case .textEncoder: "text_encoder"
                case .vae: "vae"
                default: nil
                }
            return missing.contains { $0.part == part } ? "phasor pull \(file.path)" : nil
        }
    }

    // MARK: The table

    /// The known sets, with a mark at the variant that a machine of so much memory gets.
    static func table(memory: Int) -> String {
        var rows = [["name", "files", "size", "licence", "memory", "makes"]]
        for set in Families.knownSets {
            let usual = set.variant(for: memory)
            for variant in set.variants {
                rows.append([
                    "\(set.name):\(variant.name)" + (variant.name == usual?.name ? " *" : ""),
                    variant.files.contains { $0.role == .folder } ? "folder" : "\(variant.files.count)",
                    Bytes.text(variant.bytes), set.licence, "\(variant.memory) GB", set.makes,
                ])
            }
        }
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            zip(row, widths).map { $0.padded($1) }.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
        }.joined(separator: "\n")
            + "\n* is what the name alone brings on this machine, of \(Bytes.text(memory)) for weights"
    }
}
