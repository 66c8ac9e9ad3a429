import Diffusion
import Synchronization
import Tensor

/// What the text side of a model made of a prompt: tensors that only the model's own family reads, by name. Everybody
/// else keeps a conditioning, stores it, and hands it on.
///
/// A conditioning also keeps what each expert makes of it (keys and values of the prompt), so that all steps and all
/// pictures of one prompt compute that once.
package final class Conditioning: Sendable {
    package let tensors: [String: Tensor]
    private let kept = Mutex<[String: any Sendable]>([:])

    package init(_ tensors: [String: Tensor]) {
        self.tensors = tensors
    }

    /// The name of the rows `[n, width]` of text, which most families have.
    package static let rowsName = "rows"

    /// Rows `[n, width]` alone.
    package convenience init(rows: Tensor) {
        self.init([Self.rowsName: rows])
    }

    /// - Precondition: the family that reads the rows has written them.
    package var rows: Tensor { tensors[Self.rowsName] ?? Tensor(zeros: [0, 0]) }

    /// The same tensors, apart from the memory of the stage that computed them.
    package var lasting: Conditioning { Conditioning(tensors.mapValues { Tensor.lasting($0.copy) }) }

    /// What an expert made of this conditioning; `make` is called where the expert has made nothing yet.
    /// - Parameter key: stands for the expert and the LoRA files on it.
    package func kept<Value: Sendable>(
        for key: String, _ make: (Conditioning) throws -> Value
    ) rethrows -> Value {
        if let known = kept.withLock({ $0[key] }) as? Value { return known }
        let made = try make(self)
        kept.withLock { $0[key] = made }
        return made
    }

    /// Lets go of what was kept for an expert, once no step of the expert is to come.
    package func forget(key: String) {
        kept.withLock { $0[key] = nil }
    }
}

/// The tensors; what is kept for experts follows from them.
extension Conditioning: Codable {
    package convenience init(from decoder: any Decoder) throws {
        let stored = try decoder.singleValueContainer().decode([String: StoredTensor].self)
        self.init(try stored.mapValues { try $0.tensor() })
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(tensors.mapValues(StoredTensor.init))
    }
}
