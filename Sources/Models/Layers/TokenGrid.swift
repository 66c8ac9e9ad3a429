import Tensor

/// The grid of tokens that patches of a latent `[B, C, F, H, W]` make; tokens run column fastest, then row, then frame.
package struct TokenGrid {
    let batch: Int
    let channels: Int
    let patch: [Int]
    /// Extent in tokens.
    let frames, rows, columns: Int

    /// - Precondition: each extent is a multiple of its patch size; requests are validated before they come here.
    package init(latents shape: [Int], patch: [Int]) {
        precondition(
            shape.count == 5 && zip(shape[2...], patch).allSatisfy { $0 % $1 == 0 },
            "latents \(shape) do not divide into patches \(patch)")
        self.batch = shape[0]
        self.channels = shape[1]
        self.patch = patch
        frames = shape[2] / patch[0]
        rows = shape[3] / patch[1]
        columns = shape[4] / patch[2]
    }

    var tokens: Int { frames * rows * columns }

    /// `[B * tokens, C * pt * ph * pw]`, in the order of the patch embedding's weight: channel slowest, or fastest as in the
    /// network's output.
    package func tokens(of latents: Tensor, channelFastest: Bool = false) -> Tensor {
        Tensor(shape: [batch * tokens, channels * patch.reduce(1, *)]) { out in
            latents.withUnsafe { source in
                var index = 0
                for b in 0..<batch {
                    visit { t, y, x in
                        guard !channelFastest else {
                            forEachOffset(t, y, x) { position in
                                for c in 0..<channels {
                                    out[index] = source[place(b, c, channels, position)]
                                    index += 1
                                }
                            }
                            return
                        }
                        for c in 0..<channels {
                            forEachOffset(t, y, x) { position in
                                out[index] = source[place(b, c, channels, position)]
                                index += 1
                            }
                        }
                    }
                }
            }
        }
    }

    /// The inverse for the network's output `[B * tokens, pt * ph * pw * C]`, where the channel is fastest.
    package func latents(from tokens: Tensor, channels: Int) -> Tensor {
        Tensor(shape: [batch, channels, frames * patch[0], rows * patch[1], columns * patch[2]]) { out in
            tokens.withUnsafe { source in
                var index = 0
                for b in 0..<batch {
                    visit { t, y, x in
                        forEachOffset(t, y, x) { position in
                            for c in 0..<channels {
                                out[place(b, c, channels, position)] = source[index]
                                index += 1
                            }
                        }
                    }
                }
            }
        }
    }

    private func visit(_ body: (Int, Int, Int) -> Void) {
        for t in 0..<frames { for y in 0..<rows { for x in 0..<columns { body(t, y, x) } } }
    }

    /// The positions in the latent that token (t, y, x) covers.
    private func forEachOffset(_ t: Int, _ y: Int, _ x: Int, _ body: ((t: Int, y: Int, x: Int)) -> Void) {
        for dt in 0..<patch[0] {
            for dy in 0..<patch[1] {
                for dx in 0..<patch[2] { body((t * patch[0] + dt, y * patch[1] + dy, x * patch[2] + dx)) }
            }
        }
    }

    private func place(_ b: Int, _ c: Int, _ channels: Int, _ p: (t: Int, y: Int, x: Int)) -> Int {
        let (height, width) = (rows * patch[1], columns * patch[2])
        return (((b * channels + c) * frames * patch[0] + p.t) * height + p.y) * width + p.x
    }
}
