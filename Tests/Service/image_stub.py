"""A stand-in for an image server that speaks OpenAI's API, to measure with `phasor bench --against` and in tests.

    python3 Tests/Service/image_stub.py [--port 0] [--seconds 0.05] [--fail-every 0]

Every answer takes `--seconds` and comes from one worker at a time, as from a server that computes; each `--fail-every`-th
is a 500. It prints its address. Standard library only.
"""
import argparse, base64, json, struct, threading, time, zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def png(side):
    """A grey PNG."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + b"\x80" * 3 * side) * side
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    worker = threading.Lock()
    count = 0
    seconds, fail_every = 0.05, 0

    def do_GET(self):
        self.answer(200, {"object": "list", "data": [{"id": "stub", "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with Handler.worker:
            Handler.count += 1
            number = Handler.count
            time.sleep(self.seconds)
        if self.path != "/v1/images/generations" or not body.get("prompt"):
            self.answer(400, {"error": {"message": "send a prompt", "type": "invalid_request_error"}})
        elif self.fail_every and number % self.fail_every == 0:
            self.answer(500, {"error": {"message": "the stub was told to fail", "type": "server_error"}})
        else:
            self.answer(200, {"created": 0, "data": [{"b64_json": base64.b64encode(png(64)).decode()}]})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.05)
    parser.add_argument("--fail-every", type=int, default=0)
    arguments = parser.parse_args()
    Handler.seconds, Handler.fail_every = arguments.seconds, arguments.fail_every
    server = Server(("127.0.0.1", arguments.port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
