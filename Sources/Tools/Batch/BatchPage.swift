import Foundation
import Jobs
import Support

/// index.html of a batch: its files with their prompts, to look through in a browser without a server. The same files
/// give the same page, however long they took.
package enum BatchPage {
    /// - Parameters:
    ///   - hasSheet: whether contact-sheet.png lies beside it.
    ///   - size: bytes of an item's file; nil for one that is not there.
    package static func html(
        _ manifest: Manifest, title: String, hasSheet: Bool, size: (Manifest.Item) -> Int?
    ) -> String {
        let items = manifest.items.compactMap { item in size(item).map { (item: item, bytes: $0) } }
        let cards = items.map { card($0.item) }.joined(separator: "\n")
        let name = HTMLText.escaped(title)
        let sheet = hasSheet ? "<a href=\"contact-sheet.png\">Contact sheet</a>" : ""
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(name)</title>
            <style>\(BatchPageStyle.css)</style>
            </head>
            <body>
            <header>
            <h1>\(name)</h1>
            <p>\(totals(items.map(\.item), bytes: items.reduce(0) { $0 + $1.bytes }, of: manifest.items.count))</p>
            <nav>\(sheet) <a href="summary.json">Summary</a></nav>
            <input type="search" placeholder="Filter by prompt, file or seed" aria-label="Filter">
            <p class="found" role="status"></p>
            </header>
            <main>
            \(cards)
            </main>
            <dialog aria-label="Large view"><div class="large"></div><p class="words"></p><div class="bar">\
            <button type="button" class="back" aria-label="The one before">&larr;</button>\
            <button type="button" class="forward" aria-label="The next one">&rarr;</button>\
            <a class="file">File</a><a class="parameters">Parameters</a>\
            <button type="button" class="close">Close</button></div></dialog>
            <script>\(BatchPageStyle.script)</script>
            </body>
            </html>

            """
    }

    /// "72 pictures and 42 clips, 3.4 MB, 2 missing"
    private static func totals(_ items: [Manifest.Item], bytes: Int, of count: Int) -> String {
        let clips = items.count { $0.request.kind == .video }
        let kinds = [(items.count - clips, "picture"), (clips, "clip")].filter { $0.0 > 0 }
            .map { "\($0.0) \($0.1)\($0.0 == 1 ? "" : "s")" }
        var parts = [kinds.isEmpty ? "no files" : kinds.joined(separator: " and ")]
        if bytes > 0 { parts.append(String(format: "%.1f MB", Double(bytes) / 1e6)) }
        if items.count < count { parts.append("\(count - items.count) missing") }
        return parts.joined(separator: ", ")
    }

    private static func card(_ item: Manifest.Item) -> String {
        let request = item.request
        let address = HTMLText.escaped(
            item.file.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? item.file)
        let prompt = HTMLText.escaped(request.prompt)
        let size = "width=\"\(request.width)\" height=\"\(request.height)\""
        let media =
            request.kind == .image
            ? "<img loading=\"lazy\" \(size) src=\"\(address)\" alt=\"\(prompt)\">"
            : "<video \(size) src=\"\(address)\" loop muted playsinline preload=\"none\" aria-label=\"\(prompt)\"></video>"
        var facts = ["seed \(request.seed)"]
        if let generator = request.generator { facts.append(HTMLText.escaped(generator)) }
        if let steps = request.steps { facts.append("\(steps) steps") }
        if request.kind == .video { facts.append("\(request.frames) frames") }
        return """
            <figure><button type="button" aria-label="Large view: \(prompt), seed \(request.seed)">\(media)</button>\
            <figcaption><p>\(prompt)</p><small>\(facts.joined(separator: " &middot; ")) \
            <a href="\(address)">\(HTMLText.escaped(item.file))</a> <a href="\(address).json">parameters</a></small>\
            </figcaption></figure>
            """
    }
}
