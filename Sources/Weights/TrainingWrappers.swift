import Tensor

/// What tools of training put into the names of a network's tensors, where a file was saved without taking it off again.
enum TrainingWrappers {
    /// Of modules that stand around others, at any depth: torch.compile, FSDP, checkpointing of activations.
    private static let inner = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
    /// Before all names: DataParallel and DDP, and the training code of NVIDIA's rCM and Cosmos. No network's own names all begin
    /// so.
    private static let outer = ["module.", "net."]

    /// The tensors under the names that the network itself has; as they are where two would get one name.
    static func removed(from tensors: [String: Weight]) -> [String: Weight] {
        var names = Dictionary(uniqueKeysWithValues: tensors.keys.map { ($0, $0) })
        if tensors.keys.contains(where: { key in inner.contains { key.utf8.contains($0.utf8) } }) {
            names = names.mapValues { name in
                name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
                    .filter { piece in !inner.contains { piece.elementsEqual($0.utf8) } }
                    .compactMap { String($0) }.joined(separator: ".")
            }
        }
        while let prefix = outer.first(where: { prefix in names.values.allSatisfy { $0.hasPrefix(prefix) } }),
            !names.isEmpty
        {
            names = names.mapValues { String($0.dropFirst(prefix.count)) }
        }
        guard Set(names.values).count == names.count else { return tensors }
        return Dictionary(uniqueKeysWithValues: tensors.map { (names[$0.key] ?? $0.key, $0.value) })
    }
}
