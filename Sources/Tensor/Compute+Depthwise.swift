import CKernels

/// A convolution that gives each channel filters of its own.
package struct DepthwiseConvolution: Sendable {
    /// `[k, k, C]`.
    fileprivate let filters: Tensor
    fileprivate let kernel: Int

    /// - Parameter weight: `[C, 1, k, k]`; k is odd.
    package init(weight: Weight) {
        let (channels, kernel) = (weight.shape[0], weight.shape[2])
        let (area, values) = (kernel * kernel, weight.widened())
        self.kernel = kernel
        filters = Tensor.lasting {
            Tensor(shape: [kernel, kernel, channels]) { out in
                values.withUnsafe { values in
                    for index in out.indices { out[index] = values[index % channels * area + index / channels] }
                }
            }
        }
    }
}

extension Compute {
    /// x `[T, H, W, C]` -> the same shape; zeros lie around the frames.
    package func convolve(_ x: Tensor, _ layer: DepthwiseConvolution) -> Tensor {
        let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
        precondition(layer.filters.shape[2] == channels, "depthwise convolution of \(x.shape)")
        let out = Tensor(uninitialized: x.shape)
        let rowCount = width * channels
        parallel(x.shape[0] * height) { item, _ in
            phasor_depthwise_row(
                x.pointer + item / height * height * rowCount, height, width, channels, layer.filters.pointer,
                layer.kernel, item % height, out.pointer + item * rowCount)
        }
        withExtendedLifetime((x, layer)) {}
        return out
    }
}
