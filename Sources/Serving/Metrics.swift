import Synchronization

/// Counters, gauges and histograms, rendered as Prometheus text (exposition format 0.0.4).
///
/// A series exists from its first use on. Labels come from a fixed set of values (phases, experts, route templates),
/// never from what a client sends.
package final class Metrics: Sendable {
    package typealias Labels = KeyValuePairs<String, String>

    private enum Kind: String { case counter, gauge, histogram }

    private struct Histogram {
        var counts: [Int]
        var sum = 0.0
    }

    private struct Family {
        let kind: Kind
        let help: String
        var bounds: [Double] = []
        /// Rendered labels -> value.
        var values: [String: Double] = [:]
        var histograms: [String: Histogram] = [:]
    }

    private let families = Mutex<[String: Family]>([:])

    /// Upper bounds in seconds that suit steps of a tiny model as well as those of a large one.
    package static let seconds: [Double] = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000,
    ]

    package init() {}

    // MARK: Recording

    package func count(_ name: String, _ help: String, _ labels: Labels = [:], by amount: Double = 1) {
        update(name, .counter, help) { $0.values[Self.render(labels), default: 0] += amount }
    }

    /// A counter that is counted elsewhere.
    package func total(_ name: String, _ help: String, _ labels: Labels = [:], to value: Double) {
        update(name, .counter, help) { $0.values[Self.render(labels)] = value }
    }

    package func set(_ name: String, _ help: String, _ labels: Labels = [:], to value: Double) {
        update(name, .gauge, help) { $0.values[Self.render(labels)] = value }
    }

    package func observe(
        _ name: String, _ help: String, _ labels: Labels = [:], _ value: Double, bounds: [Double] = Metrics.seconds
    ) {
        update(name, .histogram, help) { family in
            if family.bounds.isEmpty { family.bounds = bounds }
            let bucket = family.bounds.firstIndex { value <= $0 } ?? family.bounds.count
            var histogram =
                family.histograms[Self.render(labels)]
                ?? Histogram(counts: [Int](repeating: 0, count: family.bounds.count + 1))
            histogram.counts[bucket] += 1
            histogram.sum += value
            family.histograms[Self.render(labels)] = histogram
        }
    }

    private func update(_ name: String, _ kind: Kind, _ help: String, _ body: (inout Family) -> Void) {
        families.withLock { body(&$0[name, default: Family(kind: kind, help: help)]) }
    }

    // MARK: Rendering

    /// Families and series by name.
    package func render() -> String {
        let families = families.withLock { $0 }
        var text = ""
        for (name, family) in families.sorted(by: { $0.key < $1.key }) {
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n"
            for (labels, value) in family.values.sorted(by: { $0.key < $1.key }) {
                text += "\(name)\(Self.braced(labels)) \(Self.number(value))\n"
            }
            for (labels, histogram) in family.histograms.sorted(by: { $0.key < $1.key }) {
                var total = 0
                for (bound, count) in zip(family.bounds.map(Self.number) + ["+Inf"], histogram.counts) {
                    total += count
                    let bucket = (labels.isEmpty ? [] : [labels]) + ["le=\"\(bound)\""]
                    text += "\(name)_bucket{\(bucket.joined(separator: ","))} \(total)\n"
                }
                text += "\(name)_sum\(Self.braced(labels)) \(Self.number(histogram.sum))\n"
                text += "\(name)_count\(Self.braced(labels)) \(total)\n"
            }
        }
        return text
    }

    private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }

    private static func number(_ value: Double) -> String {
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }

    private static func render(_ labels: Labels) -> String {
        labels.map { name, value in
            let escaped = value.flatMap { character -> String in
                switch character {
                case "\\": "\\\\"
                case "\"": "\\\""
                case "\n": "\\n"
                default: String(character)
                }
            }
            return "\(name)=\"\(String(escaped))\""
        }.joined(separator: ",")
    }
}
