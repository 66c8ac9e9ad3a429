#!/usr/bin/env python3
"""Writes one table in the dialects of Python's csv module and of spreadsheets, and as JSON lines.

    python3 make_manifests.py        # beside itself; needs nothing but Python

Each NAME.csv or NAME.tsv says the same as rows.jsonl.
"""
import csv, io, json
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIELDS = ["file", "prompt", "negative_prompt", "seed", "num_frames"]
ROWS = [
    ["plain", "a large dog on the beach", "", "3", ""],
    ["comma{seed}", "a dog, a cat, and a ghost", "text", "0-1", ""],
    ["semicolon", "a cat; on the beach", "blur; noise", "2", ""],
    ["tab", "a dog\ton a hill", "", "7", ""],
    ["quotes", 'a "large" dog', '"', "", "5"],
    ["lines", "a dog\nand a cat\r\non the beach", "", "1", ""],
    ["blanks", "  a dog with blanks around  ", "", "1", ""],
    ["selector", "\ufe0fa heart", "", "1", ""],
    ["joiner", "\u200da ghost, large", "", "1", ""],
    ["accent", "\u0301a dog", "\u0301", "1", ""],
    ["thai", "\u0e33 a dog", "", "1", ""],
    ["devanagari", "\u093f a dog", "", "1", ""],
    ["astral", "\U0001f47b in the night, \U0001f3f3\ufe0f\u200d\U0001f308", "", "1", ""],
    ["separator", "a dog\u2028on a hill\u0085at night\x0bin\x0crain", "", "1", ""],
]


def table(fields=FIELDS, rows=ROWS, **dialect):
    out = io.StringIO(newline="")
    writer = csv.writer(out, **dialect)
    writer.writerow(fields)
    writer.writerows(rows)
    return out.getvalue()


def main():
    files = {
        "excel.csv": table(dialect="excel", quoting=csv.QUOTE_ALL).encode(),
        # Without quotes blanks around a value are not part of it, so the row that has some is as the others are.
        "minimal.csv": table().encode(),
        "unix.csv": table(dialect="unix").encode(),
        "nonnumeric.csv": table(quoting=csv.QUOTE_NONNUMERIC).encode(),
        "returns.csv": table(quoting=csv.QUOTE_ALL, lineterminator="\r").encode(),
        "bom.csv": table(quoting=csv.QUOTE_ALL).encode("utf-8-sig"),
        "semicolons.csv": table(quoting=csv.QUOTE_ALL, delimiter=";").encode("utf-8-sig"),
        "pipes.csv": table(quoting=csv.QUOTE_ALL, delimiter="|").encode(),
        "stated.csv": ("sep=;\r\n" + table(quoting=csv.QUOTE_ALL, delimiter=";")).encode(),
        # Excel's "Unicode text".
        "unicode-text.tsv": b"\xff\xfe" + table(quoting=csv.QUOTE_ALL, delimiter="\t").encode("utf-16-le"),
        "big-endian.csv": b"\xfe\xff" + table(quoting=csv.QUOTE_ALL).encode("utf-16-be"),
        "tabs.tsv": table(dialect="excel-tab", quoting=csv.QUOTE_ALL).encode(),
        # What is left of a sheet that was wider and longer.
        "borders.csv": table(FIELDS + ["", ""], [r + ["", ""] for r in ROWS] + [[""] * 7] * 3, quoting=csv.QUOTE_ALL).encode(),
        "titles.csv": table(["File", "Prompt", "Negative_Prompt", "SEED", "Num_Frames"], quoting=csv.QUOTE_ALL).encode(),
        # A blank behind each separator, as people type it.
        "typed.csv": table(quoting=csv.QUOTE_ALL).replace('","', '", "').encode(),
    }
    for name, content in files.items():
        (HERE / name).write_bytes(content)
    lines = [{k: v for k, v in zip(FIELDS, row) if v != ""} for row in ROWS]
    for line in lines:
        if "num_frames" in line:
            line["num_frames"] = int(line["num_frames"])
    (HERE / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (HERE / "rows-bom.jsonl").write_bytes((HERE / "rows.jsonl").read_text().replace("\n", "\r\n").encode("utf-8-sig"))
    (HERE / "rows-utf16.jsonl").write_bytes(
        b"\xff\xfe" + "".join(json.dumps(line, ensure_ascii=False) + "\r\n" for line in lines).encode("utf-16-le"))


main()
