"""Stage "report": what is kept with the model: numbers, losses, their curves, contact sheets; prints the model card's tables.

    python -m recipe.report --work WORK --evaluation WORK/evaluation.json --sheets WORK/sheets --name v1
"""
import argparse
import glob
import json
import os

from PIL import Image, ImageDraw, ImageFont

COLUMNS = {
    "object": "object", "object of a counted group": "of a group", "both objects of a pair": "both of a pair", "background": "background",
    "tint": "tint", "position": "position"}
INK = ("#1f5fa8", "#c2452d", "#2f8f4e", "#8a56ac", "#b58a00", "#444444")
RUNS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runs")


def lines_of(path):
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def table(evaluation):
    """Markdown: a row for each of what was measured, with how many prompts stand behind a column"""
    shown = lambda entry: "-" if entry is None else f"{entry['share']:.2f}"
    of = lambda entry: entry["of"]
    first = next(iter(evaluation.values()))
    held = first["never trained combinations"]
    head = [f"{title} ({of(first[name])})" for name, title in COLUMNS.items()]
    head += [f"never trained: object ({of(held['object'])}), background ({of(held['background'])})",
             f"direction ({of(first['motion']['direction right'])})", "displacement / true",
             f"camera ({of(first['camera']['right'])})", f"apart ({of(first['apart']['right'])})", "entropy, coverage", "distance"]
    rows = ["| | " + " | ".join(head) + " |", "|" + " --- |" * (len(head) + 1)]
    for name, r in evaluation.items():
        held, d = r["never trained combinations"], r.get("diversity")
        cells = [shown(r[column]) for column in COLUMNS]
        cells += [f"{shown(held['object'])}, {shown(held['background'])}", shown(r["motion"]["direction right"]),
                  f"{r['motion']['displacement / true']:.2f}" if r["motion"]["displacement / true"] is not None else "-",
                  shown(r["camera"]["right"]), shown(r["apart"]["right"]),
                  f"{d['entropy']:.2f}, {d['coverage']:.1f}" if d else "-", f"{d['distance']:.3f}" if d else "-"]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def wordings(evaluation):
    """Markdown: object and background of the same prompts, a column for each way to write them"""
    asked = {name: r["wording"] for name, r in evaluation.items() if "wording" in r}
    if not asked:
        return ""
    first = next(iter(asked.values()))
    count = next(iter(first.values()))["object"]["of"]
    rows = [f"| object, background ({count}) | " + " | ".join(first) + " |", "|" + " --- |" * (len(first) + 1)]
    rows += [f"| {name} | " + " | ".join(f"{w['object']['share']:.2f}, {w['background']['share']:.2f}" for w in r.values()) + " |"
             for name, r in asked.items()]
    return "\n".join(rows)


def given(evaluation):
    """Markdown: clips from a given picture, of renders and of pictures that the model drew"""
    asked = {name: r["picture given"] for name, r in evaluation.items() if "picture given" in r}
    titles = {"from renders": "from renders", "from its own pictures": "from its own pictures"}
    rows = ["| first frame, dB; direction; object on the last frame | " + " | ".join(titles.values()) + " | over seeds: distance; way |",
            "| --- | --- | --- | --- |"]
    cell = lambda r: "-" if not r else f"{r['first frame']:.1f}" + ("" if "direction right" not in r else (
        f"; {r['direction right']['share']:.2f} ({r['direction right']['of']}); {r['object on the last frame']['share']:.2f}"))
    for name, r in asked.items():
        seeds = r.get("over seeds")
        rows.append(f"| {name} | " + " | ".join(cell(r.get(part, {})) for part in titles)
                    + (f" | {seeds['distance']:.3f}; {seeds['way']:.3f} |" if seeds else " | - |"))
    return "\n".join(rows) if asked else ""


