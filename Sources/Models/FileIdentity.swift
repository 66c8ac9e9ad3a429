import Tensor
import Weights

/// What a weight file holds, told by its keys and shapes: names of files say little, and often something else.
package struct FileIdentity: Sendable {
    package enum Part: String, Sendable {
        case expert
        case textEncoder = "text encoder"
        /// What looks at pictures for a text encoder in another file.
        case visionTower = "vision tower"
        case vae = "VAE"
        /// Stands in for a VAE.
        case tinyVAE = "tiny autoencoder"
        case adapter = "LoRA"
    }

    package let part: Part
    /// The name of the network, e.g. `Wan text-to-video transformer, 40 blocks of width 5120`.
    package let name: String
    /// `general.architecture` in GGUF files.
    package let architecture: String
    /// The family that an expert is of; nil for parts that several families have.
    package let family: (any ModelFamily)?
    /// Whether published models have several experts of this kind.
    package let isOneOfSeveral: Bool
    /// Why it cannot be used here; nil if it can.
    package let refusal: String?
    private let keys: KeyTable
    private let open: @Sendable (WeightReader, Compute) throws -> Void

    /// - Parameters:
    ///   - keys: names that other tools give the keys.
    ///   - open: builds the network over the file's weights, renamed by `keys`, which reads next to nothing.
    package init(
        _ part: Part, _ name: String, architecture: String, family: (any ModelFamily)? = nil,
        isOneOfSeveral: Bool = false,
        refusal: String? = nil, keys: KeyTable, open: @escaping @Sendable (WeightReader, Compute) throws -> Void
    ) {
        self.part = part
        self.name = name
        self.architecture = architecture
        self.family = family
        self.isOneOfSeveral = isOneOfSeveral
        self.refusal = refusal
        self.keys = keys
        self.open = open
    }

    /// Everything in a file: some hold several networks, each under a prefix. A network that is not built is told before weights
    /// that are not read, because other weights of it would not help.
    /// - Throws: `ModelError.unknownFile` if no family has such keys; `WeightError` for keys that collide and for weights that
    ///   are not read.
    package static func all(in checkpoint: Checkpoint) throws -> [FileIdentity] {
        if let refusal = checkpoint.refusal {
            let found = (try? networks(in: checkpoint)) ?? []
            let refused = found.filter { $0.refusal != nil }
            guard refused.isEmpty else { return refused }
            let name = found.first.map { "\($0.name): " } ?? ""
            throw WeightError.unsupported(file: checkpoint.path, reason: name + refusal)
        }
        if let adapter = try adapter(checkpoint) { return [adapter] }
        let networks = try networks(in: checkpoint)
        guard !networks.isEmpty else {
            throw ModelError.unknownFile(
                file: checkpoint.path, keys: Array(checkpoint.tensors.keys.sorted().prefix(3)))
        }
        return networks
    }

    private static func networks(in checkpoint: Checkpoint) throws -> [FileIdentity] {
        var networks: [FileIdentity] = []
        for found in try Families.all.flatMap({ try $0.recognise(checkpoint) })
        where !networks.contains(where: { $0.name == found.name }) {
            networks.append(found)
        }
        if let tiny = TinyAutoencoders.recognise(checkpoint) { networks.append(tiny) }
        return networks
    }

    /// The part of that kind.
    /// - Throws: `ModelError.wrongFile` that says what the file is instead.
    package static func of(_ checkpoint: Checkpoint, as part: Part) throws -> FileIdentity {
        let found = try all(in: checkpoint)
        guard let identity = found.first(where: { $0.part == part }) else {
            throw ModelError.wrongFile(
                file: checkpoint.path, expected: part.rawValue, found: found.map(\.name).joined(separator: ", "))
        }
        return identity
    }

    /// Builds the network over the file's weights, which reads next to nothing.
    /// - Returns: keys that the network does not read.
    /// - Throws: `WeightError` or an error of its configuration, for keys that are missing or have other shapes.
    package func unusedKeys(in checkpoint: Checkpoint, compute: Compute) throws -> [String] {
        guard part != .adapter else { return [] }
        let reader = WeightReader(try checkpoint.renamed(by: keys))
        try open(reader, compute)
        return reader.unusedKeys
    }

    private static func adapter(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        guard Adapter.isAdapter(checkpoint) else { return nil }
        let families = Families.families(ofAdapter: checkpoint)
        let family = families.first
        let keys = family?.networkKeys ?? KeyTable(prefixes: [], [])
        let content = try AdapterFile(checkpoint)
        let texts = content.textModules.sorted { $0.key < $1.key }
            .map { "; \($1.count) layers of text encoder \($0 + 1)" }.joined()
        guard !content.modules.isEmpty else {
            return FileIdentity(.adapter, "LoRA of text encoders\(texts)", architecture: "lora", keys: keys) { _, _ in }
        }
        let expert =
            Adapter.hasKeys(of: "transformer", in: checkpoint) ? "transformer" : AdapterFile.secondExpert
        let adapter = try Adapter(
            checkpoint, strength: 1, expert: expert, targets: AdapterTargets(rename: keys.rename))
        let ranks = Set(adapter.updates.values.flatMap { $0.compactMap(\.rank) }).sorted().map(String.init)
        let layers = adapter.updates.values.count { !$0.isEmpty }
        return FileIdentity(
            .adapter,
            "LoRA of \(layers) layers and \(adapter.deltas.count) whole changes, "
                + (ranks.isEmpty ? "for " : "rank \(ranks.joined(separator: ", ")), for ")
                + "\(families.isEmpty ? "unknown" : families.map(\.name).joined(separator: ", ")) networks"
                + texts + adapter.notes.map { "; \($0)" }.joined(),
            architecture: "lora", family: family, keys: keys
        ) { _, _ in }
    }
}

extension Checkpoint {
    /// How many numbered modules follow a prefix such as `blocks.`.
    func blocks(after prefix: String) -> Int {
        Set(
            tensors.keys.lazy.filter { $0.hasPrefix(prefix) }
                .compactMap { $0.dropFirst(prefix.count).split(separator: ".").first }
        ).count
    }
}
