/// Which parts of a range of bytes are taken, from 0 on. The smallest hole that is large enough is taken first, the lowest
/// of several; only where none is, the range grows. Holes that touch become one, and the last one shortens the range.
package struct Heap {
    package init() {}

    /// Everything from here on is free.
    package private(set) var extent = 0
    /// The holes by address; none touches another hole or the end.
    package private(set) var holes: [Range<Int>] = []

    /// - Returns: where `bytes` bytes begin; nil if `extent` would become more than `limit`.
    package mutating func take(_ bytes: Int, limit: Int) -> Int? {
        var best: Int?
        for index in holes.indices where holes[index].count >= bytes {
            if best.map({ holes[index].count < holes[$0].count }) ?? true { best = index }
        }
        if let best {
            let hole = holes[best]
            if hole.count == bytes {
                holes.remove(at: best)
            } else {
                holes[best] = hole.lowerBound + bytes..<hole.upperBound
            }
            return hole.lowerBound
        }
        guard bytes <= limit - extent else { return nil }
        defer { extent += bytes }
        return extent
    }

    package mutating func give(_ block: Range<Int>) {
        var (low, high) = (0, holes.count)
        while low < high {
            let middle = (low + high) / 2
            if holes[middle].lowerBound < block.lowerBound { low = middle + 1 } else { high = middle }
        }
        var free = block
        if low < holes.count, holes[low].lowerBound == free.upperBound {
            free = free.lowerBound..<holes.remove(at: low).upperBound
        }
        if low > 0, holes[low - 1].upperBound == free.lowerBound {
            free = holes.remove(at: low - 1).lowerBound..<free.upperBound
            low -= 1
        }
        if free.upperBound == extent {
            extent = free.lowerBound
        } else {
            holes.insert(free, at: low)
        }
    }
}
