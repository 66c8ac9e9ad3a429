import Tensor
import Weights

/// What the causal convolutions of one pass have seen so far. A pass goes through a video in chunks; a fresh history
/// is its beginning. Values are `[frames, H, W, C]`, by the slot of the layer.
package struct CausalHistory {
    var frames: [Int: Tensor] = [:]
    /// Layers that have seen their first chunk, for those that treat it apart.
    var started: Set<Int> = []
    /// The chunk at hand is the last one: nothing of it need be kept, which is most of the memory of a single picture.
    var isEnding = false

    package init() {}

    /// Replaces what a layer has seen.
    mutating func keep(_ seen: @autoclosure () -> Tensor, in slot: Int) {
        frames[slot] = isEnding ? nil : seen()
    }
}

/// Hands out the slots of a network's causal layers while it is built.
struct SlotCounter {
    private var next = 0
    mutating func take() -> Int {
        defer { next += 1 }
        return next
    }
}

/// A 3x3x3 or 3x1x1 convolution that sees the present and two past frames. Frames are channels-last `[T, H, W, C]`.
struct CausalConvolution: Sendable {
    private let convolution: Convolution
    private let slot: Int
    private let compute: Compute

    init(
        _ reader: WeightReader, _ name: String, inputs: Int, outputs: Int, kernel: [Int] = [3, 3, 3],
        slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        convolution = try reader.convolution(name, inputs: inputs, outputs: outputs, kernel: kernel)
        slot = slots.take()
        self.compute = compute
    }

    /// The next chunk of a pass. Frames before the first chunk count as zeros.
    func callAsFunction(
        _ x: Tensor, _ history: inout CausalHistory, addingTo residual: Tensor? = nil
    ) -> Tensor {
        let past = history.frames[slot]
        guard past != nil || x.shape[0] > 1 else {
            // All but the last tap would meet zeros.
            history.keep(x, in: slot)
            let plan = ConvolutionPlan(padding: convolution.kernel.height / 2)
            return compute.convolve(x, convolution.lastTap, plan, addingTo: residual)
        }
        let plan = ConvolutionPlan(framesBefore: 2, padding: convolution.kernel.height / 2)
        defer { history.keep(lastTwo(past, x), in: slot) }
        return compute.convolve(x, convolution, plan, after: past, addingTo: residual)
    }

    private func lastTwo(_ past: Tensor?, _ x: Tensor) -> Tensor {
        let count = x.shape[0]
        guard count == 1, let past else { return x.slice(max(count - 2, 0)..<count).copy() }
        return Tensor.concatenate([past.slice(past.shape[0] - 1..<past.shape[0]), x])
    }
}

/// conv2(silu(norm2(conv1(silu(norm1(x)))))) + shortcut(x); `WanResidualBlock`.
package struct WanResidualBlock: Sendable {
    private let norm1, norm2: Tensor
    private let conv1, conv2: CausalConvolution
    private let shortcut: Linear?
    private let compute: Compute

    init(
        _ reader: WeightReader, inputs: Int, outputs: Int, slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        norm1 = try reader.vector("norm1.gamma", [inputs, 1, 1, 1])
        conv1 = try CausalConvolution(
            reader, "conv1", inputs: inputs, outputs: outputs, slots: &slots, compute: compute)
        norm2 = try reader.vector("norm2.gamma", [outputs, 1, 1, 1])
        conv2 = try CausalConvolution(
            reader, "conv2", inputs: outputs, outputs: outputs, slots: &slots, compute: compute)
        shortcut =
            inputs == outputs
            ? nil
            : try reader.linear(
                "conv_shortcut", inputs: inputs, outputs: outputs, storedShape: [outputs, inputs, 1, 1, 1])
        self.compute = compute
    }

    package func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        let base = shortcut.map { compute.linear(x, $0) } ?? x
        let h = conv1(compute.channelNorm(x, gamma: norm1, silu: true), &history)
        return conv2(compute.channelNorm(h, gamma: norm2, silu: true), &history, addingTo: base)
    }
}

