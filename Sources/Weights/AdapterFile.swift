import Tensor

/// The content of a LoRA file before it is put on a network: what each module's factors are, in the forms that tools write.
///
/// Names are the file's own, without the prefixes that say whose they are. kohya's tools write them with underscores in
/// place of dots (`blocks_0_self_attn_q`); only a network's own list says which underscores were dots.
package struct AdapterFile: Sendable {
    /// The factors of one module.
    package struct Module: Sendable {
        /// The name as the file has it, without prefix and ending.
        package let name: String
        /// Whether underscores stand for dots.
        package let isFlat: Bool
        /// The expert that the key names; nil where the key names none, and in a text encoder.
        package let expert: String?
        /// What the parts of the update are called: `lora_down`, `lokr_w1`, `diff_b`, ...
        package fileprivate(set) var parts: [Part: Weight] = [:]
        /// The key that a part came from, for messages.
        fileprivate(set) var keys: [Part: String] = [:]

        func key(_ part: Part) -> String { keys[part] ?? "\(name).\(part.rawValue)" }
    }

    package enum Part: String, Sendable {
        case down = "lora_down", up = "lora_up", alpha
        case kroneckerLeft = "lokr_w1", kroneckerLeftUp = "lokr_w1_a", kroneckerLeftDown = "lokr_w1_b"
        case kroneckerRight = "lokr_w2", kroneckerRightUp = "lokr_w2_a", kroneckerRightDown = "lokr_w2_b"
        case hadamardUp1 = "hada_w1_a", hadamardDown1 = "hada_w1_b", hadamardUp2 = "hada_w2_a", hadamardDown2 =
            "hada_w2_b"
        /// Cores of convolutions in Tucker's form.
        case core = "lora_mid", kroneckerRightCore = "lokr_t2", hadamardCore1 = "hada_t1", hadamardCore2 = "hada_t2"
        /// Whole changes of a weight, a bias and a table of modulation.
        case weightDelta = "diff", biasDelta = "diff_b", tableDelta = "diff_m"
        /// What the factors' shapes say as well (FastVideo).
        case rank = "lora_rank"
    }

    package let path: String
    /// The modules of the network, sorted by expert and name.
    package let modules: [Module]
    /// The modules of text encoders, by the encoder's place in its pipeline, sorted by name.
    package let textModules: [Int: [Module]]
    let settings: AdapterSettings

    /// The name of diffusers' second expert, under which it keeps that one's updates.
    package static let secondExpert = "transformer_2"

    /// What comes before the names of modules, longest first where one begins with another, and the expert it means.
    private static let prefixes: [(text: String, expert: String?)] = [
        ("base_model.model.", nil), ("model.diffusion_model.", nil), ("diffusion_model.", nil),
        ("transformer_2.", secondExpert), ("transformer.", nil), ("pipe.dit2.", secondExpert), ("pipe.dit.", nil),
        ("dit.", nil), ("unet.", nil),
    ]
    private static let flatPrefixes = ["lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_"]
    /// What comes before the names of a text encoder's modules, and the encoder's place in its pipeline.
    private static let textPrefixes: [(text: String, encoder: Int)] = [
        ("lora_te_", 0), ("lora_te1_", 0), ("lora_te2_", 1), ("lora_te3_", 2),
        ("text_encoder.", 0), ("text_encoder_2.", 1), ("text_encoder_3.", 2), ("te1.", 0), ("te2.", 1),
        ("conditioner.embedders.0.transformer.", 0), ("conditioner.embedders.1.model.", 1),
        ("text_encoders.clip_l.transformer.", 0), ("text_encoders.clip_g.transformer.", 1), ("text_encoders.", 0),
        ("cond_stage_model.", 0), ("pipe.text_encoder.", 0),
    ]
    /// Kinds that are not computed here, by what is in their keys.
    private static let foreignKinds: [(part: String, kind: String)] = [
        ("dora_scale", "DoRA (weight-decomposed LoRA)"), ("lora_magnitude_vector", "DoRA (weight-decomposed LoRA)"),
        ("oft_blocks", "OFT (orthogonal finetuning)"), ("oft_diag", "OFT (orthogonal finetuning)"),
        ("oft_r", "OFT (orthogonal finetuning)"), ("oft_R", "OFT (orthogonal finetuning)"),
        ("boft_R", "BOFT (orthogonal finetuning)"), ("boft_s", "BOFT (orthogonal finetuning)"),
        ("ia3_l", "(IA)^3"), ("on_input", "(IA)^3"), ("vera_lambda_b", "VeRA"), ("vera_lambda_d", "VeRA"),
        ("hra_u", "HRA"),
    ]

    package init(_ checkpoint: Checkpoint) throws(WeightError) {
        path = checkpoint.path
        settings = try AdapterSettings(checkpoint)
        var network: [String: Module] = [:]
        var text: [Int: [String: Module]] = [:]
        for key in checkpoint.tensors.keys.sorted() {
            guard let weight = checkpoint.tensors[key] else { continue }
            guard let (stem, part) = try Self.split(key, file: path) else {
                throw .unusableAdapter(file: path, reason: "\"\(key)\" is no known part of a LoRA")
            }
            if let (encoder, module) = Self.textModule(stem) {
                try Self.add(weight, of: key, as: part, to: module, in: &text[encoder, default: [:]], file: path)
            } else {
                try Self.add(weight, of: key, as: part, to: Self.module(stem), in: &network, file: path)
            }
        }
        guard !network.isEmpty || !text.isEmpty else {
            throw .unusableAdapter(file: path, reason: "it holds no low-rank update")
        }
        modules = network.sorted { $0.key < $1.key }.map(\.value)
        textModules = text.mapValues { modules in modules.sorted { $0.key < $1.key }.map(\.value) }
    }

    private static func add(
        _ weight: Weight, of key: String, as part: Part, to new: Module, in modules: inout [String: Module],
        file: String
    ) throws(WeightError) {
        let id = "\(new.expert ?? "")/\(new.isFlat)/\(new.name)"
        var module = modules[id] ?? new
        if let other = module.keys.updateValue(key, forKey: part) {
            throw .malformed(file: file, reason: "\"\(other)\" and \"\(key)\" are one part of one module")
        }
        module.parts[part] = weight
        modules[id] = module
    }

    /// Whether a file's keys are those of a LoRA or one of its kin, also of those that are refused.
    package static func isAdapter(_ checkpoint: Checkpoint) -> Bool {
        checkpoint.tensors.keys.contains { key in
            foreignKind(key) != nil || (part(key).map { $0.part != .alpha } ?? false)
        }
    }

    /// Whether it has an update for that expert: one of its own, or one for any.
    func hasModules(of expert: String) -> Bool {
        modules.contains { $0.expert != Self.secondExpert } || (expert == Self.secondExpert && !modules.isEmpty)
    }

    /// The names of its modules as a network of these keys has them, to tell a family by. Where underscores stand for dots this is
    /// a guess, on which nothing is put.
    package func names(by keys: KeyTable) -> [String] {
        modules.map { module in
            module.isFlat ? keys.guess(flat: module.name) ?? Self.dotted(module.name) : keys.rename(module.name)
        }
    }

    /// The name with dots around the first number.
    private static func dotted(_ flat: String) -> String {
        let parts = flat.split(separator: "_", omittingEmptySubsequences: false)
        guard let place = parts.firstIndex(where: { Int($0) != nil }) else { return flat }
        let sides = [parts[..<place], parts[place...place], parts[(place + 1)...]]
        return sides.map { $0.joined(separator: "_") }.joined(separator: ".")
    }

    /// Whether it has modules of these names, in whichever form it writes them; `#` stands for a number.
    package func hasModules(like patterns: [String]) -> Bool {
        let wanted = Set(patterns.map { Self.flat($0) })
        return modules.contains { wanted.contains(Self.numberless(Self.flat($0.name), separator: "_")) }
    }

    static func flat(_ name: String) -> String { name.replacing(".", with: "_") }

    /// The name with `#` in place of the first number.
    static func numberless(_ name: String, separator: String) -> String {
        let parts = name.split(separator: Character(separator), omittingEmptySubsequences: false)
        guard let place = parts.firstIndex(where: { Int($0) != nil }) else { return name }
        return (parts[..<place] + ["#"] + parts[(place + 1)...]).joined(separator: separator)
    }

    // MARK: Keys

    /// - Throws: `.unusableAdapter` for a kind that is not computed here.
    private static func split(_ key: String, file: String) throws(WeightError) -> (stem: String, part: Part)? {
        if let kind = foreignKind(key) {
            throw .unusableAdapter(
                file: file,
                reason:
                    "it is \(kind), which is not computed here (LoRA, LoKr and LoHa are): merge it into its model, or use "
                    + "a LoRA of the same (\"\(key)\")")
        }
        return part(key)
    }

    private static func foreignKind(_ key: String) -> String? {
        let parts = key.split(separator: ".")
        return foreignKinds.first { kind in parts.suffix(3).contains { $0 == kind.part } }?.kind
    }

    private static let endings: [(text: String, part: Part)] = {
        var endings: [(String, Part)] = [
            (".lora.down.weight", .down), (".lora.up.weight", .up), ("_lora.down.weight", .down),
            (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
            ("_lora.up.weight", .up), (".lora_down.weight", .down), (".lora_up.weight", .up),
            (".lora_mid.weight", .core), (".lora_A.weight", .down),
            (".lora_B.weight", .up), (".lora_A", .down), (".lora_B", .up), (".w_norm", .weightDelta),
            (".b_norm", .biasDelta), (".lora_alpha", .alpha),
        ]
        for part in [
            Part.alpha, .kroneckerLeft, .kroneckerLeftUp, .kroneckerLeftDown, .kroneckerRight, .kroneckerRightUp,
            .kroneckerRightDown, .kroneckerRightCore, .hadamardUp1, .hadamardDown1, .hadamardCore1, .hadamardUp2,
            .hadamardDown2, .hadamardCore2, .weightDelta, .biasDelta, .tableDelta, .rank,
        ] {
            endings.append((".\(part.rawValue)", part))
        }
        return endings
    }()

    /// The stem of a key before its part of the update.
    private static func part(_ key: String) -> (stem: String, part: Part)? {
        if let ending = endings.first(where: { key.hasSuffix($0.text) }) {
            return (String(key.dropLast(ending.text.count)), ending.part)
        }
        // PEFT puts the adapter's own name between: `lora_A.default.weight`.
        let parts = key.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 3, parts.last == "weight" else { return nil }
        let stem = parts.dropLast(3).joined(separator: ".")
        switch parts[parts.count - 3] {
        case "lora_A": return (stem, .down)
        case "lora_B": return (stem, .up)
        default: return nil
        }
    }

    /// The stem without what PEFT puts before everything.
    private static func core(_ stem: String) -> Substring {
        stem.hasPrefix("base_model.model.") ? stem.dropFirst("base_model.model.".count) : stem[...]
    }

    /// The place of the text encoder that a module is of; nil for a module of the network.
    private static func textModule(_ stem: String) -> (encoder: Int, module: Module)? {
        let core = core(stem)
        guard let prefix = textPrefixes.first(where: { core.hasPrefix($0.text) }) else { return nil }
        let name = String(core.dropFirst(prefix.text.count))
        return (prefix.encoder, Module(name: name, isFlat: prefix.text.hasSuffix("_"), expert: nil))
    }

    private static func module(_ stem: String) -> Module {
        if let prefix = flatPrefixes.first(where: { stem.hasPrefix($0) }) {
            return Module(name: String(stem.dropFirst(prefix.count)), isFlat: true, expert: nil)
        }
        var name = stem[...]
        var expert: String?
        while let prefix = prefixes.first(where: { name.hasPrefix($0.text) }) {
            name = name.dropFirst(prefix.text.count)
            expert = prefix.expert ?? expert
        }
        return Module(name: String(name), isFlat: false, expert: expert)
    }
}
