/// One axis of a resize: for each sample to make, which samples of the source it is made of.
///
/// The arithmetic is Pillow's (`precompute_coeffs` and `normalize_coeffs_8bpc` in its Resample.c): weights in double
/// precision, divided by their sum, then rounded to 22 bits behind the point.
struct ResizeAxis {
    /// Bits behind the point: 32 less 8 for a sample and 2 for sums beyond its range.
    static let precision: Int32 = 22

    let window: Range<Int>
    /// Per sample to make: the first source sample, and how many.
    let first: [Int]
    let count: [Int]
    /// `[samples, stride]`.
    let weights: [Int32]
    let stride: Int

    /// - Parameters:
    ///   - length: samples of the source.
    ///   - part: what of the source is resized, within `0...length`.
    ///   - size: samples that the part becomes.
    ///   - window: which of those are made, within `0..<size`.
    init(length: Int, part: ClosedRange<Float>, size: Int, window: Range<Int>, filter: ResizeFilter) {
        // The difference in single precision, as Pillow takes it.
        let scale = Double(part.upperBound - part.lowerBound) / Double(size)
        let filterScale = max(scale, 1)
        let support = filter.support * filterScale
        let stride = Int(support.rounded(.up)) * 2 + 1
        var first: [Int] = []
        var count: [Int] = []
        var weights = [Int32](repeating: 0, count: window.count * stride)
        first.reserveCapacity(window.count)
        count.reserveCapacity(window.count)
        var row = [Double](repeating: 0, count: stride)
        for (index, sample) in window.enumerated() {
            let centre = Double(part.lowerBound) + (Double(sample) + 0.5) * scale
            let start = max(Int(centre - support + 0.5), 0)
            let taps = max(min(Int(centre + support + 0.5), length) - start, 0)
            var sum = 0.0
            for tap in 0..<taps {
                row[tap] = filter.weight((Double(tap + start) - centre + 0.5) * (1 / filterScale))
                sum += row[tap]
            }
            for tap in 0..<taps {
                let weight = (sum == 0 ? row[tap] : row[tap] / sum) * Double(1 << Self.precision)
                weights[index * stride + tap] = Int32(weight < 0 ? weight - 0.5 : weight + 0.5)
            }
            first.append(start)
            count.append(taps)
        }
        (self.window, self.first, self.count, self.weights, self.stride) = (window, first, count, weights, stride)
    }

    /// The source samples that all of them need.
    var needed: Range<Int> {
        guard let start = first.first, let last = first.last, let taps = count.last else { return 0..<0 }
        return start..<last + taps
    }

    /// A sum of weighted samples, whose half is added already, as a sample.
    @inline(__always) static func sample(_ sum: Int32) -> UInt8 {
        UInt8(truncatingIfNeeded: min(max(sum &>> precision, 0), 255))
    }

    static let half: Int32 = 1 << (precision - 1)
}
