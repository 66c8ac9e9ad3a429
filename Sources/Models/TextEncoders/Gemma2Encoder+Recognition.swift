import Weights

extension Gemma2Encoder {
    /// What a file is if it holds a Gemma 2 text model.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        // Other decoders of llama.cpp have norms of the same names.
        let architecture = checkpoint.metadata["general.architecture"]
        guard architecture.map({ $0.hasPrefix("gemma") }) ?? true else { return nil }
        let tensors = try checkpoint.renamed(by: Gemma2Keys.encoder).tensors
        let prefix = Gemma2Keys.prefix { tensors[$0] != nil }
        let norm = "\(prefix)layers.0.post_feedforward_layernorm"
        guard let table = tensors["\(prefix)embed_tokens.weight"], table.shape.count == 2,
            tensors["\(norm).weight"] != nil || tensors["\(norm).\(Gemma2Keys.sum).weight"] != nil
        else { return nil }
        // Norms of heads are Gemma 3's.
        let isThird = tensors["\(prefix)layers.0.self_attn.q_norm.weight"] != nil
        return FileIdentity(
            .textEncoder,
            "Gemma \(isThird ? 3 : 2) text model of width \(table.shape[1]), vocabulary \(table.shape[0])",
            architecture: "gemma2", refusal: isThird ? "Gemma 3 encodes no text of a model that runs here" : nil,
            keys: Gemma2Keys.encoder
        ) { reader, compute in
            _ = try Gemma2Encoder(reader, config: try Gemma2Config.of(reader.checkpoint), compute: compute)
        }
    }
}
