import Foundation
import Testing

import Tensor
import TestSupport

/// Repeatable values, so that a failing shape fails again.
struct Dice: RandomNumberGenerator {
    private var random: SplitMix64

    init(_ seed: Int) {
        random = SplitMix64(seed: UInt64(truncatingIfNeeded: seed) &* 0x2545_F491_4F6C_DD1D &+ 1)
    }

    mutating func next() -> UInt64 { random.next() }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    mutating func tensor(_ shape: [Int], in range: ClosedRange<Float> = -1...1) -> Tensor {
        Tensor(floats(shape.reduce(1, *), in: range), shape: shape)
    }
}

/// The operations written the obvious way, in float64: what the kernels are compared with.
enum Plain {
    /// x [M, K] W[N, K]^T -> [M, N].
    static func matmul(_ x: [Float], _ w: [Float], m: Int, n: Int, k: Int) -> [Double] {
        var out = [Double](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                var sum = 0.0
                for p in 0..<k { sum += Double(x[i * k + p]) * Double(w[j * k + p]) }
                out[i * n + j] = sum
            }
        }
        return out
    }

    static func activate(_ x: Double, _ activation: Activation) -> Double {
        switch activation {
        case .identity: x
        case .silu: x / (1 + exp(-x))
        case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case .gelu: 0.5 * x * erfc(-x / 2.squareRoot())
        case .quickGelu: x / (1 + exp(-1.702 * x))
        case .relu: max(x, 0)
        }
    }

    struct AttentionShape {
        var batch = 1
        var queries = 1
        var keys = 1
        var heads = 1
        var kvHeads = 1
        var dim = 1
    }

    /// q [B, queries, heads, D], k and v [B, keys, kvHeads, D] -> like q.
    static func attention(
        _ q: [Float], _ k: [Float], _ v: [Float], _ s: AttentionShape, scale: Double, keyBias: [Float]? = nil,
        scoreBias: [Float]? = nil, causal: Bool = false
    ) -> [Double] {
        var out = [Double](repeating: 0, count: q.count)
        for b in 0..<s.batch {
            for h in 0..<s.heads {
                let kvHead = h / (s.heads / s.kvHeads)
                for i in 0..<s.queries {
                    let query = ((b * s.queries + i) * s.heads + h) * s.dim
                    var scores = [Double](repeating: -.infinity, count: s.keys)
                    for j in 0..<s.keys where !causal || j <= i {
                        let key = ((b * s.keys + j) * s.kvHeads + kvHead) * s.dim
                        var sum = 0.0
                        for d in 0..<s.dim { sum += Double(q[query + d]) * Double(k[key + d]) }
                        scores[j] = sum * scale
                        if let keyBias { scores[j] += Double(keyBias[b * s.keys + j]) }
                        if let scoreBias { scores[j] += Double(scoreBias[(h * s.queries + i) * s.keys + j]) }
                    }
                    let top = scores.max() ?? 0
                    guard top > -.infinity else { continue }  // nothing visible: zero
                    let weights = scores.map { exp($0 - top) }
                    let total = weights.reduce(0, +)
                    for j in 0..<s.keys {
                        let value = ((b * s.keys + j) * s.kvHeads + kvHead) * s.dim
                        for d in 0..<s.dim { out[query + d] += weights[j] / total * Double(v[value + d]) }
                    }
                }
            }
        }
        return out
    }

    /// x [T, H, W, in], weight [out, in, kt, kh, kw] -> [T', H', W', out].
    static func convolve(
        _ x: [Float], frames: Int, height: Int, width: Int, inputs: Int, _ weight: [Float], outputs: Int,
        kernel: (time: Int, height: Int, width: Int), _ plan: ConvolutionPlan
    ) -> [Double] {
        let tall = height * plan.upsample
        let wide = width * plan.upsample
        let outT = (frames - kernel.time) / plan.strideTime + 1
        let outH = (tall + plan.padding + plan.paddingAfter - kernel.height) / plan.stride + 1
        let outW = (wide + plan.padding + plan.paddingAfter - kernel.width) / plan.stride + 1
        var out: [Double] = []
        for t in 0..<outT {
            for y in 0..<outH {
                for column in 0..<outW {
                    for o in 0..<outputs {
                        var sum = 0.0
                        for a in 0..<kernel.time {
                            for b in 0..<kernel.height {
                                for c in 0..<kernel.width {
                                    let row = y * plan.stride + b - plan.padding
                                    let place = column * plan.stride + c - plan.padding
                                    guard row >= 0, row < tall, place >= 0, place < wide else { continue }
                                    let frame = t * plan.strideTime + a
                                    let pixel = (frame * height + row / plan.upsample) * width + place / plan.upsample
                                    for i in 0..<inputs {
                                        let tap = (((o * inputs + i) * kernel.time + a) * kernel.height + b)
                                        sum +=
                                            Double(x[pixel * inputs + i]) * Double(weight[tap * kernel.width + c])
                                    }
                                }
                            }
                        }
                        out.append(sum)
                    }
                }
            }
        }
        return out
    }
}

/// The largest distance between two arrays.
func distance(_ a: [Float], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    var worst = 0.0
    for (x, y) in zip(a, b) {
        let d = abs(Double(x) - y)
        if !(d <= worst) { worst = d.isNaN ? .infinity : d }
    }
    return worst
}

/// Bit patterns, for comparisons that must be exact (NaN and signed zeros included).
func bits(_ tensor: Tensor) -> [UInt32] { tensor.array.map(\.bitPattern) }
