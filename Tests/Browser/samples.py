"""Makes the samples that the page shows of a model, by the prompts and seeds of its card: after every change of the model.

    python3 Tests/Browser/samples.py [--phasor .build/release/phasor] [--model Models/emoji-scenes]
"""

import argparse
import json
import time
import urllib.request
from pathlib import Path

from server import Server


def answer(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read()


def main(url, folder):
    for sample in json.loads((folder / "card.json").read_text())["samples"]:
        job = json.loads(answer(url + "v1/jobs", {name: sample[name] for name in ("kind", "prompt", "seed")}))
        while job["state"] in ("queued", "running"):
            time.sleep(0.05)
            job = json.loads(answer(f"{url}v1/jobs/{job['id']}"))
        data = answer(f"{url}v1/artifacts/{job['artifacts'][0]['id']}")
        (folder / sample["file"]).write_bytes(data)
        print(f"{sample['file']}: {len(data)} bytes, {sample['prompt']}, seed {sample['seed']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Makes the samples that the page shows of a model.")
    parser.add_argument("--phasor", default=".build/release/phasor", help="the executable")
    parser.add_argument("--model", default="Models/emoji-scenes", help="the model's folder, with its card/card.json")
    arguments = parser.parse_args()
    with Server(arguments.phasor, arguments.model) as server:
        main(server.url, Path(arguments.model) / "card")
