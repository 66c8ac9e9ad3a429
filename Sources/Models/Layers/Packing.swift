import Tensor

/// Folds squares of `side` x `side` cells into the channels: the inverse of `unpacked`.
package func packed(_ x: Tensor, by side: Int) -> Tensor {
    guard side > 1 else { return x }
    let (channels, frames, rows, columns) = (x.shape[0], x.shape[1], x.shape[2] / side, x.shape[3] / side)
    return Tensor(shape: [channels * side * side, frames, rows, columns]) { out in
        x.withUnsafe { x in
            var index = 0
            for channel in 0..<channels * side * side {
                let (c, y0, x0) = (channel / (side * side), channel / side % side, channel % side)
                for frame in 0..<frames {
                    for y in 0..<rows {
                        let row = ((c * frames + frame) * rows * side + y * side + y0) * columns * side
                        for column in 0..<columns {
                            out[index] = x[row + column * side + x0]
                            index += 1
                        }
                    }
                }
            }
        }
    }
}

/// Unfolds squares of `side` x `side` cells from the channels: `[C * side * side, F, H, W]`, channel slowest and column
/// fastest, -> `[C, F, H * side, W * side]`.
package func unpacked(_ x: Tensor, by side: Int) -> Tensor {
    guard side > 1 else { return x }
    let (channels, frames, rows, columns) = (x.shape[0] / (side * side), x.shape[1], x.shape[2], x.shape[3])
    return Tensor(shape: [channels, frames, rows * side, columns * side]) { out in
        x.withUnsafe { x in
            var index = 0
            for c in 0..<channels {
                for frame in 0..<frames {
                    for y in 0..<rows * side {
                        for x0 in 0..<columns * side {
                            let channel = (c * side + y % side) * side + x0 % side
                            out[index] = x[((channel * frames + frame) * rows + y / side) * columns + x0 / side]
                            index += 1
                        }
                    }
                }
            }
        }
    }
}
