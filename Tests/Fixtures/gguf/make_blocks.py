"""Golden blocks of the quantised GGUF types: random bytes, and the values that the gguf package reads from them.

    pip install gguf numpy && python make_blocks.py

Writes TYPE.blocks (raw blocks, two rows of three) and TYPE.f32 (their values, little-endian float32) for each type.
"""

from pathlib import Path

import gguf
import numpy as np

# Byte offsets of the binary16 scales in a block; all other bytes are random.
SCALES = {
    "Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ1_S": [0], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ4_NL": [0], "IQ4_XS": [0],
    # Their scales lie elsewhere.
    "IQ1_M": [], "MXFP4": [],
}

rng = np.random.default_rng(20)
for name, offsets in SCALES.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (6, size), dtype=np.uint8)
    for offset in offsets:
        scale = rng.uniform(-0.1, 0.1, 6).astype(np.float16)
        blocks[:, offset:offset + 2] = scale.view(np.uint8).reshape(6, 2)
    if name == "IQ1_M":
        # A quarter of the scale is in the top of each of four words: 0.03 to 0.06 in binary16.
        scale = rng.uniform(0.03, 0.06, 6).astype(np.float16).view(np.uint16)
        words = blocks[:, 48:].copy().view(np.uint16) & 0x0FFF
        words |= (scale[:, None] >> np.array([0, 4, 8, 12], np.uint16) & 15) << 12
        blocks[:, 48:] = words.view(np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = [0, 1, 2, 120, 127, 131]
    values = gguf.quants.dequantize(blocks.reshape(2, 3 * size), kind)
    assert values.shape == (2, 3 * elements)
    here = Path(__file__).parent
    (here / f"{name.lower()}.blocks").write_bytes(blocks.tobytes())
    (here / f"{name.lower()}.f32").write_bytes(values.astype("<f4").tobytes())
