"""Tries on a running server what a socket server must survive, and prints a table of what was measured.

    python3 Tests/Service/survival.py [--phasor .build/release/phasor] [--model Models/emoji-scenes]

Each row speaks to the socket byte by byte, and afterwards /healthz must answer. Deadlines are set short by flags, so that
it takes a minute. Standard library only.
"""
import argparse, http.client, io, json, os, pathlib, random, resource, signal, socket, statistics, sys, tempfile, threading, time

from kill import Server

DEADLINES = {"--header-deadline": 2, "--body-progress": 2, "--idle": 3, "--write-stall": 2, "--connections": 700}
LONG = {"kind": "video", "prompt": "a large cat on an orange background", "generator": "teacher", "num_frames": 33,
        "num_inference_steps": 60}
ROWS = []


def row(words):
    def keep(function):
        ROWS.append((words, function))
        return function
    return keep


class Answers(io.BufferedReader):
    """What a connection sends back; it outlives the answers that are read from it, which close it."""

    def close(self):
        pass


class Client:
    """A connection that sends bytes as they are."""

    def __init__(self, server, data=b""):
        host, port = server.url.removeprefix("http://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = Answers(socket.SocketIO(self.socket, "r"))
        self.send(data)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass                                # an answer may come before the whole request was sent

    def makefile(self, _):
        return self.answers

    def answer(self, method="GET"):
        answer = http.client.HTTPResponse(self, method=method)
        answer.begin()
        answer.body = answer.read()
        return answer

    def seconds_until_closed(self):
        start = time.monotonic()
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return time.monotonic() - start


def get(path, *lines, method="GET"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def status(server, data, method="GET"):
    return Client(server, data).answer(method).status


def processor_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def is_gone(server, identifier):
    start = time.monotonic()
    while server.job(identifier)["state"] in ("queued", "running"):
        assert time.monotonic() - start < 20, "the job was not cancelled"
        time.sleep(0.005)
    assert server.job(identifier)["state"] == "cancelled", server.job(identifier)
    return time.monotonic() - start


def begin(server):
    """A long job that computes."""
    identifier = server.submit(LONG)
    while server.job(identifier)["step"] == 0:
        time.sleep(0.01)
    return identifier


@row("1,000 sequential keep-alive GETs")
def keep_alive(server):
    client, request = Client(server), get("/healthz")
    start = time.monotonic()
    for _ in range(1000):
        client.send(request)
        assert client.answer().status == 200
    return f"{time.monotonic() - start:.2f} s, this client's own work included"


@row("header line of 128 KiB; 100,000 fields")
def large_headers(server):
    before = processor_seconds(server)
    codes = [status(server, get("/healthz", "X: " + "a" * (128 << 10))),
             status(server, get("/healthz", *[f"X-{i}: 1" for i in range(100_000)]))]
    for _ in range(20):                         # clients that do not wait for the answer
        Client(server, get("/healthz", "X: " + "a" * (128 << 10))).socket.close()
    time.sleep(0.2)
    spent = processor_seconds(server) - before
    assert codes == [431, 431] and spent < 0.5, (codes, spent)
    return f"431, 431; with 20 more that left, {spent * 1000:.0f} ms of processor time"


@row("request line over 8 KiB")
def long_line(server):
    assert (code := status(server, get("/" + "a" * 9000))) == 414
    return code


@row("half-sent header; one byte a second")
def slow_headers(server):
    half = Client(server, b"GET /healthz HTTP/1.1\r\nHo")
    slow, start = Client(server), time.monotonic()
    for byte in b"GET /healthz HTTP/1.1\r\n":
        if time.monotonic() - start > 4:
            break
        slow.send(bytes([byte]))
        time.sleep(0.5)
    assert half.seconds_until_closed() < 6 and slow.seconds_until_closed() < 6
    return f"closed at the deadline of {DEADLINES['--header-deadline']} s"


@row("stalled body")
def stalled_body(server):
    client = Client(server, get("/v1/jobs", "Content-Type: application/json", "Content-Length: 100", method="POST") + b"{")
    start = time.monotonic()
    code = client.answer().status
    assert code == 408, code
    client.seconds_until_closed()
    return f"408 after {time.monotonic() - start:.1f} s, closed"


@row("body over the limit: with a length, chunked")
def large_body(server):
    head = get("/v1/jobs", "Content-Type: application/json", "Content-Length: 999999999", method="POST")
    start = time.monotonic()
    codes = [status(server, head)]
    seconds = time.monotonic() - start
    client = Client(server, get("/v1/jobs", "Content-Type: application/json", "Transfer-Encoding: chunked", method="POST"))
    threading.Thread(target=client.send, args=((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 40,), daemon=True).start()
    codes.append(client.answer().status)
    assert codes == [413, 413], codes
    return f"413 before a byte of it was sent ({seconds * 1000:.0f} ms), 413"


@row("unread body that looks like a request")
def smuggled(server):
    inner = get("/v1/models")
    client = Client(server, get("/nowhere", f"Content-Length: {len(inner)}", method="POST") + inner)
    assert client.answer().status in (404, 405)
    try:
        second = client.answer().status
    except (http.client.HTTPException, OSError):
        second = None
    assert second is None, f"a second answer: {second}"
    return "one answer, none to what the body holds"


@row("ambiguous framing, 10 kinds")
def ambiguous(server):
    post = lambda *lines: get("/v1/jobs", "Content-Type: application/json", *lines, method="POST") + b"{}"
    tries = {
        "two lengths": (post("Content-Length: 2", "Content-Length: 3"), 400),
        "+5": (post("Content-Length: +2"), 400),
        "length and chunks": (post("Content-Length: 2", "Transfer-Encoding: chunked"), 400),
        "unknown coding": (post("Transfer-Encoding: gzip"), 501),
        "bare LF": (b"GET /healthz HTTP/1.1\nHost: x\n\n", 400),
        "folded field": (get("/healthz", "X: a", " b"), 400),
        "NUL": (get("/healthz", "X: a\0b"), 400),
        "space before colon": (get("/healthz", "X : a"), 400),
        "no Host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        "HTTP/3.0": (b"GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n", 505)}
    found = {name: status(server, data) for name, (data, _) in tries.items()}
    assert all(found[name] == wanted for name, (_, wanted) in tries.items()), found
    return ", ".join(f"{name} {code}" for name, code in found.items())


@row("paths out of the folder, 6 kinds")
def traversal(server):
    paths = ["/../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/a%00b", "/.git/config"]
    answers = [Client(server, get(path)).answer() for path in paths]
    assert all(answer.status in (400, 404) and b"root:" not in answer.body for answer in answers)
    return ", ".join(str(answer.status) for answer in answers)


@row("500 idle connections; more than the maximum")
def idle(server):
    clients = [Client(server) for _ in range(500)]
    time.sleep(0.5)
    before = processor_seconds(server)
    time.sleep(2)
    spent = processor_seconds(server) - before
    assert spent < 0.2, spent
    more = [Client(server) for _ in range(260)]
    last = Client(server, get("/healthz"))
    code = last.answer().status
    assert code == 503, code
    for client in clients:
        client.seconds_until_closed()
    for client in clients + more:
        client.socket.close()
    return (f"{spent * 1000:.0f} ms of processor time in 2 s; {code} beyond {DEADLINES['--connections']}; "
            f"all closed at the idle deadline ({DEADLINES['--idle']} s)")


@row("client leaves while its picture is computed: FIN, RST, in the middle of events")
def leaves(server):
    took = []
    for how in ("FIN", "RST"):
        body = json.dumps({"prompt": "a cat", "generator": "teacher", "num_inference_steps": 200}).encode()
        client = Client(server, get("/v1/images/generations", "Content-Type: application/json",
                                    f"Content-Length: {len(body)}", method="POST") + body)
        while not (running := [j["id"] for j in json.loads(server.call("GET", "/v1/jobs"))["data"] if j["state"] == "running" and j["step"]]):
            time.sleep(0.01)
        if how == "RST":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()
        took.append(is_gone(server, running[0]))
    identifier = begin(server)
    events = Client(server, get(f"/v1/jobs/{identifier}/events"))
    events.socket.recv(100)
    events.socket.close()
    time.sleep(0.3)
    assert server.job(identifier)["state"] == "running", "who only watches a job does not end it"
    server.call("POST", f"/v1/jobs/{identifier}/cancel", {})
    took.append(is_gone(server, identifier))
    return f"cancelled after {took[0] * 1000:.0f} and {took[1] * 1000:.0f} ms; who only watched leaves the job running; POST cancel {took[2] * 1000:.0f} ms"


@row("client does not read its answers")
def does_not_read(server):
    client = Client(server)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(8)
    start, others = time.monotonic(), []
    other = threading.Thread(target=lambda: others.append(status(server, get("/healthz"))))
    threading.Timer(0.5, other.start).start()
    try:
        while time.monotonic() - start < 8:
            client.socket.sendall(get("/openapi.json") * 50)
        raise AssertionError("it was not cut")
    except (BrokenPipeError, ConnectionResetError):
        seconds = time.monotonic() - start
    assert others == [200], others
    return f"cut after {seconds:.1f} s (deadline {DEADLINES['--write-stall']} s); others are answered meanwhile"


@row("HEAD, OPTIONS, wrong method, unknown path")
def methods(server):
    head = Client(server, get("/v1/models", method="HEAD")).answer("HEAD")
    whole = Client(server, get("/v1/models")).answer()
    assert head.status == 200 and head.body == b"" and head.headers["Content-Length"] == whole.headers["Content-Length"]
    options = status(server, get("/v1/models", method="OPTIONS"), "OPTIONS")
    wrong = Client(server, get("/v1/models", method="PUT")).answer()
    assert wrong.status == 405 and "GET" in wrong.headers["Allow"] and status(server, get("/nowhere")) == 404
    return f"as GET without body, {options}, 405 with Allow: {wrong.headers['Allow']}, 404"


@row("Expect: 100-continue")
def expect(server):
    body = b'{"kind": "image", "prompt": ""}'
    client = Client(server, get("/v1/jobs", "Content-Type: application/json", f"Content-Length: {len(body)}", "Expect: 100-continue", method="POST"))
    interim = client.socket.recv(100)
    assert interim.startswith(b"HTTP/1.1 100"), interim
    client.send(body)
    code = client.answer().status
    assert code == 400, code
    return "100, then the answer"


@row("Range on an MP4: prefix, open, suffix, past the end")
def ranges(server):
    job = server.wait(server.submit({"kind": "video", "prompt": "a large cat", "seed": 1, "num_frames": 5}))
    path = job["artifacts"][0]["url"]
    whole = server.call("GET", path)
    size = len(whole)
    wanted = {"bytes=0-99": whole[:100], f"bytes={size - 50}-": whole[-50:], "bytes=-10": whole[-10:]}
    for header, part in wanted.items():
        answer = Client(server, get(path, f"Range: {header}")).answer()
        assert answer.status == 206 and answer.body == part, (header, answer.status)
    assert status(server, get(path, f"Range: bytes={size}-")) == 416
    return f"206 with the right bytes of {size}, three times; 416"


@row("pipelined requests")
def pipelined(server):
    paths = ["/healthz", "/nowhere", "/v1/models", "/healthz"]
    client = Client(server, b"".join(get(path) for path in paths))
    codes = [client.answer().status for _ in paths]
    assert codes == [200, 404, 200, 200], codes
    return ", ".join(map(str, codes))


@row("2,000 connections of random and mutated bytes")
def fuzz(server):
    randomness, good = random.Random(1), get("/v1/jobs", "Content-Type: application/json", "Content-Length: 2", method="POST") + b"{}"
    for _ in range(2000):
        data = bytearray(good if randomness.random() < 0.7 else randomness.randbytes(randomness.randrange(400)))
        for _ in range(randomness.randrange(6)):
            if data:
                data[randomness.randrange(len(data))] = randomness.randrange(256)
        client = Client(server, bytes(data))
        client.socket.close()
    return "no crash, no hang"


@row("/healthz while four generations wait and compute")
def health(server):
    jobs = [server.submit(LONG | {"seed": seed, "num_inference_steps": 250}) for seed in range(4)]
    client, times = Client(server), []
    for _ in range(500):
        start = time.monotonic()
        client.send(get("/healthz"))
        assert client.answer().status == 200
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.005)
    for job in jobs:
        server.call("POST", f"/v1/jobs/{job}/cancel", {})
        is_gone(server, job)
    times.sort()
    assert times[494] < 50, times[494]
    return f"p50 {statistics.median(times):.1f} ms, p99 {times[494]:.1f} ms"


@row("descriptor limit reached")
def descriptors(server):
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 20, hard))
    clients, spent = [Client(server) for _ in range(60)], processor_seconds(server)
    time.sleep(1)
    spent = processor_seconds(server) - spent
    for client in clients:
        client.socket.close()
    time.sleep(1)
    assert status(server, get("/healthz")) == 200 and spent < 0.5, spent
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    return f"{spent * 1000:.0f} ms of processor time in 1 s with 60 clients on 20 descriptors; answers again when they leave"


@row("SIGTERM while computing, then a second one")
def terminated(server):
    identifier = begin(server)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.process.poll() is None, "it did not finish what it computes"
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(10)
    return f"goes on computing; the second signal ends it in {(time.monotonic() - start) * 1000:.0f} ms"


@row("SIGTERM while idle (the job of before goes on after the restart)")
def idle_end(server):
    jobs = [job for job in json.loads(server.call("GET", "/v1/jobs"))["data"] if job["state"] in ("queued", "running")]
    assert len(jobs) == 1, jobs
    server.call("POST", f"/v1/jobs/{jobs[0]['id']}/cancel", {})
    is_gone(server, jobs[0]["id"])
    start = time.monotonic()
    server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    return f"the job was there; exit code 0 after {(time.monotonic() - start) * 1000:.0f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    arguments = parser.parse_args()
    flags = [str(part) for pair in DEADLINES.items() for part in pair]
    failures = 0
    print("| try | measured |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as state:
        server = Server(arguments, state, flags)
        for words, function in ROWS:
            if server.process.poll() is not None:
                server = Server(arguments, state, flags)
            try:
                measured = function(server)
                if server.process.poll() is None:
                    assert status(server, get("/healthz")) == 200
            except Exception as error:
                failures += 1
                measured = f"**{type(error).__name__}: {error}**"
            print(f"| {words} | {measured} |", flush=True)
        if server.process.poll() is None:
            server.end(signal.SIGTERM)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
