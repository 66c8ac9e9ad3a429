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
