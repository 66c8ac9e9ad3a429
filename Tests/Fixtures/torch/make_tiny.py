"""taew2_1.pth: the tensors of ../taehv-tiny/taew2_1.safetensors in the form that torch.save gives a state dict.

    python make_tiny.py                # no torch needed: the pickle's calls are written by their names
"""

import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

here = Path(__file__).resolve().parent
content = (here / "../taehv-tiny/taew2_1.safetensors").read_bytes()
length = struct.unpack("<Q", content[:8])[0]
header = json.loads(content[8:8 + length])
header.pop("__metadata__", None)

utils, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")
sys.modules.update({"torch": torch, "torch._utils": utils})


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


class HalfStorage:
    pass


_rebuild_tensor_v2.__module__, utils._rebuild_tensor_v2 = "torch._utils", _rebuild_tensor_v2
HalfStorage.__module__, torch.HalfStorage = "torch", HalfStorage


class Storage:
    def __init__(self, key, count):
        self.key, self.count = key, count


class Half:
    """A tensor as torch reduces it: storage, offset, shape, strides, whether it has a gradient, hooks."""

    def __init__(self, storage, shape):
        self.storage, self.shape = storage, shape

    def __reduce__(self):
        strides, step = [], 1
        for extent in reversed(self.shape):
            strides.insert(0, step)
            step *= extent
        hooks = collections.OrderedDict()
        return _rebuild_tensor_v2, (self.storage, 0, tuple(self.shape), tuple(strides), False, hooks)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, Storage):
            return "storage", HalfStorage, value.key, "cpu", value.count
        return None


state, data = collections.OrderedDict(), {}
for index, key in enumerate(sorted(header)):
    first, last = header[key]["data_offsets"]
    assert header[key]["dtype"] == "F16"
    data[str(index)] = content[8 + length + first:8 + length + last]
    state[key] = Half(Storage(str(index), (last - first) // 2), header[key]["shape"])
stream = io.BytesIO()
Pickler(stream, protocol=2).dump(state)
with zipfile.ZipFile(here / "taew2_1.pth", "w", zipfile.ZIP_STORED) as archive:
    def put(name, content):
        archive.writestr(zipfile.ZipInfo(f"taew2_1/{name}"), content)
    put("data.pkl", stream.getvalue())
    put("byteorder", b"little")
    for key, storage in data.items():
        put(f"data/{key}", storage)
    put("version", b"3\n")
