import Foundation

/// What several measurements of one thing come to.
package struct Summary: Codable, Sendable, Equatable {
    package let minimum: Double
    package let median: Double
    package let p95: Double
    package let p99: Double
    package let count: Int

    enum CodingKeys: String, CodingKey {
        case median, p95, p99, count
        case minimum = "min"
    }

    /// Returns nil for no values.
    package init?(_ values: [Double]) {
        guard let minimum = values.min() else { return nil }
        self.minimum = minimum
        median = Self.quantile(0.5, of: values)
        p95 = Self.quantile(0.95, of: values)
        p99 = Self.quantile(0.99, of: values)
        count = values.count
    }

    /// The quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan, as numpy's).
    /// - Precondition: there are values.
    package static func quantile(_ q: Double, of values: [Double]) -> Double {
        let sorted = values.sorted()
        let place = q * Double(sorted.count - 1)
        let low = Int(place)
        let high = min(low + 1, sorted.count - 1)
        return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
    }
}

/// How many times as fast one thing is as another.
package struct Speedup: Codable, Sendable, Equatable {
    /// The median of the ratios of the pairs.
    package let ratio: Double
    /// 95 % confidence interval of it: percentiles of the medians of 4,000 bootstrap samples of the pairs.
    package let low: Double
    package let high: Double
    package let pairs: Int

    /// - Parameter pairs: seconds of both on the same work, one right after the other. Nil for none.
    package init?(_ pairs: [(slow: Double, fast: Double)]) {
        let ratios = pairs.map { $0.slow / $0.fast }
        guard !ratios.isEmpty else { return nil }
        // The same pairs give the same interval.
        var random = SplitMix64(state: 1)
        let medians = (0..<4000).map { _ in
            Summary.quantile(0.5, of: ratios.map { _ in ratios[Int(random.next() % UInt64(ratios.count))] })
        }
        ratio = Summary.quantile(0.5, of: ratios)
        low = Summary.quantile(0.025, of: medians)
        high = Summary.quantile(0.975, of: medians)
        self.pairs = pairs.count
    }
}

/// Steele, Lea and Flood 2014: small, and good enough to draw samples.
package struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    package init(state: UInt64) {
        self.state = state
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
