import Models
import Foundation
import Pipelines
import Support

/// Draws what happened when: which part computed, what was in memory of each expert, and each request's way from its
/// arrival to its end. One panel for each policy, on one scale of time.
package struct ScheduleDrawing {
    private let panels: [(title: String, record: ScheduleRecord)]
    private let experts: [Pass]
    private let end: Double

    private static let left = 178.0
    private static let right = 24.0
    private static let width = 1000.0
    private static let row = 11.0

    package init(_ panels: [(title: String, record: ScheduleRecord)]) {
        self.panels = panels
        end = panels.flatMap { $0.record.runs.map(\.end) }.max() ?? 1
        // In the order in which they first computed.
        experts = panels.flatMap(\.record.turns).map(\.pass).reduce(into: [Pass]()) { experts, pass in
            if pass.stage == .steps, !experts.contains(pass) { experts.append(pass) }
        }
    }

    /// A picture that stands by itself.
    package var svg: String {
        var y = 46.0
        var body = legend
        for panel in panels {
            body += text(panel.title, x: 16, y: y + 12, style: "title")
            y += 24
            body += strip(panel.record, &y) + memory(panel.record, &y) + ways(panel.record, &y)
            y += 18
        }
        body += axis(at: y)
        let height = y + 34
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Int(Self.width)) \(Int(height))" role="img" \
            aria-label="Which expert computed when, what was in memory, and each request's way">
            <style>\(Self.css)</style>
            <rect class="paper" x="0" y="0" width="\(Int(Self.width))" height="\(Int(height))" rx="10"/>
            \(body)</svg>

            """
    }

    private static let css = """
        text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1d1b22}.title{font-weight:600;font-size:14px}
        .soft{fill:#625e6b}.paper{fill:#fffefb;stroke:#dcd8cf}.part0{fill:#6257d6}.part1{fill:#e08a1e}.part2{fill:#0b7d6b}
        .part3{fill:#c2417c}.text{fill:#2577c4}.vae{fill:#8d8898}.way{stroke:#c4bfb4;stroke-width:1.5}.tick{stroke:#e9e5dc}
        .batch{stroke-dasharray:3 2}.arrival{fill:#1d1b22}.well{fill:#f3f1eb}
        """

    // MARK: Parts of a panel

    /// What computed.
    private func strip(_ record: ScheduleRecord, _ y: inout Double) -> String {
        var body = text("computing", x: 16, y: y + 14, style: "soft") + well(y, 20)
        for turn in record.turns { body += bar(turn.start, turn.seconds, y, 20, turn.pass, title: name(turn.pass)) }
        y += 26
        return body
    }

    /// How much of each expert's weights was in memory: what is arriving rises, what is let go falls.
    private func memory(_ record: ScheduleRecord, _ y: inout Double) -> String {
        guard !record.looks.isEmpty else { return "" }
        var body = ""
        for expert in experts {
            let base = y + 22
            body += text("\(name(expert)) in memory", x: 16, y: base - 6, style: "soft") + well(y, 22)
            var points = ["\(number(x(0))),\(number(base))"]
            var last = -1.0
            for look in record.looks where look.at <= end {
                let share = look.here[expert.part.name] ?? 0
                // Only where it changes, and the point before.
                guard share != last else { continue }
                if last >= 0 { points.append("\(number(x(look.at))),\(number(base - 20 * last))") }
                points.append("\(number(x(look.at))),\(number(base - 20 * share))")
                last = share
            }
            let stop = min(record.looks.last?.at ?? 0, end)
            points += ["\(number(x(stop))),\(number(base - 20 * max(last, 0)))", "\(number(x(stop))),\(number(base))"]
            body +=
                "<polygon class=\"\(style(expert))\" opacity=\".55\" points=\"\(points.joined(separator: " "))\"/>\n"
            y += 27
        }
        return body
    }

    /// Each request on a line of its own: a dot where it came, a thin line while it waited, bars where it was computed.
    private func ways(_ record: ScheduleRecord, _ y: inout Double) -> String {
        var body = text("requests", x: 16, y: y + 12, style: "soft")
        for run in record.runs {
            let middle = y + Self.row / 2
            let line = run.priority == .batch ? "way batch" : "way"
            body +=
                "<line class=\"\(line)\" x1=\"\(number(x(run.arrival)))\" x2=\"\(number(x(run.end)))\" "
                + "y1=\"\(number(middle))\" y2=\"\(number(middle))\"/>\n"
            for turn in record.turns where turn.runs.contains(run.id) {
                body += bar(turn.start, turn.seconds, y + 2, Self.row - 4, turn.pass, title: run.kind.rawValue)
            }
            body += "<circle class=\"arrival\" cx=\"\(number(x(run.arrival)))\" cy=\"\(number(middle))\" r=\"2\"/>\n"
            y += Self.row
        }
        return body
    }

    private func axis(at y: Double) -> String {
        let raw = end / 8
        let power = pow(10, floor(log10(max(raw, 1e-6))))
        let step = ([1, 2, 5, 10].first { $0 * power >= raw } ?? 10) * power
        return stride(from: 0, through: end, by: step).map { seconds in
            let label = String(format: step < 1 ? "%.1f s" : "%.0f s", seconds)
            return "<line class=\"tick\" x1=\"\(number(x(seconds)))\" x2=\"\(number(x(seconds)))\" y1=\"64\" "
                + "y2=\"\(number(y))\"/>\n" + text(label, x: x(seconds) - 8, y: y + 16, style: "soft")
        }.joined()
    }

    private var legend: String {
        var at = Self.left
        return (others(.text) + experts + others(.decode)).map { part in
            let name = name(part)
            defer { at += 34 + 7.2 * Double(name.count) }
            return "<rect class=\"\(style(part))\" x=\"\(number(at))\" y=\"18\" width=\"12\" height=\"12\" rx=\"2\"/>\n"
                + text(name, x: at + 17, y: 28, style: "soft")
        }.joined()
    }

    // MARK: Pieces

    private func x(_ seconds: Double) -> Double { Self.left + seconds / end * (Self.width - Self.left - Self.right) }

    /// The parts that a stage passes through.
    private func others(_ stage: Stage.Kind) -> [Pass] {
        panels.flatMap(\.record.turns).map(\.pass).filter { $0.stage == stage }.prefix(1).map(\.self)
    }

    private func name(_ pass: Pass) -> String {
        switch pass.stage {
        case .text: "text encoder"
        case .picture, .decode: "VAE"
        case .steps: pass.part.name
        }
    }

    private func style(_ pass: Pass) -> String {
        switch pass.stage {
        case .text: "text"
        case .picture, .decode: "vae"
        case .steps: "part\((experts.firstIndex(of: pass) ?? 0) % 4)"
        }
    }

    private func bar(
        _ start: Double, _ seconds: Double, _ y: Double, _ height: Double, _ part: Pass, title: String
    ) -> String {
        let width = max(x(start + seconds) - x(start), 0.4)
        return "<rect class=\"\(style(part))\" x=\"\(number(x(start)))\" y=\"\(number(y))\" width=\"\(number(width))\" "
            + "height=\"\(number(height))\"><title>\(HTMLText.escaped(title))</title></rect>\n"
    }

    private func well(_ y: Double, _ height: Double) -> String {
        "<rect class=\"well\" x=\"\(number(Self.left))\" y=\"\(number(y))\" "
            + "width=\"\(number(Self.width - Self.left - Self.right))\" height=\"\(number(height))\"/>\n"
    }

    private func text(_ text: String, x: Double, y: Double, style: String) -> String {
        "<text class=\"\(style)\" x=\"\(number(x))\" y=\"\(number(y))\">\(HTMLText.escaped(text))</text>\n"
    }

    private func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
