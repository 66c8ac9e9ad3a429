"""Writes Sources/Text/HTMLEntityTable.swift from Python's copy of the HTML 5 table of named character references.

    python make_entity_table.py > ../../../Sources/Text/HTMLEntityTable.swift
"""

from html.entities import html5

legacy = {name for name in html5 if not name.endswith(";")}
entries = []
for name, value in sorted(html5.items()):
    if name.endswith(";"):
        name = name[:-1]
        points = "+".join(f"{ord(c):X}" for c in value)
        entries.append(f"{name}{'*' if name in legacy else ':'}{points}")

lines, line = [], ""
for entry in entries:
    if len(line) + len(entry) + 1 > 110:
        lines.append(line)
        line = ""
    line += (" " if line else "") + entry
lines.append(line)

print("""extension HTMLEntities {
    /// The named character references of HTML 5 (WHATWG, section 13.5), as `name:code points` in hexadecimal.
    /// `*` in place of the colon marks the old names that count without a semicolon too.
    /// Written by Tests/Fixtures/text/make_entity_table.py.
    static let namedReferences = #\"\"\"""")
for line in lines:
    print("        " + line)
print('        """#\n}')
