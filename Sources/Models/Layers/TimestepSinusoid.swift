import Foundation
import Tensor

/// The sinusoidal embedding `[B, width]` of timesteps 0...1000: cosines first, then sines, in float32.
package func timestepSinusoid(_ timesteps: [Float], width: Int) -> Tensor {
    let half = width / 2
    var values: [Float] = []
    for t in timesteps {
        let angles = (0..<half).map { t * expf(-logf(10000) * Float($0) / Float(half)) }
        values += angles.map(cosf)
        values += angles.map(sinf)
    }
    return Tensor(values, shape: [timesteps.count, width])
}
