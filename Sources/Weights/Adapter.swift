import Tensor

/// A LoRA file put on a network or a text encoder: updates of linear layers and convolutions and whole changes of biases, norms
/// and tables, by the network's own names.
///
/// The update of a convolution is that of its weight as a matrix `[out, in * kernel]`.
///
/// Scale of an update is alpha / rank. Alpha comes from `<module>.alpha`, a scalar of any numeric type (an I64 one is
/// common and must not be dropped: the update would be alpha times too strong), else from PEFT's settings (the header's
/// metadata, `adapter_config.json`), else it equals the rank.
package struct Adapter: Sendable {
    package let file: String
    package let strength: Float
    /// The updates by module (`blocks.0.attn1.to_q`), at strength 1.
    package let updates: [String: [LayerUpdate]]
    /// Added to whole tensors, by full key (`blocks.0.attn1.to_q.bias`).
    package let deltas: [String: Weight]
    /// What is in the file and not applied.
    package let notes: [String]

    /// - Parameters:
    ///   - file: a LoRA file, or the folder that PEFT writes.
    ///   - strength: factor on the whole adapter; 1 is as trained.
    ///   - expert: whose update is wanted, of a file that may hold those of two.
    ///   - targets: the network that it is put on.
    package init(
        file: String, strength: Float, expert: String = "transformer", targets: AdapterTargets
    ) throws(WeightError) {
        try self.init(Checkpoint(path: file), strength: strength, expert: expert, targets: targets)
    }

    package init(
        _ opened: Checkpoint, strength: Float, expert: String, targets: AdapterTargets
    ) throws(WeightError) {
        let content = try AdapterFile(opened)
        guard content.hasModules(of: expert) else {
            throw .unusableAdapter(
                file: content.path,
                reason: content.modules.isEmpty
                    ? "all its modules are of text encoders"
                    : "all its keys are of \(AdapterFile.secondExpert), none is of \(expert)")
        }
        let hasSecond = content.modules.contains { $0.expert == AdapterFile.secondExpert }
        let wanted = expert == AdapterFile.secondExpert && hasSecond ? expert : nil
        try self.init(
            content, content.modules.filter { $0.expert == wanted }, component: expert, strength: strength,
            targets: targets)
    }

    /// What a file has for a text encoder; nil where it has nothing for it.
    /// - Parameters:
    ///   - place: of the encoder in its pipeline, from 0.
    ///   - component: what PEFT's settings call the encoder.
    package init?(
        _ opened: Checkpoint, strength: Float, textEncoder place: Int, component: String, targets: AdapterTargets
    ) throws(WeightError) {
        let content = try AdapterFile(opened)
        guard let modules = content.textModules[place] else { return nil }
        try self.init(content, modules, component: component, strength: strength, targets: targets)
    }

    private init(
        _ content: AdapterFile, _ modules: [AdapterFile.Module], component: String, strength: Float,
        targets: AdapterTargets
    ) throws(WeightError) {
        file = content.path
        self.strength = strength
        var updates: [String: [LayerUpdate]] = [:]
        var deltas: [String: Weight] = [:]
        var passedOver = 0
        for module in modules {
            guard !targets.passesOver(module) else {
                passedOver += 1
                continue
            }
            let update = try Self.update(module, settings: content.settings, component: component, file: file)
            let changes = try Self.deltas(module, targets: targets, file: file)
            if let update {
                for target in targets.targets(of: module, rows: update.outputs) {
                    updates[target.module, default: []].append(target.rows.map(update.slice) ?? update)
                }
            } else if changes.isEmpty {
                // An alpha alone changes nothing, but it may be that of a module under another name, which is not to be lost.
                for target in targets.targets(of: module, rows: 0) { updates[target.module, default: []] += [] }
            }
            for (key, delta) in changes {
                guard deltas.updateValue(delta, forKey: key) == nil else {
                    throw .malformed(file: file, reason: "two changes of \"\(key)\", one of them \"\(module.name)\"")
                }
            }
        }
        guard !updates.values.allSatisfy(\.isEmpty) || !deltas.isEmpty else {
            throw .unusableAdapter(file: file, reason: "it holds no low-rank update")
        }
        self.updates = updates
        self.deltas = deltas
        notes =
            passedOver > 0 ? ["\(passedOver) modules that only relatives of the network have are passed over"] : []
    }

    /// Whether a file has an update for that expert: one of its own, or one for any.
    package static func hasKeys(of expert: String, in file: Checkpoint) -> Bool {
        (try? AdapterFile(file))?.hasModules(of: expert) ?? true
    }

    /// Whether a file has updates for text encoders.
    package static func hasTextKeys(in file: Checkpoint) -> Bool {
        (try? AdapterFile(file)).map { !$0.textModules.isEmpty } ?? false
    }

    /// Whether a file has updates for nothing but text encoders.
    package static func isForTextOnly(_ file: Checkpoint) -> Bool {
        (try? AdapterFile(file)).map(\.modules.isEmpty) ?? false
    }

    /// Whether a file's keys are those of a LoRA.
    package static func isAdapter(_ checkpoint: Checkpoint) -> Bool { AdapterFile.isAdapter(checkpoint) }

    // MARK: Updates

    /// The low-rank, Kronecker or Hadamard update of a module; nil where it has only whole changes.
    private static func update(
        _ module: AdapterFile.Module, settings: AdapterSettings, component: String, file: String
    ) throws(WeightError) -> LayerUpdate? {
        let factors = try Factors(module, file: file)
        guard let (form, rank) = try factors.update() else { return nil }
        let alpha = try factors.alpha()
        let scale: Float
        if let rank {
            scale = Float(settings.scale(alpha: alpha, rank: rank, module: module.name, component: component))
        } else {
            // A Kronecker product of two whole matrices has no rank, and an alpha beside it no meaning.
            scale = 1
        }
        guard scale.isFinite else {
            throw .malformed(file: file, reason: "\"\(module.key(.alpha))\": the scale of the update is not finite")
        }
        return LayerUpdate(form, scale: scale)
    }

    private static func deltas(
        _ module: AdapterFile.Module, targets: AdapterTargets, file: String
    ) throws(WeightError) -> [(key: String, delta: Weight)] {
        var found: [(String, Weight)] = []
        for (part, ending) in [(AdapterFile.Part.weightDelta, ".weight"), (.biasDelta, ".bias")] {
            guard let delta = module.parts[part] else { continue }
            guard let rows = delta.shape.first else {
                throw .malformed(file: file, reason: "\"\(module.key(part))\" is a single number")
            }
            for target in targets.targets(of: module, rows: rows) {
                found.append((target.module + ending, target.rows.map(delta.slice) ?? delta))
            }
        }
        if let delta = module.parts[.tableDelta] {
            let table = AdapterFile.Module(
                name: module.name + (module.isFlat ? "_modulation" : ".modulation"), isFlat: module.isFlat,
                expert: module.expert)
            for target in targets.targets(of: table, rows: delta.shape.first ?? 0) {
                found.append((target.module, delta))
            }
        }
        return found
    }
}

