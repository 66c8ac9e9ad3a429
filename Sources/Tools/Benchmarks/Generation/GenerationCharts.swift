import Foundation
import Support

/// Which colour (a number of a CSS class) each stage has: phases in the order in which they come, the rest fixed.
struct StageColours {
    private let phases: [String]

    init(_ contenders: [GenerationReport.ContenderResult]) {
        phases = contenders.flatMap(\.stages.steps).reduce(into: []) { phases, step in
            if !phases.contains(step.phase) { phases.append(step.phase) }
        }
    }

    /// The stages of a result with their median seconds, one after the other.
    func parts(of result: GenerationReport.ContenderResult) -> [(name: String, style: String, seconds: Double)] {
        let steps = phases.enumerated().compactMap { index, phase -> (String, String, Double)? in
            let own = result.stages.steps.filter { $0.phase == phase }
            guard !own.isEmpty else { return nil }
            let name = "\(own.count) step\(own.count == 1 ? "" : "s"), \(phase)"
            return (name, "phase-\(index % 4 + 1)", own.reduce(0) { $0 + $1.seconds.median })
        }
        return [("text encode", "text-stage", result.stages.text.median)] + steps + [
            ("VAE decode", "decode-stage", result.stages.decode.median),
            ("media encode", "encode-stage", result.stages.encode.median),
        ]
    }
}

/// Plots as SVG that takes its colours from the page.
enum GenerationCharts {
    /// One bar for each contender, stages end to end; below it the same for the others, enlarged, since a student's
    /// bar is short beside its teacher's.
    static func latency(_ workload: GenerationReport.Workload, _ colours: StageColours) -> String {
        let results = workload.contenders
        guard let longest = results.map(\.total.median).max(), longest > 0 else { return "" }
        let shares = results.map { bars($0, colours, scale: longest) }
        let enlarged = results.dropLast().filter { $0.total.median * 2 < longest }
        var html = shares.joined() + legend(results, colours)
        if !enlarged.isEmpty {
            html += "<p class=\"soft enlarged\">Enlarged: where the time of the fast ones goes</p>"
            html += enlarged.map { bars($0, colours, scale: $0.total.median) }.joined()
        }
        return "<div class=\"bars\">\(html)</div>"
    }

    /// Every colour of the bars, with the seconds of each contender that has it.
    private static func legend(_ results: [GenerationReport.ContenderResult], _ colours: StageColours) -> String {
        var order: [String] = []
        var entries: [String: (style: String, seconds: [String])] = [:]
        for result in results {
            for part in colours.parts(of: result) {
                if entries[part.name] == nil { order.append(part.name) }
                entries[part.name, default: (part.style, [])].seconds.append(GenerationPage.number(part.seconds, 4))
            }
        }
        // Steps before decoding and encoding, whoever takes them.
        let last = ["VAE decode", "media encode"]
        let items = (order.filter { !last.contains($0) } + last).compactMap { name in
            entries[name].map { entry in
                "<li><i class=\"\(entry.style)\"></i>\(HTMLText.escaped(name)) "
                    + "<b>\(entry.seconds.joined(separator: " / ")) s</b></li>"
            }
        }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    private static func bars(
        _ result: GenerationReport.ContenderResult, _ colours: StageColours, scale: Double
    ) -> String {
        let parts = colours.parts(of: result)
        let whole = max(parts.reduce(0) { $0 + $1.seconds }, scale)
        var x = 0.0
        var rectangles = ""
        for part in parts {
            let width = part.seconds / whole * 1000
            rectangles += String(
                format:
                    "<rect class=\"%@\" x=\"%.2f\" y=\"0\" width=\"%.2f\" height=\"26\"><title>%@: %.4f s</title></rect>",
                part.style, x, max(width, 0.5), HTMLText.escaped(part.name), part.seconds)
            x += width
        }
        return """
            <div class="bar"><span class="name">\(HTMLText.escaped(result.name))</span>
            <svg viewBox="0 0 1000 26" preserveAspectRatio="none" role="img" \
            aria-label="\(HTMLText.escaped(result.name)): \(GenerationPage.number(result.total.median, 3)) seconds">\
            <rect class="track" width="1000" height="26"/>\(rectangles)</svg>
            <span class="value">\(GenerationPage.number(result.total.median, 3)) s</span></div>
            """
    }

    /// A point for each contender: latency to the right (logarithmic), diversity upwards from zero.
    static func diversity(_ workload: GenerationReport.Workload) -> String {
        let points = workload.contenders.compactMap { result in
            result.diversity.map { (result, seconds: result.total.median, distance: $0.mean) }
        }
        guard let fastest = points.map(\.seconds).min(), let slowest = points.map(\.seconds).max(), fastest > 0,
            let most = points.map(\.distance).max(), most > 0
        else { return "<p class=\"soft\">One seed has no diversity.</p>" }
        // Beside the table of two, as high as that is; above a wider one, across the page.
        let (width, height) = workload.contenders.count > 2 ? (960.0, 320.0) : (520.0, 440.0)
        let (left, bottom, top) = (56.0, 44.0, 16.0)
        // Room on both sides for the names.
        let (low, high) = (log10(fastest) - 0.35, log10(slowest) + 0.35)
        let ceiling = most * 1.3
        func x(_ seconds: Double) -> Double { left + (log10(seconds) - low) / (high - low) * (width - left - 12) }
        func y(_ distance: Double) -> Double { height - bottom - distance / ceiling * (height - bottom - top) }
        var svg = ""
        for tick in ticks(ceiling) {
            svg += String(
                format: "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                    + "<text class=\"tick\" text-anchor=\"end\" x=\"%.1f\" y=\"%.1f\">%.2f</text>", left, width - 12,
                y(tick), y(tick), left - 8, y(tick) + 4, tick)
        }
        for power in Int(low.rounded(.down))...Int(high.rounded(.up)) {
            for digit in [1.0, 2, 5] {
                let seconds = digit * pow(10, Double(power))
                guard (low...high).contains(log10(seconds)) else { continue }
                svg += String(
                    format: "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        + "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%g s</text>", x(seconds),
                    x(seconds), top, height - bottom, x(seconds), height - bottom + 18, seconds)
            }
        }
        for (index, point) in points.enumerated() {
            svg += String(
                format: "<circle class=\"point-%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"7\"/>"
                    + "<text class=\"label\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%@</text>", index % 4 + 1,
                x(point.seconds), y(point.distance), x(point.seconds),
                // By turns above and below: neighbours' names do not meet.
                y(point.distance) + (index % 2 == 0 ? -15 : 26),
                HTMLText.escaped("\(point.0.name), NFE \(point.0.nfe)"))
        }
        svg += String(
            format:
                "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">seconds (median, log scale)</text>",
            (left + width) / 2, height - 6)
        return """
            <svg viewBox="0 0 \(Int(width)) \(Int(height))" role="img" aria-label="diversity against latency">\(svg)</svg>
            """
    }

    /// Round numbers from 0 to `ceiling`.
    private static func ticks(_ ceiling: Double) -> [Double] {
        let rough = ceiling / 4
        let power = pow(10, log10(rough).rounded(.down))
        let step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? rough
        return Array(stride(from: 0, through: ceiling, by: step))
    }
}
