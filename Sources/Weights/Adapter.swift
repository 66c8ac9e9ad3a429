import Foundation
import Tensor

/// A LoRA file: low-rank updates of linear layers and full deltas of biases and norms, by the module names of the
/// network they belong to (after `rename`).
///
/// Scale of an update is alpha / rank. Alpha comes from `<module>.alpha`, a scalar of any numeric type (an I64 one is
/// common and must not be dropped: the update would be alpha times too strong), else from the PEFT settings in the
/// header's metadata, else it equals the rank.
package struct Adapter: Sendable {
    package struct Update: Sendable {
        /// `[rank, in]` and `[out, rank]`.
        package let down, up: Weight
        package let scale: Float
    }

    package let file: String
    package let strength: Float
    package let updates: [String: Update]
    /// Added to whole tensors, by full key (`blocks.0.attn1.to_q.bias`).
    package let deltas: [String: Weight]

    /// Endings of the two factors in the forms that occur in published files.
    private static let downEndings = [
        ".lora_down.weight", ".lora_A.weight", ".lora_A.default.weight", ".lora.down.weight",
    ]
    private static let upEndings = [".lora_up.weight", ".lora_B.weight", ".lora_B.default.weight", ".lora.up.weight"]
    private static let prefixes = ["diffusion_model.", "model.diffusion_model.", "transformer."]
    /// diffusers keeps the LoRA of a second expert under its name, in the same file or one of its own.
    private static let secondExpert = "transformer_2"

    /// - Parameters:
    ///   - strength: factor on the whole adapter; 1 is as trained.
    ///   - expert: whose update is wanted, of a file that may hold those of two.
    ///   - rename: module names of other tools to this network's, e.g. `WanKeys.transformer.rename`.
    package init(
        file: String, strength: Float, expert: String = "transformer", rename: (String) -> String
    ) throws(WeightError) {
        try self.init(Checkpoint(file: file), strength: strength, expert: expert, rename: rename)
    }

    package init(
        _ opened: Checkpoint, strength: Float, expert: String, rename: (String) -> String
    ) throws(WeightError) {
        let file = opened.path
        let second = opened.tensors.filter { $0.key.hasPrefix(Self.secondExpert + ".") }
        let isSecond = expert == Self.secondExpert && !second.isEmpty
        guard Self.hasKeys(of: expert, in: opened) else {
            throw .unusableAdapter(file: file, reason: "all its keys are of \(Self.secondExpert), none is of \(expert)")
        }
        var down: [String: Weight] = [:]
        var up: [String: Weight] = [:]
        var alpha: [String: Float] = [:]
        var deltas: [String: Weight] = [:]
        for (key, weight) in opened.tensors where (second[key] != nil) == isSecond {
            var name = key
            for prefix in Self.prefixes + [Self.secondExpert + "."] where name.hasPrefix(prefix) {
                name.removeFirst(prefix.count)
                break
            }
            if let module = Self.stripped(name, of: Self.downEndings) {
                down[rename(module)] = weight
            } else if let module = Self.stripped(name, of: Self.upEndings) {
                up[rename(module)] = weight
            } else if let module = Self.stripped(name, of: [".alpha"]) {
                guard weight.count == 1 else {
                    throw .malformed(file: file, reason: "\"\(key)\" is not a single number but \(weight.shape)")
                }
                alpha[rename(module)] = weight.widened().array[0]
            } else if let module = Self.stripped(name, of: [".diff"]) {
                deltas[rename(module) + ".weight"] = weight
            } else if let module = Self.stripped(name, of: [".diff_b"]) {
                deltas[rename(module) + ".bias"] = weight
            } else if let module = Self.stripped(name, of: [".diff_m"]) {
                deltas[rename(module + ".modulation")] = weight
            } else {
                throw .unusableAdapter(file: file, reason: "\"\(key)\" is no known part of a LoRA")
            }
        }
        guard !down.isEmpty || !deltas.isEmpty else {
            throw .unusableAdapter(file: file, reason: "it holds no low-rank update")
        }
        let settingsAlpha = try Self.alphaFromSettings(opened)
        var updates: [String: Update] = [:]
        for (module, lower) in down {
            guard let upper = up.removeValue(forKey: module) else {
                throw .malformed(file: file, reason: "\"\(module)\" has a down matrix but no up matrix")
            }
            guard lower.shape.count == 2, upper.shape.count == 2, lower.shape[0] == upper.shape[1], lower.shape[0] > 0
            else {
                throw .malformed(
                    file: file, reason: "\"\(module)\": down \(lower.shape) and up \(upper.shape) do not multiply")
            }
            let rank = Float(lower.shape[0])
            let scale = (alpha.removeValue(forKey: module) ?? settingsAlpha ?? rank) / rank
            guard scale.isFinite else { throw .malformed(file: file, reason: "\"\(module).alpha\" is not finite") }
            updates[module] = Update(down: lower, up: upper, scale: scale)
        }
        if let orphan = up.keys.sorted().first {
            throw .malformed(file: file, reason: "\"\(orphan)\" has an up matrix but no down matrix")
        }
        self.file = file
        self.strength = strength
        self.updates = updates
        self.deltas = deltas
    }

    /// Whether a file has an update for that expert: one of its own, or one for any.
    package static func hasKeys(of expert: String, in file: Checkpoint) -> Bool {
        let second = file.tensors.keys.filter { $0.hasPrefix(secondExpert + ".") }.count
        return second == 0 || second < file.tensors.count || expert == secondExpert
    }

    /// Whether a file's keys are those of a LoRA.
    package static func isAdapter(_ checkpoint: Checkpoint) -> Bool {
        checkpoint.tensors.keys.contains { stripped($0, of: downEndings + [".diff", ".diff_b", ".diff_m"]) != nil }
    }

    private static func stripped(_ name: String, of endings: [String]) -> String? {
        endings.first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) }
    }

    /// `lora_adapter_metadata` as diffusers writes it: JSON with `transformer.lora_alpha`.
    private static func alphaFromSettings(_ file: Checkpoint) throws(WeightError) -> Float? {
        guard let text = file.metadata["lora_adapter_metadata"] else { return nil }
        guard let settings = (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] else {
            throw .malformed(file: file.path, reason: "lora_adapter_metadata is not a JSON object")
        }
        let values = settings.filter { $0.key.hasSuffix("lora_alpha") }.compactMap { $0.value as? Double }
        return values.first.map { Float($0) }
    }
}
