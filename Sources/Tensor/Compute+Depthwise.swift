import CKernels

/// A convolution of each channel with itself, zeros around the picture.
package struct DepthwiseConvolution: Sendable {
    /// `[side * side, channels]`
    let taps: Tensor
    let bias: Tensor?
    let side: Int
    package let channels: Int

    /// - Parameters:
    ///   - weight: `[channels, 1, side, side]`, side odd and at most 7.
    ///   - bias: `[channels]` or none.
    package init(weight: Tensor, bias: Tensor?) {
        let (channels, side) = (weight.shape[0], weight.shape[3])
        precondition(side % 2 == 1 && side <= 7 && weight.count == channels * side * side, "taps of \(weight.shape)")
        let count = side * side
        taps = Tensor.lasting {
            Tensor(shape: [count, channels]) { out in
                weight.withUnsafe { weight in
                    for index in out.indices { out[index] = weight[index % channels * count + index / channels] }
                }
            }
        }
        self.bias = bias
        self.side = side
        self.channels = channels
    }
}

extension Compute {
    /// Output channels of one row that an item takes.
    private static let depthwiseChannels = 256

    /// x `[B, H, W, C]` -> the same shape, in float32.
    /// - Parameter gated: -> `[B, H, W, C / 2]`, the first half of the channels times silu of the second.
    package func convolve(_ x: Tensor, _ layer: DepthwiseConvolution, gated: Bool = false) -> Tensor {
        let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
        precondition(
            channels == layer.channels && !(gated && channels % 2 == 1), "\(layer.channels) channels of \(x.shape)")
        let outputs = gated ? channels / 2 : channels
        let out = Tensor(uninitialized: [batch, height, width, outputs])
        let pieces = (outputs + Self.depthwiseChannels - 1) / Self.depthwiseChannels
        parallel(batch * pieces * height) { item, _ in
            // Rows that follow each other share two of three rows of input.
            let (entry, piece, row) = (item / (pieces * height), item / height % pieces, item % height)
            var work = phasor_depthwise(
                height: height, width: width, channels: channels, side: layer.side,
                in: x.pointer + entry * height * width * channels, weight: layer.taps.pointer,
                bias: layer.bias.map { UnsafePointer($0.pointer) },
                out: out.pointer + entry * height * width * outputs, gated: gated)
            let first = piece * Self.depthwiseChannels
            phasor_depthwise_row(&work, row, first, min(Self.depthwiseChannels, outputs - first))
        }
        withExtendedLifetime((x, layer)) {}
        return out
    }
}
