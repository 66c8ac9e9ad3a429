import Foundation
import Serving
import Support

/// index.html of a batch: its files with their prompts, to look through in a browser without a server.
package enum BatchPage {
    package static func html(_ manifest: Manifest, title: String, isThere: (Manifest.Item) -> Bool) -> String {
        let items = manifest.items.filter(isThere)
        let missing = manifest.items.count - items.count
        let cards = items.map(card).joined(separator: "\n")
        let name = HTMLText.escaped(title)
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(name)</title>
            <style>\(css)</style>
            </head>
            <body>
            <header>
            <h1>\(name)</h1>
            <p>\(items.count) file\(items.count == 1 ? "" : "s")\(missing > 0 ? ", \(missing) missing" : "")</p>
            <input type="search" placeholder="Filter by prompt, file or seed" aria-label="Filter">
            </header>
            <main>
            \(cards)
            </main>
            <script>\(script)</script>
            </body>
            </html>

            """
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
            : "<video \(size) src=\"\(address)\" loop muted playsinline preload=\"metadata\" controls></video>"
        var facts = ["seed \(request.seed)"]
        if let generator = request.generator { facts.append(HTMLText.escaped(generator)) }
        if let steps = request.steps { facts.append("\(steps) steps") }
        if request.kind == .video { facts.append("\(request.frames) frames") }
        return """
            <figure>\(media)<figcaption><p>\(prompt)</p><small>\(facts.joined(separator: " &middot; ")) \
            <a href="\(address)">\(HTMLText.escaped(item.file))</a> <a href="\(address).json">parameters</a></small>\
            </figcaption></figure>
            """
    }

    private static let css = """

        :root { color-scheme: light dark; --page: #f6f5f1; --sheet: #fffefb; --ink: #1d1b22; --soft: #625e6b;
          --line: #dcd8cf; }
        @media (prefers-color-scheme: dark) { :root { --page: #121117; --sheet: #1a1921; --ink: #ecebf1;
          --soft: #a29eb0; --line: #322f3c; } }
        * { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 90rem; padding: 2rem clamp(1rem, 3vw, 2.25rem); background: var(--page);
          color: var(--ink); font: 400 0.9375rem/1.5 "Inter", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.5rem 1.5rem; margin-bottom: 1.5rem; }
        h1 { margin: 0; font-size: 1.375rem; font-weight: 650; letter-spacing: -0.01em; }
        header p { margin: 0; color: var(--soft); }
        input { margin-left: auto; min-width: 16rem; padding: 0.5rem 0.75rem; border: 1px solid var(--line);
          border-radius: 8px; background: var(--sheet); color: inherit; font: inherit; }
        main { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
        figure { margin: 0; background: var(--sheet); border: 1px solid var(--line); border-radius: 10px;
          overflow: hidden; }
        figure[hidden] { display: none; }
        img, video { display: block; width: 100%; height: auto; }
        figcaption { padding: 0.625rem 0.75rem 0.75rem; }
        figcaption p { margin: 0 0 0.25rem; overflow-wrap: anywhere; }
        small { color: var(--soft); font-size: 0.8125rem; overflow-wrap: anywhere; }
        a { color: inherit; text-underline-offset: 0.2em; margin-left: 0.25em; }

        """

    private static let script = """

        const cards = [...document.querySelectorAll("figure")]
        document.querySelector("input").addEventListener("input", event => {
          const words = event.target.value.toLowerCase().split(/\\s+/)
          for (const card of cards) card.hidden = !words.every(word => card.textContent.toLowerCase().includes(word))
        })
        for (const video of document.querySelectorAll("video")) {
          video.addEventListener("mouseenter", () => video.play())
          video.addEventListener("mouseleave", () => video.pause())
        }

        """
}
