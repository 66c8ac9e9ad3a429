import Tensor

/// Pixels to channels: `[T, H p, W p, 3]` -> `[T, H, W, 3 p p]`; channel (c p + dx) p + dy, where dx is the column and dy
/// the row inside a patch.
func foldedPixels(_ x: Tensor, patch: Int) -> Tensor {
    guard patch > 1 else { return x }
    let (frames, rows, columns) = (x.shape[0], x.shape[1] / patch, x.shape[2] / patch)
    let channels = 3 * patch * patch
    return Tensor(shape: [frames, rows, columns, channels]) { out in
        x.withUnsafe { x in
            for row in 0..<frames * rows * patch {
                for column in 0..<columns * patch {
                    let target = (row / patch * columns + column / patch) * channels
                    for colour in 0..<3 {
                        out[target + (colour * patch + column % patch) * patch + row % patch] =
                            x[(row * columns * patch + column) * 3 + colour]
                    }
                }
            }
        }
    }
}

/// Channels to pixels, the inverse of `foldedPixels`.
func unfoldedPixels(_ x: Tensor, patch: Int) -> Tensor {
    guard patch > 1 else { return x }
    let (frames, rows, columns, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    return Tensor(shape: [frames, rows * patch, columns * patch, 3]) { out in
        x.withUnsafe { x in
            var target = 0
            for row in 0..<frames * rows {
                for dy in 0..<patch {
                    for source in stride(from: row * columns, to: (row + 1) * columns, by: 1) {
                        for dx in 0..<patch {
                            for colour in 0..<3 {
                                out[target] = x[source * channels + (colour * patch + dx) * patch + dy]
                                target += 1
                            }
                        }
                    }
                }
            }
        }
    }
}
