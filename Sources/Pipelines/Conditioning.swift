import Diffusion
import Models
import Synchronization

/// A prompt, encoded: what every expert makes its keys and values from. They are computed once for each expert and kept
/// for all steps and all images of the prompt.
package final class Conditioning: Sendable {
    package let embedding: TextEmbedding
    private let contexts = Mutex<[String: WanTextContext]>([:])

    package init(_ embedding: TextEmbedding) {
        self.embedding = embedding
    }

    func context(of expert: String, _ make: (TextEmbedding) -> WanTextContext) -> WanTextContext {
        if let known = contexts.withLock({ $0[expert] }) { return known }
        let made = make(embedding)
        contexts.withLock { $0[expert] = made }
        return made
    }

    /// Lets go of what was kept for an expert, once no step of it is to come.
    package func forget(expert: String, loras: [LoRA] = []) {
        contexts.withLock { $0[Expert.key(expert, loras)] = nil }
    }
}

/// The embedding; what is kept for experts follows from it.
extension Conditioning: Codable {
    private enum CodingKeys: String, CodingKey { case rows, paddedLength }

    package convenience init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let rows = try values.decode(StoredTensor.self, forKey: .rows).tensor()
        guard rows.shape.count == 2 else {
            throw DecodingError.dataCorruptedError(
                forKey: .rows, in: values, debugDescription: "rows of shape \(rows.shape)")
        }
        self.init(
            TextEmbedding(rows: rows, paddedLength: try values.decode(Int.self, forKey: .paddedLength)))
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(StoredTensor(embedding.rows), forKey: .rows)
        try values.encode(embedding.paddedLength, forKey: .paddedLength)
    }
}