/// Single-head attention over the positions of each frame; `WanAttentionBlock`.
package struct WanVAEAttention: Sendable {
    private let norm: Tensor
    private let q, k, v, out: Linear
    private let compute: Compute

    init(_ reader: WeightReader, channels: Int, compute: Compute) throws(WeightError) {
        norm = try reader.vector("norm.gamma", [channels, 1, 1])
        let qkv = try reader.linear(
            "to_qkv", inputs: channels, outputs: 3 * channels, storedShape: [3 * channels, channels, 1, 1])
        let parts = (0..<3).map { index in
            let rows = index * channels..<(index + 1) * channels
            return Linear(weight: qkv.weight.slice(rows), bias: qkv.bias?.slice(rows))
        }
        (q, k, v) = (parts[0], parts[1], parts[2])
        out = try reader.linear(
            "proj", inputs: channels, outputs: channels, storedShape: [channels, channels, 1, 1])
        self.compute = compute
    }

    package func callAsFunction(_ x: Tensor) -> Tensor {
        let shape = x.shape
        let flat = x.reshaped([shape[0] * shape[1] * shape[2], shape[3]])
        let normed = compute.channelNorm(flat, gamma: norm, silu: false)
        let projected = compute.linear(normed, [q, k, v])
        let attended = compute.attention(
            q: projected[0], k: projected[1], v: projected[2], batch: shape[0], heads: 1)
        return compute.linear(attended, out, addingTo: GatedResidual(flat)).reshaped(shape)
    }
}

/// Nearest x2 and a 3x3 convolution; in 3-D a time convolution doubles the frames first.
/// `WanResample`, modes upsample2d and upsample3d.
package struct WanUpsample: Sendable {
    private let spatial: Convolution
    private let temporal: CausalConvolution?
    private let startSlot: Int
    private let compute: Compute

    init(
        _ reader: WeightReader, channels: Int, outputs: Int, temporal: Bool, slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        spatial = try reader.convolution("resample.1", inputs: channels, outputs: outputs, kernel: [3, 3])
        self.temporal =
            temporal
            ? try CausalConvolution(
                reader, "time_conv", inputs: channels, outputs: 2 * channels, kernel: [3, 1, 1], slots: &slots,
                compute: compute) : nil
        startSlot = slots.take()
        self.compute = compute
    }

    package func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        var x = x
        // The first latent frame is one frame and is not seen by the time convolution, not even as history: chunk 1
        // meets zeros.
        if let temporal, !history.started.insert(startSlot).inserted {
            x = interleaved(temporal(x, &history))
        }
        return compute.convolve(x, spatial, ConvolutionPlan(padding: 1, upsample: 2))
    }

    /// `[T, H, W, 2C]` -> `[2T, H, W, C]`: the first C channels are the earlier frame.
    private func interleaved(_ x: Tensor) -> Tensor {
        let (frames, area, channels) = (x.shape[0], x.shape[1] * x.shape[2], x.shape[3] / 2)
        return Tensor(shape: [2 * frames, x.shape[1], x.shape[2], channels]) { out in
            x.withUnsafe { x in
                for frame in 0..<2 * frames {
                    for place in 0..<area {
                        let source = ((frame / 2 * area + place) * 2 + frame % 2) * channels
                        let target = (frame * area + place) * channels
                        for c in 0..<channels { out[target + c] = x[source + c] }
                    }
                }
            }
        }
    }
}

/// A 3x3 convolution of stride 2, padded after; in 3-D followed by a time convolution of stride 2. `WanResample`, modes
/// downsample2d and downsample3d.
package struct WanDownsample: Sendable {
    private let spatial: Convolution
    private let temporal: Convolution?
    private let slot: Int
    private let compute: Compute

    package var isTemporal: Bool { temporal != nil }

    init(
        _ reader: WeightReader, channels: Int, temporal: Bool, slots: inout SlotCounter, compute: Compute
    ) throws(WeightError) {
        spatial = try reader.convolution("resample.1", inputs: channels, outputs: channels, kernel: [3, 3])
        self.temporal =
            temporal
            ? try reader.convolution("time_conv", inputs: channels, outputs: channels, kernel: [3, 1, 1]) : nil
        slot = slots.take()
        self.compute = compute
    }

    package func callAsFunction(_ x: Tensor, _ history: inout CausalHistory) -> Tensor {
        let x = compute.convolve(x, spatial, ConvolutionPlan(stride: 2, padding: 0, paddingAfter: 1))
        guard let temporal else { return x }
        defer { history.keep(x.slice(x.shape[0] - 1..<x.shape[0]).copy(), in: slot) }
        // The first frame passes; each later chunk is taken together with the last frame of the one before.
        guard let past = history.frames[slot] else { return x }
        return compute.convolve(x, temporal, ConvolutionPlan(strideTime: 2, framesBefore: 1), after: past)
    }
}
