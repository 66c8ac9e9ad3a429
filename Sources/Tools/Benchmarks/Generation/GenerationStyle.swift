/// How the page looks: paper and ink as on Phasor's own page, light or dark as the reader's system is, and on paper.
enum GenerationStyle {
    static let css = """

        :root { color-scheme: light dark; --page: #f6f5f1; --sheet: #fffefb; --well: #efede7; --ink: #1d1b22;
          --soft: #625e6b; --line: #dcd8cf; --accent: #4a3fc4; --one: #6257d6; --two: #2577c4; --three: #0b7d6b;
          --four: #96610f; --grey: #8d8898; --pale: #c4bfb4; }
        @media (prefers-color-scheme: dark) { :root { --page: #121117; --sheet: #1a1921; --well: #22202a;
          --ink: #ecebf1; --soft: #a29eb0; --line: #322f3c; --accent: #a79dff; --one: #9a90ff; --two: #62b0f5;
          --three: #35c3a8; --four: #e2aa4e; --grey: #8b8798; --pale: #565263; } }
        *, *::before, *::after { box-sizing: border-box; }
        body { margin: 0 auto; max-width: 68rem; padding: 2.5rem clamp(1rem, 4vw, 2.5rem) 4rem; background: var(--page);
          color: var(--ink); font: 400 0.9375rem/1.55 "Inter", system-ui, -apple-system, "Segoe UI", Roboto,
          "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; }
        h1 { margin: 0; font-size: clamp(1.5rem, 4vw, 2.125rem); line-height: 1.2; font-weight: 650;
          letter-spacing: -0.015em; }
        h2 { margin: 0; font-size: 1.25rem; font-weight: 650; letter-spacing: -0.01em; }
        p { margin: 0.25rem 0 0; }
        .kicker { margin: 0 0 0.25rem; color: var(--accent); font-weight: 600; font-size: 0.8125rem; }
        .soft, small, caption, figcaption { color: var(--soft); }
        .who { margin-top: 1.5rem; font-weight: 600; }
        section { margin-top: 2rem; padding: clamp(1.25rem, 3vw, 2rem); background: var(--sheet);
          border: 1px solid var(--line); border-radius: 12px; }
        .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px;
          margin-top: 0.5rem; background: var(--line); border: 1px solid var(--line); border-radius: 8px;
          overflow: hidden; }
        .tile { padding: 1rem 1.125rem; background: var(--sheet); display: flex; flex-direction: column; }
        .tile b { font-size: 2rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.02em; }
        .tile:first-child b { color: var(--accent); }
        .tile small { font-size: 0.8125rem; }
        figure { margin: 2rem 0 0; min-width: 0; }
        figcaption, caption { margin-bottom: 0.75rem; font-weight: 600; text-align: left; color: var(--ink); }
        .bar { display: grid; grid-template-columns: 7.5rem 1fr 4.5rem; gap: 0.75rem; align-items: center;
          margin-top: 0.5rem; }
        .bars { min-width: 0; } .bar .name { overflow-wrap: anywhere; }
        .bar .value { text-align: right; font-weight: 600; }
        .bar svg { width: 100%; height: 26px; border-radius: 4px; display: block; }
        .enlarged { margin-top: 1.25rem; }
        .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.625rem 0 0 8.25rem;
          padding: 0; font-size: 0.8125rem; }
        .legend i { display: inline-block; width: 0.75em; height: 0.75em; margin-right: 0.4em; border-radius: 2px; }
        .legend b { font-weight: 600; }
        rect.track { fill: var(--well); }
        .text-stage { fill: var(--four); background: var(--four); }
        .phase-1 { fill: var(--one); background: var(--one); }
        .phase-2 { fill: var(--two); background: var(--two); }
        .phase-3 { fill: var(--three); background: var(--three); }
        .phase-4 { fill: var(--four); background: var(--four); }
        .decode-stage { fill: var(--grey); background: var(--grey); }
        .encode-stage { fill: var(--pale); background: var(--pale); }
        .pair { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1.35fr); gap: 2rem;
          align-items: start; }
        .pair .scroll { margin-top: 2rem; }
        .pair svg, .stack svg { width: 100%; height: auto; display: block; }
        line.grid { stroke: var(--line); stroke-width: 1; }
        text { fill: var(--ink); font-size: 14px; font-family: inherit; }
        text.tick { fill: var(--soft); font-size: 12px; }
        text.label { font-weight: 600; }
        .point-1 { fill: var(--one); } .point-2 { fill: var(--two); }
        .point-3 { fill: var(--three); } .point-4 { fill: var(--four); }
        .scroll { overflow-x: auto; margin-top: 2rem; }
        table { border-collapse: collapse; width: 100%; font-size: 0.875rem; }
        caption { caption-side: top; }
        th, td { padding: 0.32rem 0.75rem 0.32rem 0; text-align: right; vertical-align: top; font-weight: 400;
          border-top: 1px solid var(--line); white-space: nowrap; }
        thead th, thead td { border-top: 0; font-weight: 600; }
        th[scope="row"] { text-align: left; color: var(--soft); white-space: normal; }
        td:last-child, thead th:last-child { padding-right: 0; }
        td small { font-size: 0.75rem; } td b { font-weight: 600; }
        h3 { margin: 2rem 0 0.75rem; font-size: 0.9375rem; font-weight: 600; }
        .picks { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); gap: 1.5rem; }
        .pick { margin: 0; } .pick figcaption { margin: 0.5rem 0 0; font-weight: 400; }
        .frames { display: flex; flex-wrap: wrap; gap: 6px; }
        .made { flex: 1 1 7rem; min-width: 0; max-width: 20rem; }
        .made img, .made video { width: 100%; height: auto; border-radius: 6px; display: block; }
        code { font: 0.8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
          overflow-wrap: anywhere; }
        dl { display: grid; grid-template-columns: 8rem 1fr; gap: 0.5rem 1rem; margin: 1rem 0 0; font-size: 0.875rem; }
        dt { font-weight: 600; } dd { margin: 0; color: var(--soft); }
        @media (max-width: 46rem) { .pair { grid-template-columns: 1fr; gap: 0; } .legend { margin-left: 0; }
          .bar { grid-template-columns: 5rem 1fr 4rem; } dl { grid-template-columns: 1fr; gap: 0.125rem; }
          dd { margin-bottom: 0.75rem; } }
        @media print { :root { color-scheme: light; --page: #fff; --sheet: #fff; --well: #f0efec; --ink: #000;
          --soft: #444; --line: #ccc; --accent: #4a3fc4; --one: #6257d6; --two: #2577c4; --three: #0b7d6b;
          --four: #96610f; --grey: #8d8898; --pale: #c4bfb4; }
          body { max-width: none; padding: 0; font-size: 10pt; -webkit-print-color-adjust: exact;
          print-color-adjust: exact; } section { border: 0; padding: 0; break-inside: auto; }
          figure, .tiles, tr { break-inside: avoid; } .scroll { overflow: visible; } }

        """
}
