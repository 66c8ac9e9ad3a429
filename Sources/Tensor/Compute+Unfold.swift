import CKernels

extension Compute {
    /// Adds to `result` `[T', H side, W side, outputs]`, in place, x `[T, H, W, inputs]` whose channels are each repeated next to
    /// themselves and then unfolded into `frames` frames and squares of `side` pixels, in the order (channel, frame, row, column).
    /// Where T' is less than `T * frames`, the first frames of x unfolded are left out.
    ///
    /// - Precondition: `outputs * frames * side * side` is a multiple of `inputs`; nobody else has `result`.
    package func addUnfolded(_ x: Tensor, to result: Tensor, frames: Int = 1, side: Int) {
        let (rows, columns, inputs, outputs) = (x.shape[1], x.shape[2], x.shape[3], result.shape[3])
        let skipped = x.shape[0] * frames - result.shape[0]
        let cell = frames * side * side
        precondition(
            outputs * cell % inputs == 0 && result.shape[1] == rows * side && result.shape[2] == columns * side,
            "\(x.shape) does not unfold to \(result.shape)")
        parallel(result.shape[0] * rows * side) { item, _ in
            let (frame, row) = (item / (rows * side) + skipped, item % (rows * side))
            phasor_add_unfolded(
                x.pointer + (frame / frames * rows + row / side) * columns * inputs, columns, inputs,
                result.pointer + item * columns * side * outputs, side, outputs, cell,
                (frame % frames * side + row % side) * side)
        }
        withExtendedLifetime((x, result)) {}
    }
}

/// Squares of places as channels, and back, channels-last: what PyTorch calls pixel shuffle.
extension Compute {
    /// x `[T, H, W, C * side * side]`, the channel slowest and the column of a square fastest, -> `[T, H * side, W * side, C]`.
    package func unfold(_ x: Tensor, by side: Int) -> Tensor {
        let channels = x.shape[3] / (side * side)
        let out = Tensor(uninitialized: [x.shape[0], x.shape[1] * side, x.shape[2] * side, channels])
        move(x.shape, side) { place, index in out.pointer[place] = x.pointer[index] }
        withExtendedLifetime(x) {}
        return out
    }

    /// The inverse of `unfold`: x `[T, H * side, W * side, C]` -> `[T, H, W, C * side * side]`.
    package func fold(_ x: Tensor, by side: Int) -> Tensor {
        let shape = [x.shape[0], x.shape[1] / side, x.shape[2] / side, x.shape[3] * side * side]
        let out = Tensor(uninitialized: shape)
        move(shape, side) { place, index in out.pointer[index] = x.pointer[place] }
        withExtendedLifetime(x) {}
        return out
    }

    /// Calls `body` with the index of each element of the unfolded form and that of the folded form, of shape `folded`.
    @inline(__always)
    private func move(_ folded: [Int], _ side: Int, _ body: (_ place: Int, _ index: Int) -> Void) {
        let (width, channels) = (folded[2] * side, folded[3] / (side * side))
        parallel(folded[0] * folded[1] * side) { row, _ in
            for column in 0..<width {
                let cell = row / side * folded[2] + column / side
                let corner = row % side * side + column % side
                for channel in 0..<channels {
                    body(
                        (row * width + column) * channels + channel,
                        cell * folded[3] + channel * side * side + corner)
                }
            }
        }
    }
}
