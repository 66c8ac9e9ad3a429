"""Kills the server with SIGKILL again and again while jobs run, and checks that nothing is lost or doubled.

    python3 Tests/Service/kill.py [--phasor .build/release/phasor] [--model Models/emoji-scenes] [--kills 20]

Before each kill a few jobs are accepted: pictures, some of them from another picture, and clips, by the student and the
slower teacher. After the last restart every accepted job must have succeeded, with the bytes that an uninterrupted server makes of the same request,
the artifacts folder must hold exactly those files, and the pictures folder what they started from. At last one long run is killed: it must go on from its last
checkpoint, not from its first step. Standard library only.
"""
import argparse, base64, hashlib, json, os, pathlib, random, re, signal, struct, subprocess, sys, tempfile, time, zlib
import urllib.error, urllib.request


class Server:
    def __init__(self, arguments, state, flags=()):
        self.process = subprocess.Popen(
            [arguments.phasor, "serve", arguments.model, "--port", "0", "--state", state, *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            sys.exit(f"the server did not start: {line!r}")
        self.url = found.group()

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def submit(self, body):
        return json.loads(self.call("POST", "/v1/jobs", body))["id"]

    def job(self, identifier):
        return json.loads(self.call("GET", f"/v1/jobs/{identifier}"))

    def digest(self, job):
        return [hashlib.sha256(self.call("GET", artifact["url"])).hexdigest() for artifact in job["artifacts"]]

    def wait(self, identifier):
        while True:
            job = self.job(identifier)
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.02)

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait()


def picture(colour, side=128):
    """A PNG of one colour, in base64."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = zlib.compress((b"\0" + bytes(colour) * side) * side)
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return base64.b64encode(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")).decode()


def request(number, randomness):
    body = {"prompt": f"a large {randomness.choice(['dog', 'cat', 'ghost', 'house'])} on a blue background",
            "seed": number, "generator": randomness.choice(["student", "student", "teacher"])}
    if randomness.random() < 0.3:
        return body | {"kind": "video", "num_frames": 9}
    body |= {"kind": "image", "n": randomness.choice([1, 2])}
    if randomness.random() < 0.5:
        body |= {"image": picture([randomness.randrange(256) for _ in range(3)]), "strength": 0.8}
    return body


def resume(arguments, state):
    """Kills a run of many steps when a checkpoint of it is there.

    Returns the first step that is seen after the restart, the finished job, its request, its files' digests, and whether
    the checkpoint is still there.
    """
    body = {"kind": "video", "prompt": "a large cat on an orange background", "seed": 5, "generator": "teacher",
            "num_frames": 33, "num_inference_steps": 60}
    server = Server(arguments, state)
    identifier = server.submit(body)
    checkpoint = os.path.join(state, "checkpoints", identifier)
    deadline = time.time() + 300
    while not os.path.exists(checkpoint) and time.time() < deadline:
        time.sleep(0.01)
    server.end(signal.SIGKILL)
    server = Server(arguments, state)
    while (job := server.job(identifier))["step"] == 0 and job["state"] in ("queued", "running"):
        time.sleep(0.005)
    first = job["step"]
    job = server.wait(identifier)
    digest = server.digest(job)
    left = os.path.exists(checkpoint)
    server.end(signal.SIGTERM)
    return first, job, body, digest, left


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    randomness = random.Random(arguments.seed)
    accepted = {}
    with tempfile.TemporaryDirectory() as folder:
        state, calm = os.path.join(folder, "killed"), os.path.join(folder, "calm")
        for _ in range(arguments.kills):
            server = Server(arguments, state)
            for _ in range(3):
                body = request(len(accepted), randomness)
                accepted[server.submit(body)] = body
            time.sleep(randomness.uniform(0, 1.0))
            server.end(signal.SIGKILL)
        server = Server(arguments, state)
        jobs = {identifier: server.wait(identifier) for identifier in accepted}
        digests = {identifier: server.digest(job) for identifier, job in jobs.items()}
        files = [path for path in pathlib.Path(state).rglob("*") if path.suffix in (".png", ".mp4")]
        given = sorted(name.split("-")[0] for name in os.listdir(os.path.join(state, "pictures")))
        server.end(signal.SIGTERM)

        first, long_job, long_body, long_digest, left = resume(arguments, state)
        reference = Server(arguments, calm)
        wrong = []
        # From the beginning it would be seen at step 1: a step takes longer than asking.
        if first < 2 or long_job["state"] != "succeeded" or len(long_job["timings"]["steps"]) != 60 or left:
            wrong.append(f"the long run went on from step {first} and is {long_job['state']}; checkpoint left: {left}")
        elif long_digest != reference.digest(reference.wait(reference.submit(long_body))):
            wrong.append("the long run has other bytes than an uninterrupted one")
        for identifier, body in accepted.items():
            job = jobs[identifier]
            if job["state"] != "succeeded":
                wrong.append(f"{identifier} is {job['state']}: {job['error']}")
            elif digests[identifier] != reference.digest(reference.wait(reference.submit(body))):
                wrong.append(f"{identifier} has other bytes than an uninterrupted run: {str(body)[:300]}")
        reference.end(signal.SIGTERM)
    expected = sum(len(job["artifacts"]) for job in jobs.values())
    if len(files) != expected:
        wrong.append(f"{len(files)} files for {expected} artifacts")
    if given != sorted(identifier for identifier, body in accepted.items() if "image" in body):
        wrong.append(f"the pictures of other jobs are kept than of those that started from one: {given}")
    print("\n".join(wrong))
    print(f"a run of 60 steps went on from step {first} after a kill")
    print(f"{arguments.kills} kills, {len(accepted)} jobs accepted, {len(given)} of them from pictures, {expected} artifacts, {len(wrong)} faults")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
