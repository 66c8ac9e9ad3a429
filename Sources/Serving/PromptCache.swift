import Diffusion

/// The last few prompts of a model, encoded. Used on the compute thread only.
final class PromptCache<Model: ImageModel> {
    let model: Model
    /// Most recently used last.
    private var entries: [(prompt: String, conditioning: Model.Conditioning)] = []
    /// The embedding of one prompt of UMT5-XXL takes 8 MB at most.
    private static var capacity: Int { 16 }

    init(model: Model) {
        self.model = model
    }

    func isKnown(_ prompt: String) -> Bool { entries.contains { $0.prompt == prompt } }

    func encode(_ prompt: String, interrupt: () throws -> Void) throws -> Model.Conditioning {
        let conditioning: Model.Conditioning
        if let index = entries.firstIndex(where: { $0.prompt == prompt }) {
            conditioning = entries.remove(at: index).conditioning
        } else {
            conditioning = try model.encode(prompt, interrupt: interrupt)
        }
        entries.append((prompt, conditioning))
        if entries.count > Self.capacity { entries.removeFirst() }
        return conditioning
    }
}
