"""A small GGUF file as the gguf package writes it, with a tensor of every type and metadata of every kind.

    pip install gguf numpy && python make_file.py

Writes types.gguf. Its quantised tensors are the blocks of TYPE.blocks beside it (make_blocks.py), so that TYPE.f32 are
their values; the others hold 0, 0.5, 1 ... or whole numbers.
"""

from pathlib import Path

import gguf
import numpy as np

here = Path(__file__).parent
writer = gguf.GGUFWriter(here / "types.gguf", "wan")
writer.add_uint8("kind.u8", 200)
writer.add_int8("kind.i8", -3)
writer.add_uint16("kind.u16", 60000)
writer.add_int16("kind.i16", -300)
writer.add_uint32("kind.u32", 4_000_000_000)
writer.add_int32("kind.i32", -70000)
writer.add_uint64("kind.u64", 2**64 - 1)
writer.add_int64("kind.i64", -(2**40))
writer.add_float32("kind.f32", 0.5)
writer.add_float64("kind.f64", 0.1)
writer.add_bool("kind.bool", True)
writer.add_string("kind.string", "größer")
writer.add_array("kind.shape", [5, 3])
writer.add_array("kind.words", ["a", "bc", ""])
writer.add_array("kind.numbers", [0.25, -1.0])
writer.add_array("comfy.gguf.orig_shape.patch", [5, 2, 1, 2, 2])

ramp = np.arange(40, dtype=np.float32) / 2
writer.add_tensor("patch", ramp.reshape(20, 2))
writer.add_tensor("kind.f32", ramp.reshape(5, 8))
writer.add_tensor("kind.f16", ramp.astype(np.float16).reshape(5, 8))
writer.add_tensor("kind.f64", ramp.astype(np.float64).reshape(5, 8))
writer.add_tensor(
    "kind.bf16", (ramp.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8).reshape(5, 16),
    raw_dtype=gguf.GGMLQuantizationType.BF16)
for name in ["int8", "int16", "int32", "int64"]:
    writer.add_tensor(f"kind.{name}", np.arange(-3, 3, dtype=name).reshape(2, 3))
for path in sorted(here.glob("*.blocks")):
    kind = gguf.GGMLQuantizationType[path.stem.upper()]
    blocks = np.frombuffer(path.read_bytes(), dtype=np.uint8).reshape(2, -1)
    writer.add_tensor(f"kind.{path.stem}", blocks, raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
