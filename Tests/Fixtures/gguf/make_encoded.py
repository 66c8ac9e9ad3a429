"""What the gguf package and numpy make of float32 values: the reference of our own encoders.

    pip install gguf numpy && python make_encoded.py

Writes values.f32 (two rows of 1024: normal noise, outliers, a block of zeros, numbers near the end of binary16) and
values.TYPE, the same values as the reference encodes them. There is no reference encoder of Q4_K in the package; that
of Q4_1, which takes more bits, bounds its error.
"""

from pathlib import Path

import gguf
import numpy as np

here = Path(__file__).parent
rng = np.random.default_rng(4)
values = rng.normal(0, 0.03, (2, 1024)).astype(np.float32)
values[1, 512:768] += rng.normal(0, 1, 256) * (rng.random(256) < 0.02)
values[1, 768:800] = 0
values[1, 800:832] *= 1e-6
values[1, 832:864] = np.arange(32) - 15.5
values.astype("<f4").tofile(here / "values.f32")
for name in ["Q8_0", "Q4_1", "BF16"]:
    blocks = gguf.quants.quantize(values, gguf.GGMLQuantizationType[name])
    (here / f"values.{name.lower()}").write_bytes(blocks.tobytes())
(here / "values.f16").write_bytes(values.astype("<f2").tobytes())