/// The factors of one module's update, each a matrix.
private struct Factors {
    private let module: AdapterFile.Module
    private let file: String

    init(_ module: AdapterFile.Module, file: String) throws(WeightError) {
        self.module = module
        self.file = file
    }

    /// A part as a matrix, a convolution's `[out, in, kernel]` as `[out, in * kernel]`.
    private func matrix(_ part: AdapterFile.Part) throws(WeightError) -> Weight? {
        guard let weight = module.parts[part] else { return nil }
        guard weight.shape.count >= 2, weight.count > 0, weight.type.isFloatingPoint || weight.scales != nil
        else {
            throw .malformed(
                file: file,
                reason: "\"\(module.key(part))\" of shape \(weight.shape) and type "
                    + "\(weight.type.rawValue) is no matrix of numbers")
        }
        return weight.shape.count == 2
            ? weight : weight.reshaped([weight.shape[0], weight.shape.dropFirst().reduce(1, *)])
    }

    func alpha() throws(WeightError) -> Double? {
        guard let weight = module.parts[.alpha] else { return nil }
        guard weight.count == 1 else {
            throw .malformed(
                file: file, reason: "\"\(module.key(.alpha))\" is not a single number but \(weight.shape)")
        }
        return Double(weight.widened().array[0])
    }

