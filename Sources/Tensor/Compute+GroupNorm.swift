import CKernels

/// activation(x * scale + shift), with a scale and a shift for each channel, the last axis of x: what norms come down to
/// whose statistics are those of a whole picture.
package struct ChannelScaling: Sendable {
    /// `[2, C]`: the scales, then the shifts.
    let factors: Tensor
    let activation: Activation

    /// - Parameter factors: `[2, C]`: the scales, then the shifts.
    package init(factors: Tensor, activation: Activation = .identity) {
        precondition(factors.shape.count == 2 && factors.shape[0] == 2, "factors are \(factors.shape)")
        self.factors = factors
        self.activation = activation
    }

    /// The activation alone, of so many channels: for a convolution that reads what one before it gave.
    package init(_ activation: Activation, channels: Int) {
        let factors = Tensor.lasting {
            Tensor((0..<2 * channels).map { $0 < channels ? 1 : 0 }, shape: [2, channels])
        }
        self.init(factors: factors, activation: activation)
    }
}

extension Compute {
    /// Values of x that one item takes the moments of: they stay in the cache for the second pass.
    private static let momentGrain = 1 << 15

    /// The group norm of one picture x `[..., C]`, as what it does to each channel: (x - mean) / sqrt(variance + eps) * weight +
    /// bias, with mean and biased variance over all places and the C / `groups` channels of a group.
    ///
    /// - Parameters:
    ///   - weight, bias: `[C]`.
    ///   - activation: follows the norm.
    package func groupNorm(
        of x: Tensor, weight: Tensor, bias: Tensor, groups: Int, eps: Float, activation: Activation = .identity
    ) -> ChannelScaling {
        let channels = x.shape.last ?? 1
        precondition(
            channels % groups == 0 && weight.count == channels && bias.count == channels, "group norm of \(x.shape)")
        let rows = x.count / channels
        // Moments of pieces of a fixed size, which are put together in one order: threads change nothing.
        let grain = max(1, Self.momentGrain / channels)
        let pieces = (rows + grain - 1) / grain
        let moments = Tensor(uninitialized: [pieces, 2, groups])
        let buffers = Tensor(uninitialized: [threads, 2 * channels])
        parallel(pieces) { piece, worker in
            let first = piece * grain
            let means = moments.pointer + piece * 2 * groups
            phasor_group_moments(
                x.pointer + first * channels, min(grain, rows - first), channels, groups,
                buffers.pointer + worker * 2 * channels, means, means + groups)
        }
        let factors = Tensor(shape: [2, channels]) { factors in
            let width = channels / groups
            for group in 0..<groups {
                func sum(_ value: (_ count: Double, _ mean: Double, _ squares: Double) -> Double) -> Double {
                    var sum = 0.0
                    for piece in 0..<pieces {
                        let place = moments.pointer + piece * 2 * groups + group
                        let count = Double(min(grain, rows - piece * grain) * width)
                        sum += value(count, Double(place[0]), Double(place[groups]))
                    }
                    return sum
                }
                let count = Double(rows * width)
                let mean = sum { count, mean, _ in count * mean } / count
                let variance = sum { count, part, squares in squares + count * (part - mean) * (part - mean) } / count
                let factor = 1 / (variance + Double(eps)).squareRoot()
                for channel in group * width..<(group + 1) * width {
                    let scale = Double(weight.pointer[channel]) * factor
                    factors[channel] = Float(scale)
                    factors[channels + channel] = Float(Double(bias.pointer[channel]) - mean * scale)
                }
            }
        }
        withExtendedLifetime((x, weight, bias, moments, buffers)) {}
        return ChannelScaling(factors: factors, activation: activation)
    }

    /// A scaling done by itself: x `[..., C]` -> the same shape. A convolution does its own.
    package func scale(_ x: Tensor, by scaling: ChannelScaling) -> Tensor {
        let channels = scaling.factors.shape[1]
        precondition(x.shape.last == channels, "scaling of \(x.shape) by \(channels) factors")
        let out = Tensor(uninitialized: x.shape)
        let factors = scaling.factors
        parallel(x.count / channels, grain: max(1, Self.momentGrain / channels)) { rows in
            phasor_scale_shift(
                x.pointer + rows.lowerBound * channels, out.pointer + rows.lowerBound * channels, rows.count, channels,
                factors.pointer, factors.pointer + channels, scaling.activation.kernel)
        }
        return out
    }
}
