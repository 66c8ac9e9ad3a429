import Foundation
import Support

/// The report as one HTML page that needs nothing else: styles, plots (SVG) and pictures (data URIs) are in it.
package enum GenerationPage {
    package static func html(_ report: GenerationReport, date: Date) -> String {
        let title = "\(HTMLText.escaped(report.model)): student against teacher"
        let machine = report.machine
        let when = date.formatted(.iso8601.year().month().day())
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(title)</title>
            <style>\(GenerationStyle.css)</style>
            </head>
            <body>
            <header>
            <p class="kicker">phasor bench</p>
            <h1>\(title)</h1>
            <p class="soft">\(HTMLText.escaped(machine.processor)), \(machine.threads) threads, \
            \(HTMLText.escaped(machine.instructions)), \(HTMLText.escaped(machine.precision)) &middot; \(when)</p>
            </header>
            <main>
            \(report.workloads.map(section).joined(separator: "\n"))
            \(notes(report))
            </main>
            </body>
            </html>

            """
    }

    private static func section(_ workload: GenerationReport.Workload) -> String {
        let colours = StageColours(workload.contenders)
        return """
            <section>
            <h2>\(workload.kind == .image ? "Pictures" : "Clips")</h2>
            <p class="soft">\(HTMLText.escaped(GenerationTable.title(workload)))</p>
            \(workload.comparisons.map(verdict).joined(separator: "\n"))
            <figure>
            <figcaption>Median seconds from prompt to \(workload.kind == .image ? "PNG" : "MP4"), by stage</figcaption>
            \(GenerationCharts.latency(workload, colours))
            </figure>
            <div class="pair">
            <figure>
            <figcaption>Diversity over seeds against latency</figcaption>
            \(GenerationCharts.diversity(workload))
            </figure>
            \(figures(workload))
            </div>
            \(pictures(workload))
            </section>
            """
    }

    /// The few numbers that a reader came for.
    private static func verdict(_ comparison: GenerationReport.Comparison) -> String {
        var tiles = [
            tile(
                number(comparison.speedup.ratio, 1) + "&times;", "as fast as \(HTMLText.escaped(comparison.baseline))",
                "95 % interval \(number(comparison.speedup.low, 1)) to \(number(comparison.speedup.high, 1))")
        ]
        if let kept = comparison.diversityKept {
            tiles.append(tile(number(kept * 100, 0) + " %", "of its diversity", "over seeds, in pixels"))
        }
        if let kept = comparison.motionKept {
            tiles.append(tile(number(kept * 100, 0) + " %", "of its motion", "mean optical flow"))
        }
        if let ssim = comparison.similarity?.ssim, let psnr = comparison.similarity?.psnr {
            tiles.append(tile(number(ssim, 2), "SSIM on the same seed", "PSNR \(number(psnr, 1)) dB"))
        }
        return """
            <p class="who">\(HTMLText.escaped(comparison.contender))</p>
            <div class="tiles">\(tiles.joined())</div>
            """
    }

    private static func tile(_ value: String, _ what: String, _ more: String) -> String {
        "<div class=\"tile\"><b>\(value)</b><span>\(what)</span><small>\(more)</small></div>"
    }

    /// All figures, one column for each contender.
    private static func figures(_ workload: GenerationReport.Workload) -> String {
        let results = workload.contenders
        func row(_ name: String, _ value: (GenerationReport.ContenderResult) -> String?) -> String {
            "<tr><th scope=\"row\">\(name)</th>"
                + results.map { "<td>\(value($0) ?? "&ndash;")</td>" }.joined() + "</tr>"
        }
        func seconds(_ summary: Summary) -> String {
            "\(number(summary.median, 4)) <small>\(number(summary.minimum, 4)) &ndash; \(number(summary.p95, 4))</small>"
        }
        let rows = [
            row("network evaluations (NFE)") { "\($0.nfe)" },
            row("sampler, steps") { "\(HTMLText.escaped($0.sampler)), \($0.stages.steps.count)" },
            row("text encode, s") { seconds($0.stages.text) },
            row("all steps, s") { number($0.stageMedians["steps"] ?? 0, 4) },
            row("of it expert switches, s") { seconds($0.stages.switchStall) },
            row("VAE decode, s") { seconds($0.stages.decode) },
            row("media encode, s") { seconds($0.stages.encode) },
            row("<b>total, s</b>") { "<b>\(seconds($0.total))</b>" },
            row("steps a second") { number($0.stepsPerSecond, 1) },
            row("peak resident memory, MB") { $0.peakResidentBytes.map { number(Double($0) / 1e6, 0) } },
            row("energy, J") { $0.joules.map { number($0, 2) } },
            row("diversity: colour, structure") { result in
                result.diversity.map { "\(number($0.colour, 3)), \(number($0.structure, 3))" }
            },
            workload.kind == .video ? row("motion, px a frame") { $0.motion.map { number($0.flow, 2) } } : "",
            workload.kind == .video
                ? row("dynamic clips") { $0.motion.map { number($0.dynamicDegree * 100, 0) + " %" } } : "",
        ]
        return """
            <div class="scroll"><table>
            <caption>Median, and from the fastest to the 95th percentile</caption>
            <thead><tr><td></td>\(results.map { "<th scope=\"col\">\(HTMLText.escaped($0.name))</th>" }.joined())</tr></thead>
            <tbody>\(rows.joined())</tbody>
            </table></div>
            """
    }

    /// The same prompts and seed, side by side.
    private static func pictures(_ workload: GenerationReport.Workload) -> String {
        let heads = workload.contenders.map { "<th scope=\"col\">\(HTMLText.escaped($0.name))</th>" }.joined()
        let rows = workload.prompts.indices.map { prompt in
            let cells = workload.pictures.map { made in
                let images = (made.indices.contains(prompt) ? made[prompt] : []).map { png in
                    "<img alt=\"\" width=\"\(workload.width)\" height=\"\(workload.height)\" "
                        + "src=\"data:image/png;base64,\(Data(png).base64EncodedString())\">"
                }
                return "<td><div class=\"frames\">\(images.joined())</div></td>"
            }
            let name = HTMLText.escaped(workload.prompts[prompt])
            return "<tr><th scope=\"row\">\(name)</th>\(cells.joined())</tr>"
        }
        let what = workload.kind == .image ? "" : ": first, middle and last frame"
        return """
            <div class="scroll"><table class="pictures">
            <caption>The same prompt and seed (\(workload.seeds.first ?? 0))\(what)</caption>
            <thead><tr><td></td>\(heads)</tr></thead>
            <tbody>\(rows.joined(separator: "\n"))</tbody>
            </table></div>
            """
    }

    private static func notes(_ report: GenerationReport) -> String {
        let entries = ["speedup", "diversity", "motion", "similarity"].compactMap { name in
            GenerationReport.measures[name].map { "<dt>\(name)</dt><dd>\(HTMLText.escaped($0))</dd>" }
        }
        let energy =
            report.machine.measuresEnergy
            ? "" : "<dt>energy</dt><dd>this machine shows no RAPL counters</dd>"
        return """
            <section class="notes">
            <h2>How it was measured</h2>
            <p>In one process, after a warm-up that is not counted, the generators take turns (A B A B &hellip;) on the same \
            prompts and seeds. The text is encoded each time; total is from the prompt to the bytes of the file.\
            \(report.machine.clock == "wall" ? "" : " Seconds are the process's own, over its threads: others used the machine too.")</p>
            <dl>\(entries.joined())\(energy)</dl>
            </section>
            """
    }

    static func number(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}
