import Tensor
import Weights

/// The two streams of Qwen-Image between blocks.
package struct QwenImageStreams {
    /// `[B * T, dim]`
    package var image: Tensor
    /// `[sum of the counts, dim]`: the prompts' rows one after the other, without padding.
    package var text: Tensor
    /// Rows of each prompt.
    package let textCounts: [Int]

    package init(image: Tensor, text: Tensor, textCounts: [Int]) {
        self.image = image
        self.text = text
        self.textCounts = textCounts
    }

    var batch: Int { textCounts.count }
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

    /// - Parameters:
    ///   - time: silu of the time embedding, `[B, dim]`.
    ///   - ropes: for each batch entry the angles of its text tokens and then of its image tokens.
    package func forward(_ x: QwenImageStreams, time: Tensor, ropes: [RotaryTable]) -> QwenImageStreams {
        let imageModulation = image.modulation(time)
        // Prompts differ in length; where they do, every row gets a modulation of its own.
        let isUniform = Set(x.textCounts).count == 1
        let textModulation = text.modulation(time).map { isUniform ? $0 : repeated($0, x.textCounts) }

        let attended = attention(
            image: image.queriesKeysValues(x.image, imageModulation),
            text: text.queriesKeysValues(x.text, textModulation), counts: x.textCounts, ropes: ropes)
        return QwenImageStreams(
            image: image.finish(x.image, attended: attended.image, imageModulation),
            text: text.finish(x.text, attended: attended.text, textModulation), textCounts: x.textCounts)
    }

    /// Attention over the text and image tokens of each batch entry, text first.
    private func attention(
        image: (q: Tensor, k: Tensor, v: Tensor), text: (q: Tensor, k: Tensor, v: Tensor), counts: [Int],
        ropes: [RotaryTable]
    ) -> (image: Tensor, text: Tensor) {
        let tokens = image.q.shape[0] / counts.count
        var start = 0
        var images: [Tensor] = []
        var texts: [Tensor] = []
        for (entry, count) in counts.enumerated() {
            func joined(_ text: Tensor, _ image: Tensor) -> Tensor {
                Tensor.concatenate([
                    text.slice(start..<start + count), image.slice(entry * tokens..<(entry + 1) * tokens),
                ])
            }
            let q = compute.rotate(joined(text.q, image.q), by: ropes[entry], heads: config.heads)
            let k = compute.rotate(joined(text.k, image.k), by: ropes[entry], heads: config.heads)
            let attended = compute.attention(q: q, k: k, v: joined(text.v, image.v), heads: config.heads)
            texts.append(attended.slice(0..<count))
            images.append(attended.slice(count..<count + tokens))
            start += count
        }
        func whole(_ parts: [Tensor]) -> Tensor { parts.count == 1 ? parts[0] : Tensor.concatenate(parts) }
        return (whole(images), whole(texts))
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

    func queriesKeysValues(_ x: Tensor, _ m: Modulation) -> (q: Tensor, k: Tensor, v: Tensor) {
        let a = compute.modulatedLayerNorm(x, scale: m.scale1, shift: m.shift1, eps: config.eps)
        return (headNorm(compute.linear(a, q), normQ), headNorm(compute.linear(a, k), normK), compute.linear(a, v))
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