    /// Factors that multiply: up `[out, r]`, down `[r, in]`, and in Tucker's form of a convolution a core `[r, r, cells]`
    /// between them.
    private struct Product {
        let up: Weight
        let down: Weight
        let core: Weight?
    }

    /// - Parameter turned: whether tools write up as `[r, out]` where a core is beside it.
    /// - Returns: nil if neither factor is there.
    private func product(
        _ up: AdapterFile.Part, _ down: AdapterFile.Part, core: AdapterFile.Part? = nil, turned: Bool = false
    ) throws(WeightError) -> Product? {
        let hasCore = core.map { module.parts[$0] != nil } ?? false
        switch (try matrix(up), try matrix(down)) {
        case (nil, nil):
            if let core, hasCore { throw missing(down, beside: core) }
            return nil
        case (nil, _): throw missing(up, beside: down)
        case (_, nil): throw missing(down, beside: up)
        case (let upper?, let lower?):
            let (rank, isTurned) = (lower.shape[0], turned && hasCore)
            guard upper.shape[isTurned ? 0 : 1] == rank else {
                throw .malformed(
                    file: file,
                    reason: "\"\(module.key(up))\" has shape \(upper.shape), beside \"\(module.key(down))\" of "
                        + "\(lower.shape) it should have \(isTurned ? "\(rank) rows" : "\(rank) columns")")
            }
            return Product(
                up: isTurned ? Self.transposed(upper) : upper, down: lower,
                core: try core.flatMap { part throws(WeightError) in try self.core(part, rank: rank) })
        }
    }

    /// A core as `[r, r, cells]`. One of another form could make a small file into a large update.
    private func core(_ part: AdapterFile.Part, rank: Int) throws(WeightError) -> Weight? {
        guard let weight = module.parts[part] else { return nil }
        guard try matrix(part) != nil, weight.shape.starts(with: [rank, rank]) else {
            throw .malformed(
                file: file,
                reason: "\"\(module.key(part))\" has shape \(weight.shape), a core of rank \(rank) should have "
                    + "[\(rank), \(rank), kernel]")
        }
        return weight.reshaped([rank, rank, weight.shape.dropFirst(2).reduce(1, *)])
    }

    private static func transposed(_ weight: Weight) -> Weight {
        let (rows, columns) = (weight.shape[0], weight.shape[1])
        let values = weight.widened()
        let turned = Tensor.lasting {
            Tensor(shape: [columns, rows]) { out in
                values.withUnsafe { values in
                    for index in out.indices { out[index] = values[index % rows * columns + index / rows] }
                }
            }
        }
        return Weight(name: weight.name, turned)
    }

    private func missing(_ part: AdapterFile.Part, beside other: AdapterFile.Part) -> WeightError {
        let names: [AdapterFile.Part: String] = [.down: "down", .up: "up"]
        let (absent, present) = (names[part] ?? part.rawValue, names[other] ?? other.rawValue)
        return .malformed(file: file, reason: "\"\(module.name)\" lacks the matrix \(absent) beside \(present)")
    }

    /// The one update that the module has, and its rank where it has one; nil where it has only whole changes.
    func update() throws(WeightError) -> (form: LayerUpdate.Form, rank: Int?)? {
        let found = try [lowRank(), kronecker(), hadamard()].compactMap { $0 }
        guard found.count <= 1 else {
            throw .malformed(file: file, reason: "\"\(module.name)\" has updates of \(found.count) kinds")
        }
        return found.first
    }

    private func lowRank() throws(WeightError) -> (form: LayerUpdate.Form, rank: Int?)? {
        guard let factors = try product(.up, .down, core: .core) else { return nil }
        let form = LayerUpdate.Form.lowRank(down: factors.down, up: factors.up)
        return (factors.core.map { .tucker(cores: [$0], form) } ?? form, factors.down.shape[0])
    }

