import Tensor

/// The shortcut around a level of the residual VAE's encoder: cells of frames, rows and columns fold into channels in the
/// order (channel, frame, row, column), and neighbouring channels are averaged. `AvgDown3D` in diffusers'
/// autoencoder_kl_wan.py. It has no weights and no history.
package struct WanAverageDown: Sendable {
    let inputs, outputs: Int
    let frames, side: Int

    /// - Precondition: `inputs * frames * side * side` is a multiple of `outputs`.
    package init(inputs: Int, outputs: Int, frames: Int, side: Int) {
        (self.inputs, self.outputs, self.frames, self.side) = (inputs, outputs, frames, side)
    }

    /// x `[T, H, W, inputs]` -> `[ceil(T / frames), H / side, W / side, outputs]`; where T is no multiple, frames of zeros
    /// count before the first.
    package func callAsFunction(_ x: Tensor) -> Tensor {
        guard frames * side > 1 || inputs != outputs else { return x }
        let (rows, columns) = (x.shape[1] / side, x.shape[2] / side)
        let count = (x.shape[0] + frames - 1) / frames
        let before = count * frames - x.shape[0]
        let cell = frames * side * side
        let group = inputs * cell / outputs
        return Tensor(shape: [count, rows, columns, outputs]) { out in
            x.withUnsafe { x in
                var target = 0
                for frame in 0..<count {
                    for place in 0..<rows * columns {
                        let (row, column) = (place / columns, place % columns)
                        for output in 0..<outputs {
                            var sum: Float = 0
                            for folded in output * group..<(output + 1) * group {
                                let source = frame * frames + folded % cell / (side * side) - before
                                guard source >= 0 else { continue }
                                let (y, x0) = (
                                    row * side + folded % (side * side) / side, column * side + folded % side
                                )
                                sum += x[((source * rows * side + y) * columns * side + x0) * inputs + folded / cell]
                            }
                            out[target] = sum / Float(group)
                            target += 1
                        }
                    }
                }
            }
        }
    }
}

/// The shortcut around a level of the residual VAE's decoder: each channel is repeated next to itself, and channels unfold
/// in the order (channel, frame, row, column). `DupUp3D` in diffusers' autoencoder_kl_wan.py.
package struct WanDuplicateUp: Sendable {
    private let frames, side: Int
    private let compute: Compute

    package init(frames: Int, side: Int, compute: Compute) {
        (self.frames, self.side) = (frames, side)
        self.compute = compute
    }

    /// Adds the shortcut of a level's input x `[T, H, W, inputs]` to the level's result `[T', H side, W side, outputs]`, in
    /// place: at full resolution a third tensor would be most of the memory. On the first chunk of a pass T' is less than
    /// `T * frames`: then the first frames of the shortcut are left out.
    ///
    /// - Parameter result: a tensor that nobody else has.
    package func add(_ x: Tensor, to result: Tensor) {
        compute.addUnfolded(x, to: result, frames: frames, side: side)
    }
}
