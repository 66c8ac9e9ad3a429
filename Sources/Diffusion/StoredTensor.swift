import Foundation
import Tensor

/// A tensor on disk: shape and little-endian float32 bytes; exact, and compact in a binary property list.
package struct StoredTensor: Codable {
    let shape: [Int]
    let values: Data

    package init(_ tensor: Tensor) {
        shape = tensor.shape
        values = tensor.withUnsafe { source in
            source.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) }
        }
    }

    /// - Throws: `DiffusionError.damagedGeneration` if the bytes do not fill the shape.
    package func tensor() throws -> Tensor {
        // Compare by division: a product of hostile extents could overflow.
        var rest = values.count / 4
        for extent in shape {
            guard extent > 0, rest % extent == 0 else { throw fault }
            rest /= extent
        }
        guard rest == 1, values.count % 4 == 0 else { throw fault }
        let tensor = Tensor(uninitialized: shape)
        tensor.withUnsafeMutable { target in
            values.withUnsafeBytes { source in
                for i in 0..<target.count {
                    target[i] = Float(
                        bitPattern: UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self)))
                }
            }
        }
        return tensor
    }

    private var fault: DiffusionError {
        .damagedGeneration("\(values.count) bytes do not fill a tensor of shape \(shape)")
    }
}
