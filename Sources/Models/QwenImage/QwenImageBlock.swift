import Tensor
import Weights

/// The streams of Qwen-Image between blocks.
package struct QwenImageStreams {
    /// `[B * T, dim]`
    package var image: Tensor
    /// `[B * P, dim]`: the tokens of each entry's reference pictures; nil where there are none. They share the image's weights.
    package var pictures: Tensor?
    /// `[sum of the counts, dim]`: the prompts' rows one after the other, without padding.
    package var text: Tensor
    /// Rows of each prompt.
    package let textCounts: [Int]

    package init(image: Tensor, pictures: Tensor? = nil, text: Tensor, textCounts: [Int]) {
        self.image = image
        self.pictures = pictures
        self.text = text
        self.textCounts = textCounts
    }
}

/// silu of time embeddings, `[B, dim]` each.
package struct QwenImageTimes {
    let image, pictures: Tensor

    /// - Parameter pictures: of the reference pictures; nil for the image's.
    package init(image: Tensor, pictures: Tensor? = nil) {
        self.image = image
        self.pictures = pictures ?? image
    }
}

/// One dual-stream block: image and text have weights of their own and meet in one attention.
///
/// Reference: `QwenImageTransformerBlock` in diffusers' transformer_qwenimage.py.
package struct QwenImageBlock: Sendable {
    private let config: QwenImageTransformerConfig
    private let compute: Compute
    private let image, text: Stream

    init(_ reader: WeightReader, config: QwenImageTransformerConfig, compute: Compute) throws(WeightError) {
        self.config = config
        self.compute = compute
        image = try Stream(
            reader, modulation: "img_mod.1", q: "attn.to_q", k: "attn.to_k", v: "attn.to_v", out: "attn.to_out.0",
            normQ: "attn.norm_q", normK: "attn.norm_k", mlp: "img_mlp.net", config: config, compute: compute)
        text = try Stream(
            reader, modulation: "txt_mod.1", q: "attn.add_q_proj", k: "attn.add_k_proj", v: "attn.add_v_proj",
            out: "attn.to_add_out", normQ: "attn.norm_added_q", normK: "attn.norm_added_k", mlp: "txt_mlp.net",
            config: config, compute: compute)
    }

    /// - Parameter ropes: for each batch entry the angles of its text, then of its image, then of its reference pictures.
    package func forward(_ x: QwenImageStreams, times: QwenImageTimes, ropes: [RotaryTable]) -> QwenImageStreams {
        let imageModulation = image.modulation(times.image)
        let pictureModulation = x.pictures.map { _ in image.modulation(times.pictures) }
        // Prompts differ in length; where they do, every row gets a modulation of its own.
        let isUniform = Set(x.textCounts).count == 1
        let textModulation = text.modulation(times.image).map { isUniform ? $0 : repeated($0, x.textCounts) }

        var heads = [
            text.heads(x.text, textModulation, counts: x.textCounts),
            image.heads(x.image, imageModulation, entries: x.textCounts.count),
        ]
        if let pictures = x.pictures, let pictureModulation {
            heads.append(image.heads(pictures, pictureModulation, entries: x.textCounts.count))
        }
        let attended = attention(heads, ropes: ropes)
        return QwenImageStreams(
            image: image.finish(x.image, attended: attended[1], imageModulation),
            pictures: x.pictures.flatMap { pictures in
                pictureModulation.map { image.finish(pictures, attended: attended[2], $0) }
            },
            text: text.finish(x.text, attended: attended[0], textModulation), textCounts: x.textCounts)
    }

    /// Attention of each batch entry over its tokens of all streams, in the order given.
    private func attention(_ streams: [Stream.Heads], ropes: [RotaryTable]) -> [Tensor] {
        var results = [[Tensor]](repeating: [], count: streams.count)
        for (entry, rope) in ropes.enumerated() {
            func joined(_ part: KeyPath<Stream.Heads, Tensor>) -> Tensor {
                Tensor.concatenate(streams.map { $0[keyPath: part].slice($0.rows(of: entry)) })
            }
            let q = compute.rotate(joined(\.q), by: rope, heads: config.heads)
            let k = compute.rotate(joined(\.k), by: rope, heads: config.heads)
            let attended = compute.attention(q: q, k: k, v: joined(\.v), heads: config.heads)
            var start = 0
            for (index, stream) in streams.enumerated() {
                results[index].append(attended.slice(start..<start + stream.counts[entry]))
                start += stream.counts[entry]
            }
        }
        return results.map { $0.count == 1 ? $0[0] : Tensor.concatenate($0) }
    }

    /// Row b of `[B, dim]` `counts[b]` times.
    private func repeated(_ x: Tensor, _ counts: [Int]) -> Tensor {
        Tensor.concatenate(
            counts.enumerated().flatMap { entry, count in
                [Tensor](repeating: x.slice(entry..<entry + 1), count: count)
            })
    }
}

