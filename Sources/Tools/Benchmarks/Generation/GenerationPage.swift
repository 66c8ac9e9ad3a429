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
            \(origin(report))
            </header>
            <main>
            \(report.workloads.map(section).joined(separator: "\n"))
            \(notes(report))
            </main>
            \(report.workloads.contains { !$0.clips.isEmpty } ? "<script>\(script)</script>" : "")
            </body>
            </html>

            """
    }

    /// What has to be known to make it again.
    private static func origin(_ report: GenerationReport) -> String {
        guard let origin = report.origin else { return "" }
        let digest = origin.modelDigest.map { ", model sha256 \(HTMLText.escaped(String($0.prefix(16))))" } ?? ""
        return """
            <p class="soft">Phasor \(HTMLText.escaped(origin.version))\(digest)</p>
            <p><code>\(HTMLText.escaped(origin.commandLine))</code></p>
            """
    }

    /// Clips of a prompt play in step, and stand where the reader wants stillness.
    private static let script = """

        const still = matchMedia("(prefers-reduced-motion: reduce)").matches
        for (const box of document.querySelectorAll(".pick")) {
          const [first, ...others] = box.querySelectorAll("video")
          if (!first) continue
          if (!still) for (const clip of [first, ...others]) clip.play()
          first.addEventListener("timeupdate", () => {
            for (const clip of others) if (Math.abs(clip.currentTime - first.currentTime) > 0.1) {
              clip.currentTime = first.currentTime
            }
          })
          first.addEventListener("pause", () => others.forEach(clip => clip.pause()))
          first.addEventListener("play", () => others.forEach(clip => clip.play()))
        }

        """

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
            <div class="\(workload.contenders.count > 2 ? "stack" : "pair")">
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
            "<b>\(number(summary.median, 4))</b> <small>\(number(summary.minimum, 4)) &ndash; \(number(summary.p95, 4))</small>"
        }
        let rows = [
            row("network evaluations (NFE)") { "\($0.nfe)" },
            row("sampler, steps") { "\(HTMLText.escaped($0.sampler)), \($0.stages.steps.count)" },
            row("text encode, s") { seconds($0.stages.text) },
            row("all steps, s") { number($0.stageMedians["steps"] ?? 0, 4) },
            row("of it expert switches, s") { seconds($0.stages.switchStall) },
            row("VAE decode, s") { seconds($0.stages.decode) },
            row("media encode, s") { seconds($0.stages.encode) },
            row("<b>total, s</b>") { seconds($0.total) },
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

    /// The same prompts and seed, side by side: pictures, or clips that play.
    private static func pictures(_ workload: GenerationReport.Workload) -> String {
        let size = "width=\"\(workload.width)\" height=\"\(workload.height)\""
        let picks = workload.prompts.indices.map { prompt in
            let prompted = HTMLText.escaped(workload.prompts[prompt])
            let made = workload.contenders.indices.map { index -> String in
                let name = HTMLText.escaped(workload.contenders[index].name)
                let still = data(workload.pictures, index, prompt)?.first.map { "data:image/png;base64,\(base64($0))" }
                var media = ""
                if let clip = data(workload.clips, index, prompt) {
                    media = """
                        <video \(size) muted loop playsinline controls preload="metadata" aria-label="\(prompted), \(name)" \
                        poster="\(still ?? "")" src="data:video/mp4;base64,\(base64(clip))"></video>
                        """
                } else if let still {
                    media = "<img \(size) alt=\"\(prompted), \(name)\" src=\"\(still)\">"
                }
                return "<div class=\"made\">\(media)<small>\(name)</small></div>"
            }
            return """
                <figure class="pick"><div class="frames">\(made.joined())</div><figcaption>\(prompted)</figcaption></figure>
                """
        }
        return """
            <h3>The same prompt and seed (\(workload.seeds.first ?? 0))</h3>
            <div class="picks">\(picks.joined(separator: "\n"))</div>
            """
    }

    private static func data<Made>(_ made: [[Made]], _ contender: Int, _ prompt: Int) -> Made? {
        guard made.indices.contains(contender), made[contender].indices.contains(prompt) else { return nil }
        return made[contender][prompt]
    }

    private static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

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
