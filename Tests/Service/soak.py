"""Keeps a server busy with everything that clients do, and looks whether it grows.

    python3 Tests/Service/soak.py [--phasor .build/release/phasor] [--model Models/emoji-scenes] [--minutes 30]

Clients ask for pictures in every format, clips, streams, edits, jobs that they watch, cancel, delete or leave, and for what is
refused. Every ten seconds memory, descriptors and threads of the process are read. It passes when the last third of the time
has no more of any than the second third (memory: a tenth and 16 MB more at most), and every answer was the right one.
Standard library only.
"""
import argparse, base64, collections, http.client, json, os, pathlib, random, re, signal, statistics, sys, tempfile
import threading, time

from kill import Server, picture

WORDS = ["dog", "cat", "ghost", "house"]


class Clients:
    def __init__(self, port):
        self.port = port
        self.counts = collections.Counter()
        self.faults = []
        self.lock = threading.Lock()
        self.end = threading.Event()

    # ------------------------------------------------------------------------------------------------------- asking

    def open(self, method, path, body=None, **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if body is not None:
            fields["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), fields)
        return connection

    def ask(self, method, path, body=None, expected=(200, 202), **fields):
        connection = self.open(method, path, body, **fields)
        try:
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status in expected, (method, path, answer.status, content[:300])
        return content

    def json(self, *request, **fields):
        return json.loads(self.ask(*request, **fields))

    # ------------------------------------------------------------------------------------------------ what clients do

    def body(self, chance, **more):
        return {"prompt": f"a large {chance.choice(WORDS)} on a blue background", "seed": chance.randrange(1 << 40)} | more

    def formats(self, chance):
        format = chance.choice(["png", "jpeg", "webp"])
        answer = self.json("POST", "/v1/images/generations",
                           self.body(chance, n=chance.choice([1, 2]), output_format=format))
        start = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}[format]
        for image in answer["data"]:
            assert base64.b64decode(image["b64_json"]).startswith(start), format

    def stream(self, chance):
        events = self.ask("POST", "/v1/images/generations", self.body(chance, stream=True, partial_images=2))
        assert events.count(b"event: image_generation.completed") == 1

    def edit(self, chance):
        self.ask("POST", "/v1/images/edits", self.body(chance, image=picture([chance.randrange(256)] * 3), strength=0.6))

    def clip(self, chance):
        job = self.json("POST", "/v1/videos", self.body(chance, num_frames=5))["id"]
        while (state := self.json("GET", f"/v1/videos/{job}")["status"]) in ("queued", "in_progress"):
            time.sleep(0.05)
        assert state == "completed", state
        part = self.ask("GET", f"/v1/videos/{job}/content", expected=(206,), Range="bytes=4-7")
        assert part == b"ftyp", part
        self.ask("GET", f"/v1/videos/{job}/content?variant=thumbnail")
        self.ask("DELETE", f"/v1/videos/{job}")

    def watched(self, chance):
        job = self.json("POST", "/v1/jobs", self.body(chance, kind="image", partial_images=3))["id"]
        assert b"event: done" in self.ask("GET", f"/v1/jobs/{job}/events")
        url = self.json("GET", f"/v1/jobs/{job}")["artifacts"][0]["url"]
        assert self.ask("GET", url).startswith(b"\x89PNG")

    def cancelled(self, chance):
        job = self.json("POST", "/v1/jobs", self.body(chance, kind="video", generator="teacher", num_frames=33))["id"]
        time.sleep(chance.random() * 0.2)
        self.ask("POST", f"/v1/jobs/{job}/cancel")
        self.ask("DELETE", f"/v1/jobs/{job}")

    def left(self, chance):
        connection = self.open("POST", "/v1/images/generations", self.body(chance, generator="teacher"))
        time.sleep(chance.random() * 0.1)
        connection.close()

    def refused(self, chance):
        for body in [{"prompt": ""}, {"prompt": "a", "size": "1x1"}, {"prompt": "a", "image": "bm8="},
                     {"prompt": "a", "output_format": "gif"}]:
            self.ask("POST", "/v1/images/edits", body, expected=(400,))
        self.ask("GET", "/v1/jobs/none", expected=(404,))

    def dialects(self, chance):
        web = self.json("POST", "/sdapi/v1/txt2img", {"prompt": "a large dog", "steps": 20, "cfg_scale": 7})
        assert web["images"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "generate_image", "arguments": {"prompt": "a large cat", "output_format": "jpeg"}}}
        assert b"image/jpeg" in self.ask("POST", "/mcp", call, Accept="application/json, text/event-stream")

    def looks(self, chance):
        for path in ["/", "/metrics", "/v1/models", "/v1/capabilities", "/v1/jobs?limit=50", "/openapi.json", "/readyz"]:
            self.ask("GET", path)

    # -------------------------------------------------------------------------------------------------------- running

    def run(self, seed):
        chance = random.Random(seed)
        tries = [self.formats, self.stream, self.edit, self.clip, self.watched, self.cancelled, self.left, self.refused,
                 self.dialects, self.looks]
        while not self.end.is_set():
            wanted = chance.choice(tries)
            try:
                wanted(chance)
            except Exception as error:
                with self.lock:
                    self.faults.append(f"{wanted.__name__}: {error!r}")
            with self.lock:
                self.counts[wanted.__name__] += 1


def sample(process):
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status).group(1))
    return number("RssAnon") / 1024, len(os.listdir(f"/proc/{process}/fd")), number("Threads")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(arguments, folder)
        clients = Clients(int(server.url.rsplit(":", 1)[1]))
        threads = [threading.Thread(target=clients.run, args=(seed,)) for seed in range(arguments.clients)]
        samples = []
        try:
            for thread in threads:
                thread.start()
            end = time.monotonic() + arguments.minutes * 60
            while time.monotonic() < end and server.process.poll() is None:
                time.sleep(min(10, max(end - time.monotonic(), 0)))
                samples.append(sample(server.process.pid))
        finally:
            clients.end.set()
            for thread in threads:
                thread.join()
            alive = server.process.poll() is None
            server.end(signal.SIGKILL)
    third = max(len(samples) // 3, 1)
    parts = [samples[:third], samples[third:-third] or samples[-third:], samples[-third:]]
    rows = [[statistics.median(values) for values in zip(*part)] + [max(values) for values in zip(*part)] for part in parts]
    print("| third | MB of own memory (median, most) | descriptors | threads |\n| --- | --- | --- | --- |")
    for name, row in zip(["first", "second", "last"], rows):
        print(f"| {name} | {row[0]:.0f}, {row[3]:.0f} | {row[1]:.0f}, {row[4]} | {row[2]:.0f}, {row[5]} |")
    second, last = rows[1], rows[2]
    grown = [name for name, is_grown in [
        ("memory", last[0] > second[0] * 1.1 + 16), ("descriptors", last[1] > second[1] + 4),
        ("threads", last[2] > second[2] + 2)] if is_grown]
    print(f"\n{arguments.minutes:g} minutes, {sum(clients.counts.values())} tries "
          f"({', '.join(f'{name} {count}' for name, count in sorted(clients.counts.items()))}), "
          f"{len(clients.faults)} faults, grown: {', '.join(grown) or 'nothing'}")
    for fault in clients.faults[:20]:
        print("FAULT", fault)
    sys.exit(bool(clients.faults or grown or not alive))


if __name__ == "__main__":
    main()
