import Weights

extension Qwen25Encoder {
    /// What a file is if it holds a Qwen2.5 text model.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: Qwen25Keys.encoder).tensors
        let table = tensors["model.embed_tokens.weight"] ?? tensors["model.language_model.embed_tokens.weight"]
        // Biases of queries and keys are Qwen2.5's.
        guard let table, table.shape.count == 2,
            tensors.keys.contains(where: { $0.hasSuffix("layers.0.self_attn.q_proj.bias") })
        else { return nil }
        let sight = QwenVisionTower.prefix { tensors[$0] != nil } == nil ? "" : ", with its vision tower"
        return FileIdentity(
            .textEncoder, "Qwen2.5 text model of width \(table.shape[1]), vocabulary \(table.shape[0])\(sight)",
            architecture: "qwen2vl", keys: Qwen25Keys.encoder
        ) { reader, compute in
            _ = try Qwen25Encoder(reader, config: try QwenConfig.of(reader.checkpoint), compute: compute)
        }
    }
}
