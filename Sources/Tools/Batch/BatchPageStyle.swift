/// How a batch's page looks and what it does: clips play under the pointer, a click opens the large view.
enum BatchPageStyle {
    static let css = """

        :root { color-scheme: light dark; --page: #f6f5f1; --sheet: #fffefb; --ink: #1d1b22; --soft: #5f5b68;
          --line: #dcd8cf; --edge: #8b8692; }
        @media (prefers-color-scheme: dark) { :root { --page: #121117; --sheet: #1a1921; --ink: #ecebf1;
          --soft: #aaa6b8; --line: #322f3c; --edge: #75708a; } }
        * { box-sizing: border-box; }
        [hidden] { display: none !important; }
        body { margin: 0 auto; max-width: 90rem; padding: 1.5rem clamp(0.75rem, 3vw, 2.25rem); background: var(--page);
          color: var(--ink); font: 400 0.9375rem/1.5 "Inter", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.4rem 1.5rem; margin-bottom: 1.25rem; }
        h1 { flex: 1 0 100%; margin: 0; font-size: 1.375rem; font-weight: 650; letter-spacing: -0.01em; }
        header p { margin: 0; color: var(--soft); }
        nav { display: flex; gap: 1rem; }
        input { flex: 1 1 16rem; max-width: 26rem; margin-left: auto; padding: 0.5rem 0.75rem; color: inherit;
          background: var(--sheet); border: 1px solid var(--edge); border-radius: 8px; font: inherit; }
        .found:empty { display: none; }
        main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(11rem, 46%), 1fr)); gap: 0.9rem; }
        figure { margin: 0; background: var(--sheet); border: 1px solid var(--line); border-radius: 10px;
          overflow: hidden; content-visibility: auto; contain-intrinsic-size: auto 17rem; }
        figure button { display: block; width: 100%; padding: 0; background: none; border: 0; cursor: zoom-in; }
        figure img, figure video { display: block; width: 100%; height: auto; pointer-events: none; }
        figcaption { padding: 0.5rem 0.7rem 0.65rem; }
        figcaption p { display: -webkit-box; margin: 0 0 0.2rem; overflow: hidden; font-size: 0.875rem; line-height: 1.35;
          overflow-wrap: anywhere; -webkit-box-orient: vertical; -webkit-line-clamp: 2; }
        small { color: var(--soft); font-size: 0.75rem; overflow-wrap: anywhere; }
        a { color: inherit; text-underline-offset: 0.2em; }
        small a { margin-left: 0.25em; }
        :focus-visible { outline: 2px solid #6257d6; outline-offset: -2px; }
        dialog { width: min(64rem, 100vw - 1rem); max-width: none; max-height: calc(100dvh - 1rem); padding: 0;
          color: var(--ink); background: var(--sheet); border: 1px solid var(--line); border-radius: 12px; }
        dialog::backdrop { background: rgb(10 8 16 / 75%); }
        .large img, .large video { display: block; width: 100%; height: auto; max-height: calc(100dvh - 9rem);
          object-fit: contain; }
        .words { margin: 0.75rem 1rem 0; overflow-wrap: anywhere; }
        .bar { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem; padding: 0.75rem 1rem 1rem; }
        .bar button { min-width: 2.5rem; min-height: 2.5rem; padding: 0 0.75rem; color: inherit; background: none;
          border: 1px solid var(--edge); border-radius: 8px; font: inherit; cursor: pointer; }
        .bar .close { margin-left: auto; }
        @media (max-width: 40rem) { figcaption small a { display: none; } main { gap: 0.6rem; } }

        """

    static let script = """

        const cards = [...document.querySelectorAll("figure")]
        const dialog = document.querySelector("dialog")
        const still = matchMedia("(prefers-reduced-motion: reduce)").matches
        let shown = -1
        document.querySelector("input").addEventListener("input", event => {
          const words = event.target.value.toLowerCase().split(/\\s+/)
          for (const card of cards) card.hidden = !words.every(word => card.textContent.toLowerCase().includes(word))
          document.querySelector(".found").textContent =
            event.target.value.trim() ? `${cards.filter(card => !card.hidden).length} found` : ""
        })
        // The first frame once a clip comes into view; a thousand of them at once would be too many.
        const seen = new IntersectionObserver(entries => {
          for (const { target, isIntersecting } of entries) if (isIntersecting) {
            target.preload = "metadata"
            seen.unobserve(target)
          }
        }, { rootMargin: "300px" })
        const show = index => {
          const card = cards[index]
          const media = card.querySelector("img, video").cloneNode()
          if (media.tagName === "VIDEO") {
            Object.assign(media, { muted: true, controls: true, autoplay: !still, preload: "auto" })
          }
          shown = index
          dialog.querySelector(".large").replaceChildren(media)
          dialog.querySelector(".words").textContent =
            `${card.querySelector("p").textContent} (${card.querySelector("small").firstChild.textContent.trim()})`
          const links = card.querySelectorAll("a")
          dialog.querySelector(".file").href = links[0].href
          dialog.querySelector(".parameters").href = links[1].href
          if (!dialog.open) dialog.showModal()
        }
        const go = by => {
          for (let index = shown + by; cards[index]; index += by) if (!cards[index].hidden) return show(index)
        }
        for (const [index, card] of cards.entries()) {
          const clip = card.querySelector("video")
          const button = card.querySelector("button")
          button.addEventListener("click", () => show(index))
          if (!clip) continue
          seen.observe(clip)
          for (const name of ["mouseenter", "focus"]) button.addEventListener(name, () => clip.play().catch(() => {}))
          for (const name of ["mouseleave", "blur"]) button.addEventListener(name, () => clip.pause())
        }
        dialog.querySelector(".back").addEventListener("click", () => go(-1))
        dialog.querySelector(".forward").addEventListener("click", () => go(1))
        dialog.querySelector(".close").addEventListener("click", () => dialog.close())
        dialog.addEventListener("close", () => dialog.querySelector(".large").replaceChildren())
        dialog.addEventListener("keydown", event => {
          const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
          if (!by) return
          event.preventDefault()
          go(by)
        })
        let from = null
        dialog.addEventListener("pointerdown", event => { from = event.clientX })
        dialog.addEventListener("pointerup", event => {
          const by = from === null ? 0 : event.clientX - from
          if (Math.abs(by) > 45) go(by < 0 ? 1 : -1)
          from = null
        })

        """
}
