import Foundation
import PromptText
import Tensor

/// The relative position bias of T5 encoders: distances fall into buckets, near ones each into their own, far ones
/// into buckets that widen with the logarithm. Reference: Raffel et al. 2020 and `_relative_position_bucket` of
/// transformers' modeling_umt5.py.
package struct RelativePosition: Sendable {
    /// An even number: half for keys before the query or at it, half for keys after it.
    package let buckets: Int
    /// Distances from here on share the last bucket.
    package let maxDistance: Int

    package init(buckets: Int, maxDistance: Int) {
        self.buckets = buckets
        self.maxDistance = maxDistance
    }

    /// The bucket of a key at `distance` = key - query. The logarithm is taken in float32, as the reference does: at
    /// some distances float64 gives the next bucket.
    package func bucket(_ distance: Int) -> Int {
        let side = buckets / 2
        let near = side / 2
        let size = abs(distance)
        let start = distance > 0 ? side : 0
        guard size >= near else { return start + size }
        let share = logf(Float(size) / Float(near)) / Float(log(Double(maxDistance) / Double(near)))
        return start + min(side - 1, near + Int(share * Float(side - near)))
    }

    /// What is added to attention scores of `count` tokens: `[heads, count, count]` from `table`, `[buckets, heads]`.
    package func bias(_ table: Tensor, count: Int) -> Tensor {
        let heads = table.shape[1]
        let buckets = (0..<2 * count).map { bucket($0 - count) }
        return Tensor(shape: [heads, count, count]) { bias in
            table.withUnsafe { table in
                var byDistance = [Float](repeating: 0, count: 2 * count)
                for head in 0..<heads {
                    for (index, bucket) in buckets.enumerated() { byDistance[index] = table[bucket * heads + head] }
                    for query in 0..<count {
                        // Distances -query ..< count - query are one run of `byDistance`.
                        let row = bias[((head * count + query) * count)..<((head * count + query + 1) * count)]
                        _ = UnsafeMutableBufferPointer(rebasing: row)
                            .update(fromContentsOf: byDistance[(count - query)..<(2 * count - query)])
                    }
                }
            }
        }
    }
}