    private func hadamard() throws(WeightError) -> (form: LayerUpdate.Form, rank: Int?)? {
        let first = try product(.hadamardUp1, .hadamardDown1, core: .hadamardCore1, turned: true)
        let second = try product(.hadamardUp2, .hadamardDown2, core: .hadamardCore2, turned: true)
        switch (first, second) {
        case (nil, nil): return nil
        case (let first?, let second?):
            let cores = [first.core, second.core].compactMap { $0 }
            guard cores.count != 1 else {
                let parts: [AdapterFile.Part] = [.hadamardCore1, .hadamardCore2]
                throw first.core == nil
                    ? missing(parts[0], beside: parts[1]) : missing(parts[1], beside: parts[0])
            }
            guard first.up.shape[0] == second.up.shape[0], first.down.shape[1] == second.down.shape[1],
                cores.isEmpty || cores[0].shape[2] == cores[1].shape[2]
            else {
                throw .malformed(file: file, reason: "\"\(module.name)\": the two products of the LoHa differ in shape")
            }
            let form = LayerUpdate.Form.hadamard(
                down1: first.down, up1: first.up, down2: second.down, up2: second.up)
            return (cores.isEmpty ? form : .tucker(cores: cores, form), first.down.shape[0])
        default: throw .malformed(file: file, reason: "\"\(module.name)\" has one of the two products of a LoHa")
        }
    }

    private func kronecker() throws(WeightError) -> (form: LayerUpdate.Form, rank: Int?)? {
        let leftPair = try product(.kroneckerLeftUp, .kroneckerLeftDown)
        let rightPair = try product(.kroneckerRightUp, .kroneckerRightDown, core: .kroneckerRightCore, turned: true)
        let (wholeLeft, wholeRight) = (try matrix(.kroneckerLeft), try matrix(.kroneckerRight))
        guard leftPair != nil || rightPair != nil || wholeLeft != nil || wholeRight != nil else { return nil }
        guard (wholeLeft == nil) != (leftPair == nil), (wholeRight == nil) != (rightPair == nil) else {
            throw .malformed(
                file: file, reason: "\"\(module.name)\" does not have each factor of a LoKr (lokr_w1, lokr_w2) once")
        }
        let left: Tensor
        if let wholeLeft {
            left = Tensor.lasting { wholeLeft.widened() }
        } else if let pair = leftPair {
            guard pair.up.shape[0] * pair.down.shape[1] <= Self.largestLeft else {
                throw .unusableAdapter(file: file, reason: "\"\(module.name)\": lokr_w1 is too large a matrix")
            }
            left = Tensor.lasting { Self.multiplied(pair.up, pair.down) }
        } else {
            return nil
        }
        guard left.count <= Self.largestLeft else {
            throw .unusableAdapter(file: file, reason: "\"\(module.name)\": lokr_w1 is too large a matrix")
        }
        let right = rightPair.map { [$0.up, $0.down] } ?? [wholeRight].compactMap { $0 }
        let form = LayerUpdate.Form.kronecker(left: left, right: right)
        return (
            rightPair?.core.map { .tucker(cores: [$0], form) } ?? form,
            rightPair?.down.shape[0] ?? leftPair?.down.shape[0]
        )
    }

    /// The left factor is the small one: tools split widths by at most a few dozen.
    private static let largestLeft = 1 << 20

    private static func multiplied(_ a: Weight, _ b: Weight) -> Tensor {
        let (rows, inner, columns) = (a.shape[0], a.shape[1], b.shape[1])
        let (left, right) = (a.widened().array, b.widened().array)
        var product = [Float](repeating: 0, count: rows * columns)
        for row in 0..<rows {
            for k in 0..<inner {
                let factor = left[row * inner + k]
                for column in 0..<columns { product[row * columns + column] += factor * right[k * columns + column] }
            }
        }
        return Tensor(product, shape: [rows, columns])
    }
}
