import Weights

extension UMT5Encoder {
    /// What a file is if it holds a UMT5 or T5 text encoder.
    static func recognise(_ checkpoint: Checkpoint) throws -> FileIdentity? {
        let tensors = try checkpoint.renamed(by: UMT5Keys.encoder).tensors
        let relative = "layer.0.SelfAttention.relative_attention_bias.weight"
        guard let table = tensors["shared.weight"] ?? tensors["encoder.embed_tokens.weight"],
            tensors["encoder.block.0.\(relative)"] != nil, table.shape.count == 2
        else { return nil }
        // UMT5 has a table of positions in each block, T5 one for all.
        let isUMT5 = tensors["encoder.block.1.\(relative)"] != nil
        return FileIdentity(
            .textEncoder,
            "\(isUMT5 ? "UMT5" : "T5") text encoder of width \(table.shape[1]), vocabulary \(table.shape[0])",
            architecture: "t5encoder",
            refusal: isUMT5 ? nil : "Wan reads UMT5, which has positions in every block; this is a T5",
            keys: UMT5Keys.encoder
        ) { reader, compute in
            _ = try UMT5Encoder(reader, config: try UMT5Config.of(reader.checkpoint), compute: compute)
        }
    }
}
