import Foundation
import Support

/// Draws how much faster more threads are: measured, by the model, and were nothing lost. Both axes double from line to line.
package struct ScalingDrawing {
    private let report: ScalingReport
    /// The largest value of the axes.
    private let most: Double

    private static let size = 420.0
    private static let left = 52.0
    private static let top = 44.0
    private static let bottom = 64.0

    package init(_ report: ScalingReport) {
        self.report = report
        let threads = report.points.map(\.threads) + report.predictions.map(\.threads)
        most = Double(max(threads.max() ?? 1, 2))
    }

    /// A picture that stands by itself.
    package var svg: String {
        let measured = report.points.map { (Double($0.threads), report.speedup($0)) }
        let modelled = report.predictions.map { (Double($0.threads), $0.speedup) }
        let dots = measured.map { "<circle class=\"measured\" cx=\"\(x($0.0))\" cy=\"\(y($0.1))\" r=\"4\"/>\n" }
        let width = Int(Self.left + Self.size + 30), height = Int(Self.top + Self.size + Self.bottom)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width) \(height)" role="img" \
            aria-label="How many times as fast as one thread more threads are">
            <style>\(Self.css)</style>
            <rect class="paper" x="0" y="0" width="\(width)" height="\(height)" rx="10"/>
            \(label("Times one thread: a block of Wan 1.3B, \(report.precision), \(report.instructions)", 16, 26, "title"))\
            \(axes)\(line([(1, 1), (most, most)], "ideal"))\(line(modelled, "model"))\(line(measured, "way"))\
            \(dots.joined())\(legend)</svg>

            """
    }

    private static let css = """
        text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1d1b22}.title{font-weight:600;font-size:14px}
        .soft{fill:#625e6b}.paper{fill:#fffefb;stroke:#dcd8cf}.tick{stroke:#e9e5dc}.ideal{stroke:#c4bfb4}
        .model{stroke:#e08a1e;stroke-dasharray:5 4}.way{stroke:#6257d6;stroke-width:2}.measured{fill:#6257d6}
        polyline,line{fill:none;stroke-width:1.5}
        """

    private var axes: String {
        let values = sequence(first: 1.0) { $0 * 2 }.prefix { $0 <= most }
        return values.map { value in
            let name = String(Int(value))
            let up = rule("tick", from: (x(value), y(1)), to: (x(value), y(most)))
            let across = rule("tick", from: (x(1), y(value)), to: (x(most), y(value)))
            let below = label(name, Self.left + position(value) - 4, Self.top + Self.size + 18, "soft")
            let beside = label(name, Self.left - 22, Self.top + Self.size - position(value) + 4, "soft")
            return up + across + below + beside
        }.joined()
    }

    private var legend: String {
        let y = Self.top + Self.size + 46
        let entries = [("way", "measured"), ("model", "model"), ("ideal", "nothing lost")]
        return entries.enumerated().map { index, entry -> String in
            let at = Self.left + Double(index) * 130
            let middle = Self.number(y - 4)
            let sample = rule(entry.0, from: (Self.number(at), middle), to: (Self.number(at + 24), middle))
            return sample + label(entry.1, at + 30, y, "soft")
        }.joined()
    }

    private func rule(_ style: String, from: (x: String, y: String), to: (x: String, y: String)) -> String {
        "<line class=\"\(style)\" x1=\"\(from.x)\" y1=\"\(from.y)\" x2=\"\(to.x)\" y2=\"\(to.y)\"/>\n"
    }

    private func line(_ points: [(Double, Double)], _ style: String) -> String {
        let points = points.map { "\(x($0.0)),\(y($0.1))" }.joined(separator: " ")
        return "<polyline class=\"\(style)\" points=\"\(points)\"/>\n"
    }

    private func label(_ text: String, _ x: Double, _ y: Double, _ style: String) -> String {
        "<text class=\"\(style)\" x=\"\(Self.number(x))\" y=\"\(Self.number(y))\">\(HTMLText.escaped(text))</text>\n"
    }

    /// The distance from the corner of the axes.
    private func position(_ value: Double) -> Double { Self.size * log2(max(value, 0.5)) / log2(most) }
    private func x(_ threads: Double) -> String { Self.number(Self.left + position(threads)) }
    private func y(_ speedup: Double) -> String { Self.number(Self.top + Self.size - position(speedup)) }
    private static func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
