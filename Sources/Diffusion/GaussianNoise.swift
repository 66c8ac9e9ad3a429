import Glibc
import Tensor

/// A stream of standard normal numbers, addressed by position.
///
/// Element i depends on seed, purpose and i alone: not on how a tensor is cut into pieces, nor on which thread fills
/// which piece. Streams of different seeds or purposes never share a Philox block, so image i of a request with seed
/// s can simply have seed s + i.
///
/// Box-Muller in float64 with the C library's log, cos and sin (errors below 1 ulp of float64, rounded to float32), so
/// the bytes are the same wherever these agree to about 8 digits, rounding ties of float32 apart.
package struct GaussianNoise: Sendable, Equatable {
    /// What the numbers are for. The case number is part of the counter: never change one, or old seeds give new
    /// pictures.
    package enum Purpose: Sendable, Equatable {
        case initialLatent
        /// The fresh noise that the re-noise rule adds at the end of a step.
        case renoise(step: UInt32)

        var counter: (UInt32, UInt32) {
            switch self {
            case .initialLatent: (0, 0)
            case .renoise(let step): (1, step)
            }
        }
    }

    private let philox: Philox
    private let purpose: Purpose

    package init(seed: UInt64, purpose: Purpose) {
        philox = Philox(key: seed)
        self.purpose = purpose
    }

    package func tensor(shape: [Int]) -> Tensor {
        Tensor(shape: shape) { fill($0, from: 0) }
    }

    /// Writes elements `start`, `start + 1`, ... of the stream.
    package func fill(_ buffer: UnsafeMutableBufferPointer<Float>, from start: Int) {
        var index = 0
        while index < buffer.count {
            let position = start + index
            let normals = block(UInt64(position / 4))
            let first = position % 4
            let taken = min(4 - first, buffer.count - index)
            for lane in 0..<taken { buffer[index + lane] = normals[first + lane] }
            index += taken
        }
    }

    /// Four normals from one Philox block: two pairs (radius, angle).
    private func block(_ number: UInt64) -> SIMD4<Float> {
        let (kind, step) = purpose.counter
        let words = philox.block(
            SIMD4(UInt32(truncatingIfNeeded: number), UInt32(truncatingIfNeeded: number >> 32), kind, step))
        let (a, b) = Self.boxMuller(words[0], words[1])
        let (c, d) = Self.boxMuller(words[2], words[3])
        return SIMD4(a, b, c, d)
    }

    /// The radius uses (word + 1/2) / 2^32, which is never 0 or 1; the largest value there can be is 6.76.
    private static func boxMuller(_ u: UInt32, _ v: UInt32) -> (Float, Float) {
        let radius = (-2 * log((Double(u) + 0.5) * 0x1p-32)).squareRoot()
        let angle = 2 * Double.pi * (Double(v) * 0x1p-32)
        return (Float(radius * cos(angle)), Float(radius * sin(angle)))
    }
}
