import Networks
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
    package func forget(expert: String) {
        contexts.withLock { $0[expert] = nil }
    }
}
