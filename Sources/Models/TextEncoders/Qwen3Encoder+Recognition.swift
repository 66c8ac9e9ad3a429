import Weights

extension Qwen3Encoder {
    /// What a file is if it holds a Qwen3 text model.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: Qwen3Keys.encoder).tensors
        let prefix = QwenDecoder.prefix { tensors[$0] != nil }
        // Norms of heads are Qwen3's.
        guard let table = tensors[prefix + "embed_tokens.weight"], table.shape.count == 2,
            tensors[prefix + "layers.0.self_attn.q_norm.weight"] != nil
        else { return nil }
        return FileIdentity(
            .textEncoder, "Qwen3 text model of width \(table.shape[1]), vocabulary \(table.shape[0])",
            architecture: "qwen3", keys: Qwen3Keys.encoder
        ) { reader, compute in
            let config = try QwenConfig.of(reader.checkpoint)
            _ = try Qwen3Encoder(reader, config: config, states: [config.layers - 1], compute: compute)
        }
    }
}