def panel(draw, box, title, curves, font):
    """curves: name -> [(x, y)]; axes from the data"""
    left, top, right, bottom = box[0] + 44, box[1] + 22, box[2] - 10, box[3] - 22
    points = [p for curve in curves.values() for p in curve]
    draw.text((left, box[1] + 4), title, fill="black", font=font)
    if not points:
        return
    (x0, x1), (y0, y1) = [(min(v), max(v)) for v in zip(*points)]
    y0, y1 = y0 - .03 * (y1 - y0 + 1e-9), y1 + .03 * (y1 - y0 + 1e-9)
    place = lambda x, y: (left + (x - x0) / (x1 - x0 + 1e-9) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top))
    for k in range(5):
        y = y0 + (y1 - y0) * k / 4
        draw.line([place(x0, y), place(x1, y)], fill="#e4e4e4")
        draw.text((box[0] + 4, place(x0, y)[1] - 6), f"{y:.3g}", fill="#666666", font=font)
    for x in (x0, x1):
        at = place(x, y0)
        draw.text((at[0] - (18 if x == x1 else 0), bottom + 5), f"{x:.0f}", fill="#666666", font=font)
    for k, (name, curve) in enumerate(curves.items()):
        draw.line([place(*p) for p in curve], fill=INK[k % len(INK)], width=2)
        draw.text((right - 110, top + 2 + 13 * k), name, fill=INK[k % len(INK)], font=font)


def curves(teacher, distillation, path):
    """Training curves as a picture"""
    image, font = Image.new("RGB", (1000, 620), "white"), ImageFont.load_default(11)
    draw = ImageDraw.Draw(image)
    systems = list(dict.fromkeys(line["system"] for line in distillation if line["system"] != "start"))

    def along(system, key):
        out, before, phase = [], 0, 0
        for line in (q for q in distillation if q["system"] == system):
            if line["phase"] != phase:
                phase, before = line["phase"], out[-1][0] if out else 0
            if key in line:
                out.append((before + line["generator"], line[key]))
        return out

    late = [q for q in teacher if q["step"] >= 300]
    of = lambda key: [(q["step"], q[key]) for q in late if key in q]
    panel(draw, (0, 0, 500, 310), "teacher: error of the velocity, by step", {"images": of("loss_images"), "clips": of("loss_clips")}, font)
    panel(draw, (500, 0, 1000, 310), "distillation: spread over seeds, by generator update", {s: along(s, "spread") for s in systems}, font)
    panel(draw, (0, 310, 500, 620), "distillation: generator's loss", {s: along(s, "loss_generator") for s in systems}, font)
    panel(draw, (500, 310, 1000, 620), "common start: error to the teacher's windows", {
        "regression": [(q["updates"], q["loss_regression"]) for q in distillation if q["system"] == "start"]}, font)
    image.save(path, optimize=True)


def stack(paths, out):
    parts = [Image.open(path) for path in paths]
    image, y = Image.new("RGB", (max(p.width for p in parts), sum(p.height for p in parts)), "white"), 0
    for part in parts:
        image.paste(part, (0, y))
        y += part.height
    image.save(out, quality=85, optimize=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--work", required=True)
    p.add_argument("--evaluation", required=True)
    p.add_argument("--sheets", required=True, help="what evaluate drew")
    p.add_argument("--name", required=True)
    a = p.parse_args()
    teacher, distillation = (lines_of(os.path.join(a.work, name)) for name in ("teacher.jsonl", "distill.jsonl"))
    with open(a.evaluation) as file:
        evaluation = json.load(file)
    last = {}
    for line in distillation:
        last[line["system"] + (f", phase {line['phase'] + 1}" if "phase" in line else "")] = line
    with open(os.path.join(RUNS, a.name + ".json"), "w") as file:
        json.dump({"evaluation": evaluation, "training": {"teacher": teacher[-1], "distillation": last}}, file, indent=1)
    with open(os.path.join(RUNS, a.name + "-losses.jsonl"), "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in teacher + distillation)
    curves(teacher, distillation, os.path.join(RUNS, a.name + "-curves.png"))
    for kind in ("image", "clip"):
        stack(sorted(glob.glob(os.path.join(a.sheets, kind + "*.png"))), os.path.join(RUNS, f"{a.name}-{kind}s.jpg"))
    print(table(evaluation), wordings(evaluation), given(evaluation), sep="\n\n")


if __name__ == "__main__":
    main()
