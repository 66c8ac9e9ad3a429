"""Files of torch.save, and the values in them as torch itself gives them.

    python make_torch.py                # torch 1.13 or later, e.g. Debian's python3-torch

`network.pth` is a module's state dict, `trained.ckpt` a training tool's dictionary around one, the others are what must be
refused. `values.json` has type, shape and values of every tensor of the first two.
"""

import json
import os
from pathlib import Path

import torch

here = Path(__file__).resolve().parent
os.chdir(here)
torch.manual_seed(5)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(5, 3)
        self.norm = torch.nn.BatchNorm1d(3)
        self.convolution = torch.nn.Conv3d(2, 4, (1, 2, 2))

    def forward(self, x):
        return self.norm(self.linear(x))


network = Network()
state = network.state_dict()
state["half"] = torch.randn(2, 3).half()
state["brain"] = torch.randn(4).bfloat16()
state["double"] = torch.randn(2, 2).double()
both = torch.arange(12, dtype=torch.float32).reshape(4, 3)
state["rows"] = both[1:3]
state["tied"] = both
state["count"] = torch.tensor(7)
state["bytes"] = torch.tensor([0, 255, 3], dtype=torch.uint8)
state["empty"] = torch.zeros(0, 4)
torch.save(state, "network.pth")
trained = {"epoch": 3, "loss": 0.25, "optimizer": {"state": {0: {"step": torch.tensor(9.0)}}, "groups": [{"lr": 1e-4}]},
           "state_dict": {"weight": torch.nn.Parameter(torch.randn(3, 2)), "version": "1.0"}}
torch.save(trained, "trained.ckpt")
values = {
    name: {key: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": t.double().flatten().tolist()}
           for key, t in group.items() if isinstance(t, torch.Tensor)}
    for name, group in (("network.pth", state), ("trained.ckpt", trained["state_dict"]))
}
Path("values.json").write_text(json.dumps(values, indent=1))


class Shell:
    """What a hostile file has: a call that is made when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch /tmp/phasor-was-here",)


torch.save({"weight": torch.zeros(2), "more": Shell()}, "hostile.pth")
torch.save({"weight": torch.zeros(2, 3).t()}, "strided.pth")
torch.save({"epoch": 3}, "empty.pth")
torch.save({"weight": torch.zeros(2)}, "legacy.pth", _use_new_zipfile_serialization=False)
torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), "program.pt")
torch.save({"settings": Path("x"), "weight": torch.zeros(2)}, "path.pth")
