"""Writes Sources/CKernels/grids.c: the points that the IQ types of GGUF files choose among, which are part of the format.

    pip install gguf numpy && python make_grids.py

Each point is one 16-bit word: the places of its coordinates in the type's list of values, the first coordinate in the
lowest bits; two bits each where there are eight coordinates, four where there are four.
"""

from pathlib import Path

import gguf
import numpy as np

GRIDS = {"iq2_xxs": "IQ2_XXS", "iq2_xs": "IQ2_XS", "iq2_s": "IQ2_S", "iq3_xxs": "IQ3_XXS", "iq3_s": "IQ3_S", "iq1": "IQ1_S"}

lines = [
    '#include "grids.h"', "",
    "// Written by Tests/Fixtures/gguf/make_grids.py from the tables of the gguf package.", "",
    "// clang-format off",
]
for name, kind in GRIDS.items():
    quant = getattr(gguf.quants, kind)
    quant.init_grid()
    points = quant.grid.reshape(quant.grid_shape)
    places = np.searchsorted(np.array(quant.grid_map, np.float32), points)
    assert (np.array(quant.grid_map, np.float32)[places] == points).all()
    bits = 16 // quant.grid_shape[1]
    words = (places.astype(np.uint32) << (bits * np.arange(quant.grid_shape[1]))).sum(axis=1)
    lines.append(f"const uint16_t phasor_grid_{name}[{len(words)}] = {{")
    for start in range(0, len(words), 15):
        lines.append("    " + ", ".join(f"0x{w:04x}" for w in words[start:start + 15]) + ",")
    lines.append("};")
(Path(__file__).resolve().parents[3] / "Sources/CKernels/grids.c").write_text("\n".join(lines) + "\n")
