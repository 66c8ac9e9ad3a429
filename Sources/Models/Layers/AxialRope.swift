import Foundation
import Tensor

extension RotaryTable {
    /// Rotary angles of tokens that have a position on each of several axes. The pairs of a head are shared out among
    /// the axes by `widths`; position p and pair j of an axis of width d have the angle p * theta^(-2j / d), computed
    /// in float64.
    ///
    /// - Parameter rounded: whether the reference rounds angles to float32 before it takes their cosines.
    static func axial(
        tokens: Int, widths: [Int], theta: Double = 10000, rounded: Bool = false,
        position: (_ token: Int, _ axis: Int) -> Int
    ) -> RotaryTable {
        let frequencies = widths.map { width in
            (0..<width / 2).map { pow(theta, -2 * Double($0) / Double(width)) }
        }
        let pairs = widths.reduce(0) { $0 + $1 / 2 }
        let cosine = Tensor(uninitialized: [tokens, pairs])
        let sine = Tensor(shape: [tokens, pairs]) { sine in
            cosine.withUnsafeMutable { cosine in
                var index = 0
                for token in 0..<tokens {
                    for (axis, frequencies) in frequencies.enumerated() {
                        let position = Double(position(token, axis))
                        for frequency in frequencies {
                            let angle = rounded ? Double(Float(position * frequency)) : position * frequency
                            cosine[index] = Float(cos(angle))
                            sine[index] = Float(sin(angle))
                            index += 1
                        }
                    }
                }
            }
        }
        return RotaryTable(cosine: cosine, sine: sine)
    }
}

extension RotaryTable {
    /// Angles `[count, headDim / 2]` of positions from 0 on: position times theta^(-2j / headDim), in float32 as transformers'
    /// decoders have them.
    static func standard(
        count: Int, headDim: Int, theta: Double, position: (_ token: Int, _ pair: Int) -> Int = { token, _ in token }
    ) -> RotaryTable {
        let half = headDim / 2
        let frequencies = (0..<half).map { 1 / powf(Float(theta), Float(2 * $0) / Float(headDim)) }
        let angles = (0..<count).flatMap { token in
            frequencies.enumerated().map { pair, frequency in Float(position(token, pair)) * frequency }
        }
        return RotaryTable(
            cosine: Tensor(angles.map(cosf), shape: [count, half]),
            sine: Tensor(angles.map(sinf), shape: [count, half]))
    }
}