/// What one of the two streams does in a block before and after the attention.
private struct Stream: Sendable {
    private let config: QwenImageTransformerConfig
    private let compute: Compute
    private let modulation: Linear
    private let q, k, v, out: Linear
    /// `[headDim]`: the norms are taken head by head.
    private let normQ, normK: Tensor
    private let mlpIn, mlpOut: Linear

    init(
        _ reader: WeightReader, modulation: String, q: String, k: String, v: String, out: String, normQ: String,
        normK: String, mlp: String, config: QwenImageTransformerConfig, compute: Compute
    ) throws(WeightError) {
        let dim = config.dim
        self.config = config
        self.compute = compute
        self.modulation = try reader.linear(modulation, inputs: dim, outputs: 6 * dim)
        self.q = try reader.linear(q, inputs: dim, outputs: dim)
        self.k = try reader.linear(k, inputs: dim, outputs: dim)
        self.v = try reader.linear(v, inputs: dim, outputs: dim)
        self.out = try reader.linear(out, inputs: dim, outputs: dim)
        self.normQ = try reader.vector("\(normQ).weight", [config.headDim])
        self.normK = try reader.vector("\(normK).weight", [config.headDim])
        mlpIn = try reader.linear("\(mlp).0.proj", inputs: dim, outputs: config.mlpDim)
        mlpOut = try reader.linear("\(mlp).2", inputs: config.mlpDim, outputs: dim)
    }

    /// Shift, scale and gate of the attention and of the MLP, each `[B, dim]` or one row for each row of the stream.
    struct Modulation {
        let shift1, scale1, gate1, shift2, scale2, gate2: Tensor

        func map(_ change: (Tensor) -> Tensor) -> Modulation {
            Modulation(
                shift1: change(shift1), scale1: change(scale1), gate1: change(gate1), shift2: change(shift2),
                scale2: change(scale2), gate2: change(gate2))
        }
    }

    func modulation(_ time: Tensor) -> Modulation {
        let all = compute.unquantized.linear(time, modulation)
        func part(_ index: Int) -> Tensor { columns(of: all, index * config.dim, config.dim) }
        return Modulation(
            shift1: part(0), scale1: part(1), gate1: part(2), shift2: part(3), scale2: part(4), gate2: part(5))
    }

    /// Queries, keys and values, of so many rows for each batch entry.
    struct Heads {
        let q, k, v: Tensor
        let counts: [Int]

        func rows(of entry: Int) -> Range<Int> {
            let start = counts[..<entry].reduce(0, +)
            return start..<start + counts[entry]
        }
    }

    func heads(_ x: Tensor, _ m: Modulation, counts: [Int]) -> Heads {
        let a = compute.modulatedLayerNorm(x, scale: m.scale1, shift: m.shift1, eps: config.eps)
        return Heads(
            q: headNorm(compute.linear(a, q), normQ), k: headNorm(compute.linear(a, k), normK),
            v: compute.linear(a, v), counts: counts)
    }

    /// - Parameter entries: that x has as many rows for each of.
    func heads(_ x: Tensor, _ m: Modulation, entries: Int) -> Heads {
        heads(x, m, counts: [Int](repeating: x.shape[0] / entries, count: entries))
    }

    private func headNorm(_ x: Tensor, _ weight: Tensor) -> Tensor {
        let heads = x.reshaped([x.shape[0] * config.heads, config.headDim])
        return compute.rmsNorm(heads, weight: weight, eps: config.eps).reshaped(x.shape)
    }

    func finish(_ x: Tensor, attended: Tensor, _ m: Modulation) -> Tensor {
        let y = compute.linear(attended, out, addingTo: GatedResidual(x, gate: m.gate1))
        let f = compute.modulatedLayerNorm(y, scale: m.scale2, shift: m.shift2, eps: config.eps)
        return compute.linear(
            compute.linear(f, mlpIn, activation: .geluTanh), mlpOut, addingTo: GatedResidual(y, gate: m.gate2))
    }
}

/// Columns `start..<start + width` of a matrix.
func columns(of x: Tensor, _ start: Int, _ width: Int) -> Tensor {
    let (rows, stride) = (x.shape[0], x.shape[1])
    return Tensor(shape: [rows, width]) { out in
        x.withUnsafe { x in
            for row in 0..<rows {
                for column in 0..<width { out[row * width + column] = x[row * stride + start + column] }
            }
        }
    }
}
