"""Tries on running servers what docs/threat-model.md says of keys, owners, other sites and slow clients.

    python3 Tests/Service/threats.py [--phasor .build/release/phasor] [--model Models/emoji-scenes] [--only WORD]

Each row starts servers of its own on 127.0.0.1, and asks for /healthz at the end. Standard library only.
"""
import argparse, base64, http.client, json, os, pathlib, signal, socket, sys, tempfile, threading, time

from kill import Server

ROWS = []
IMAGE = {"kind": "image", "prompt": "a large dog on the beach", "seed": 1}
LONG = {"kind": "video", "prompt": "a large cat on an orange background", "generator": "teacher", "num_frames": 33,
        "num_inference_steps": 100}
KEYS = "# the keys of these tries\r\nalice\r\nbob\r\noperator:boss\r\n"


def row(words):
    def keep(function):
        ROWS.append((words, function))
        return function
    return keep


class Tried:
    """A server in a folder of its own."""

    def __init__(self, arguments, folder, *flags, keys=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        if keys:
            (self.folder / "keys").write_bytes(keys.encode())
            flags += ("--api-keys", str(self.folder / "keys"))
        self.server = Server(arguments, str(self.folder / "state"), flags)
        self.port = int(self.server.url.rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            assert self.ask("GET", "/healthz").status == 200, "/healthz"
        finally:
            self.server.end(signal.SIGKILL)

    def ask(self, method, path, body=None, source=None, **fields):
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        if isinstance(body, dict):
            body = json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=60, source_address=(source, 0) if source else None)
        try:
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            connection.close()

    def status(self, *request, **fields):
        return self.ask(*request, **fields).status

    def json(self, *request, **fields):
        answer = self.ask(*request, **fields)
        assert answer.status in (200, 202), (request, answer.status, answer.body)
        return json.loads(answer.body)

    def submit(self, body, **fields):
        return self.json("POST", "/v1/jobs", body, **fields)["id"]

    def reaches(self, state, identifier, **fields):
        end = time.monotonic() + 60
        while (job := self.json("GET", f"/v1/jobs/{identifier}", **fields))["state"] != state:
            assert time.monotonic() < end, (job["state"], state)
            time.sleep(0.01)
        return job

    def connect(self, data=b""):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(data)
        return client

    def resident(self):
        fields = pathlib.Path(f"/proc/{self.server.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@row("a site's name is made to mean 127.0.0.1 (DNS rebinding)")
def rebinding(start):
    with start() as own:
        for host in (f"evil.test:{own.port}", "evil.test", "127.0.0.1.evil.test", "0.0.0.0"):
            for method, path, body in (("GET", "/v1/jobs", None), ("POST", "/v1/jobs", IMAGE), ("GET", "/v1/artifacts/x", None)):
                assert (code := own.status(method, path, body, Host=host, Sec_Fetch_Site="same-origin")) == 403, (host, code)
        for host in ("localhost", f"127.0.0.1:{own.port}", f"[::1]:{own.port}"):
            assert own.status("GET", "/v1/jobs", Host=host) == 200, host
        assert own.json("GET", "/v1/jobs")["data"] == []
    with start("--allowed-host", "phasor.test") as own:
        assert own.status("GET", "/v1/jobs", Host="phasor.test") == 200
    return "403 by 4 names; localhost, 127.0.0.1, [::1] and --allowed-host 200"


@row("a page of another origin changes something")
def foreign_page(start):
    with start() as own:
        job = own.submit(LONG)
        foreign = [{"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
                   {"Origin": "https://evil.test", "Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.test"},
                   {"Origin": "null"}]
        for fields in foreign:
            for method, path, body in (("POST", "/v1/jobs", IMAGE), ("POST", "/sdapi/v1/interrupt", {}),
                                       ("POST", f"/v1/jobs/{job}/cancel", {}), ("DELETE", f"/v1/jobs/{job}", None)):
                answer = own.ask(method, path, body, **fields)
                assert answer.status == 403 and not answer.getheader("Access-Control-Allow-Origin"), (fields, path)
        for kind in ("text/plain", "application/x-www-form-urlencoded"):
            assert own.status("POST", "/v1/jobs", json.dumps(IMAGE), Content_Type=kind) == 415
        page = {"Origin": f"http://127.0.0.1:{own.port}", "Sec_Fetch_Site": "same-origin"}
        assert own.status("POST", "/v1/jobs", json.dumps(IMAGE), **page) == 415, "a body without a type"
        assert own.status("POST", "/v1/jobs", IMAGE, **page) == 202, "the own page"
        assert own.status("DELETE", f"/v1/jobs/{job}", **page) == 200, "the own page"
    return "403 by 4 kinds of pages on 4 routes; forms 415; the own page works"


@row("a page of another origin reads")
def foreign_read(start):
    with start() as own:
        for path in ("/v1/jobs", "/v1/models", "/metrics", "/sdapi/v1/progress"):
            for site in ("cross-site", "same-site"):
                assert own.status("GET", path, Sec_Fetch_Site=site, Sec_Fetch_Dest="empty") == 403, path
            assert not own.ask("GET", path, Origin="https://evil.test").getheader("Access-Control-Allow-Origin")
    return "403, and no answer allows an origin to read it"


@row("a client without a key, or with a wrong one")
def no_key(start):
    with start(keys=KEYS) as own:
        paths = json.loads(own.ask("GET", "/openapi.json").body)["paths"]
        tried, free = 0, set()
        for path, methods in paths.items():
            for method in set(methods) - {"parameters"}:
                address = "/".join("x" if part.startswith("{") else part for part in path.split("/"))
                for fields in ({}, {"Authorization": "Bearer alic"}, {"Authorization": "Bearer alice1"}, {"x_api_key": "# the"},
                               {"Authorization": "Basic " + base64.b64encode(b"alice:wrong").decode()}):
                    code = own.status(method.upper(), address, {} if method == "post" else None, **fields)
                    tried += 1
                    if code != 401:
                        free.add(path)
        health = {"/v1/health"}                 # as /health, for clients that put /v1 before everything
        assert not {path for path in free - health if path.startswith(("/v1", "/sdapi", "/metrics"))}, free
        for fields in ({"Authorization": "Bearer alice"}, {"api_key": "bob"}, {"x_api_key": "boss"},
                       {"Authorization": "Basic " + base64.b64encode(b"anybody:alice").decode()}):
            assert own.status("GET", "/v1/models", **fields) == 200, fields
        own.submit(IMAGE, x_api_key="alice")
        kept = [file for file in (own.folder / "state").rglob("*") if file.is_file() and b"alice" in file.read_bytes()]
        assert not kept, kept
    return f"401 to {tried} requests on {len(paths)} paths; open to all are {', '.join(sorted(free))}; no key is kept"


@row("another key's job, by its id")
def other_key(start):
    alice, bob, boss = ({"x_api_key": key} for key in ("alice", "bob", "boss"))
    with start(keys=KEYS) as own:
        done = own.submit(IMAGE, **alice)
        artifact = own.reaches("succeeded", done, **alice)["artifacts"][0]["url"]
        running = own.submit(LONG, **alice)
        own.reaches("running", running, **alice)
        for path in (f"/v1/jobs/{done}", f"/v1/jobs/{done}/events", artifact, f"/v1/videos/{running}"):
            assert own.status("GET", path, **bob) == 404 and own.status("GET", path, **boss) == 200, path
        for method, path in (("POST", f"/v1/jobs/{running}/cancel"), ("DELETE", f"/v1/jobs/{running}"),
                             ("DELETE", f"/v1/videos/{running}")):
            assert own.status(method, path, **bob) == 404, path
        assert own.status("POST", "/sdapi/v1/interrupt", {}, **bob) == 200
        assert own.json("GET", "/v1/jobs", **bob)["data"] == [] and len(own.json("GET", "/v1/jobs", **boss)["data"]) == 2
        assert own.json("GET", f"/v1/jobs/{running}", **alice)["state"] == "running"
        assert own.status("DELETE", f"/v1/jobs/{running}", **boss) == 200
    return "404 on 7 routes; an interrupt leaves it; an operator's key sees and deletes it"


@row("another address's job, without keys")
def other_address(start):
    with start() as own:
        running = own.submit(LONG)
        own.reaches("running", running)
        for method, path in (("POST", f"/v1/jobs/{running}/cancel"), ("DELETE", f"/v1/jobs/{running}")):
            assert own.status(method, path, source="127.0.0.2") == 403, path
        assert own.status("POST", "/sdapi/v1/interrupt", {}, source="127.0.0.2") == 200
        assert own.json("GET", f"/v1/jobs/{running}")["state"] == "running"
        assert own.status("POST", f"/v1/jobs/{running}/cancel") == 200
    return "403 to cancel and delete; an interrupt leaves it"


@row("two keys choose one Idempotency-Key")
def idempotency(start):
    with start(keys=KEYS) as own:
        ids = [own.submit(IMAGE, x_api_key=key, Idempotency_Key="1") for key in ("alice", "bob", "alice")]
        assert ids[0] == ids[2] != ids[1], ids
    return "two jobs; a repetition stays one"


@row("one key fills the queue")
def full_queue(start):
    with start("--queue", "8", "--running-per-key", "1", keys=KEYS) as own:
        own.reaches("running", own.submit(LONG, x_api_key="alice"), x_api_key="alice")
        count = 0
        while (answer := own.ask("POST", "/v1/jobs", IMAGE, x_api_key="alice")).status == 202:
            count += 1
            assert count < 8, "one key has the whole queue"
        assert answer.status == 429 and answer.getheader("Retry-After")
        begun = time.monotonic()
        own.reaches("succeeded", own.submit(IMAGE, x_api_key="bob"), x_api_key="bob")
        waiting = [job for job in own.json("GET", "/v1/jobs?limit=100", x_api_key="alice")["data"] if job["state"] == "queued"]
        assert len(waiting) == count, "the others went first"
    return f"429 after {count} of 8; another key's picture is made meanwhile, in {time.monotonic() - begun:.1f} s"


@row("a crowd of slow bodies holds every connection")
def slow_bodies(start):
    with start("--connections", "64") as own:
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
        crowd = [own.connect(head) for _ in range(64)]
        ended = threading.Event()

        def trickle():
            while not ended.wait(0.2):
                for client in crowd:
                    try:
                        client.send(b" ")
                    except OSError:
                        pass
        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            time.sleep(1.5)
            begun, answered = time.monotonic(), 0
            for _ in range(20):
                answered += own.status("GET", "/v1/models") == 200
            seconds = time.monotonic() - begun
        finally:
            ended.set()
            thread.join()
        assert answered == 20, answered
    with start("--body-deadline", "2") as own:
        client, begun = own.connect(head), time.monotonic()
        client.settimeout(0.05)
        while True:
            assert time.monotonic() - begun < 8, "a trickling body is never cut"
            try:
                client.send(b" ")
                if client.recv(1 << 16).startswith(b"HTTP/1.1 408"):
                    break
            except TimeoutError:
                pass
        cut = time.monotonic() - begun
    return f"20 of 20 others answered in {seconds:.2f} s; a body that trickles is cut after {cut:.1f} s (deadline 2 s)"


@row("one address opens every connection")
def one_address(start):
    with start("--connections", "64", "--connections-per-address", "16") as own:
        crowd = [own.connect() for _ in range(16)]
        time.sleep(0.2)
        assert own.status("GET", "/healthz") == 503
        assert own.status("GET", "/healthz", source="127.0.0.2") == 200
        for client in crowd:
            client.close()
        time.sleep(0.2)
    return "503 to its 17th, 200 to another address"


@row("16 uploads of 63 MB at once, to routes that take pictures and to one that takes none")
def uploads(start):
    with start() as own:
        before, size = own.resident(), 63_000_000
        codes = []

        def upload(path):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            client = own.connect((head + f"Content-Length: {size}\r\n\r\n").encode())
            piece = bytes(1 << 20)
            try:
                for _ in range(size >> 20):
                    client.sendall(piece)
            except OSError:
                pass                            # the answer came before
            codes.append(client.recv(1 << 16).split(b" ")[1])
        paths = ["/v1/images/edits", "/v1/videos", "/v1/jobs", "/sdapi/v1/interrupt"]
        threads = [threading.Thread(target=upload, args=(paths[index % 4],)) for index in range(16)]
        most = before
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            most = max(most, own.resident())
            time.sleep(0.01)
        # Bodies of all connections together hold 256 MB at most; an array that grows may take twice its length.
        assert len(codes) == 16 and set(codes) <= {b"400", b"408", b"413", b"503"} and b"413" in codes, codes
        assert most - before < 640 << 20, most - before
    told = ", ".join(sorted({code.decode() for code in codes}))
    return f"{told}; the process grew by {(most - before) / 1e6:.0f} MB"


@row("pipes and devices in the folder of LoRA files")
def pipes(start):
    with tempfile.TemporaryDirectory() as folder:
        for index in range(8):
            os.mkfifo(f"{folder}/pipe{index}.safetensors")
        os.symlink("/dev/zero", f"{folder}/zero.safetensors")
        with start("--loras", folder) as own:
            assert json.loads(own.ask("GET", "/sdapi/v1/loras").body) == []
            begun = time.monotonic()
            for name in [f"pipe{index}" for index in range(8)] + ["zero"]:
                assert own.status("POST", "/v1/jobs", {**IMAGE, "loras": [{"name": name}]}) == 400, name
            seconds = time.monotonic() - begun
    return f"not listed; 400 nine times in {seconds:.2f} s"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        count = 0

        def start(*flags, keys=None):
            nonlocal count
            count += 1
            return Tried(arguments, f"{folder}/{count}", *flags, keys=keys)
        print("| try | measured |\n| --- | --- |")
        for words, function in ROWS:
            if arguments.only not in words:
                continue
            try:
                print(f"| {words} | {function(start)} |", flush=True)
            except AssertionError as failure:
                failed += 1
                print(f"| {words} | FAILED: {failure} |", flush=True)
    sys.exit(1 if failed else 0)


main()
