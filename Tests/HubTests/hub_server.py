#!/usr/bin/env python3
"""The documented routes of the Hugging Face hub over a folder, with faults: python3 hub_server.py ROOT

ROOT/OWNER/NAME/... are repositories of one commit. Prints the address when it listens. Large files come from a second server on
another port, as the hub's do from other hosts; that one refuses whoever brings a token. A repository whose name begins with
`gated` wants the token `good`. ROOT/OWNER/NAME.tree.json replaces its list of files by what stands in it.

POST /faults takes a list of {"path": part of a path, "times": n, and one of "status", "cut", "flip", "stall", "short", "long",
"whole", "move"}; GET /log tells the requests since the last time, with their hosts, ranges and tokens.
Standard library only.
"""
import hashlib, http.server, json, os, sys, threading, time, urllib.parse

LARGE = (".safetensors", ".gguf", ".pth", ".bin")
PAGE = 3  # entries of a page of a list
lock = threading.Lock()
faults, log = [], []


class Quiet(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that leave are what is tried here


def digests(path, content):
    large = path.endswith(LARGE)
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return large, hashlib.sha256(content).hexdigest() if large else blob, blob


class Repository:
    def __init__(self, root, owner, name):
        self.id, self.folder, self.files = f"{owner}/{name}", os.path.join(root, owner, name), {}
        for folder, _, names in os.walk(self.folder):
            for file in names:
                full = os.path.join(folder, file)
                with open(full, "rb") as f:
                    self.files[os.path.relpath(full, self.folder)] = f.read()
        self.commit = hashlib.sha1(repr(sorted((p, hashlib.sha1(c).digest()) for p, c in self.files.items())).encode()).hexdigest()
        self.override = self.folder + ".tree.json"

    def tree(self):
        if os.path.exists(self.override):
            with open(self.override) as f:
                return json.load(f)
        entries = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": d}
                   for d in sorted({os.path.dirname(p) for p in self.files} - {""})]
        for path, content in sorted(self.files.items()):
            large, digest, blob = digests(path, content)
            entry = {"type": "file", "oid": blob, "size": len(content), "path": path}
            if large:
                entry["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
            entries.append(entry)
        return entries


class Base(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        with lock:
            log.append({"host": self.host, "method": self.command, "path": self.path, "range": self.headers.get("Range"),
                        "authorization": self.headers.get("Authorization")})

    def fault(self):
        with lock:
            for fault in faults:
                if fault["path"] in self.path and fault.get("host", self.host) == self.host and fault["times"] > 0:
                    fault["times"] -= 1
                    return fault
        return {}

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code, message, headers=()):
        self.answer(status, json.dumps({"error": message}).encode(),
                    [("X-Error-Code", code), ("X-Error-Message", message), *headers])

    def content(self, content, fault, headers=()):
        """A file's bytes, or the range that is asked for, less what the fault does to them."""
        start, status = 0, 200
        if self.headers.get("Range") and "whole" not in fault:
            start = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
            if start >= len(content):
                return self.answer(416, b"", [("Content-Range", f"bytes */{len(content)}")])
            status = 206
        if "flip" in fault:
            content = content[:fault["flip"]] + bytes([content[fault["flip"]] ^ 1]) + content[fault["flip"] + 1:]
        body = content[start:]
        if "short" in fault:
            body = body[:fault["short"]]
        if "long" in fault:
            body += b"x" * fault["long"]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if "cut" in fault or "stall" in fault:
            self.wfile.write(body[:fault.get("cut", fault.get("stall"))])
            self.wfile.flush()
            if "stall" in fault:
                time.sleep(20)
            self.close_connection = True
            self.connection.shutdown(2)
        else:
            self.wfile.write(body)


class Store(Base):
    """Where large files lie: addresses are signed, and nobody brings a token."""
    host = "store"

    def do_GET(self):
        self.note()
        fault = self.fault()
        url = urllib.parse.urlsplit(self.path)
        if self.headers.get("Authorization"):
            return self.refuse(400, "Token", "a token was sent to another host")
        if urllib.parse.parse_qs(url.query).get("signature") != ["valid"]:
            return self.refuse(403, "Signature", "the address is not signed")
        if "status" in fault:
            return self.refuse(fault["status"], "Fault", "asked for", [("Retry-After", "0")])
        owner, name, path = urllib.parse.unquote(url.path).lstrip("/").split("/", 2)
        self.content(self.server.repositories(owner, name).files[path], fault)

    do_HEAD = do_GET


class Hub(Base):
    host = "hub"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            faults[:] = json.loads(body)
        self.answer(200, b"{}")

    def do_GET(self):
        if self.path == "/log":
            with lock:
                told, log[:] = json.dumps(log).encode(), []
            return self.answer(200, told)
        self.note()
        fault = self.fault()
        if "status" in fault:
            return self.refuse(fault["status"], "Fault", fault.get("message", "asked for"), [("Retry-After", fault.get("after", "0"))])
        if "move" in fault:
            return self.answer(302, b"", [("Location", fault["move"])])
        url = urllib.parse.urlsplit(self.path)
        parts = urllib.parse.unquote(url.path).strip("/").split("/")
        isAPI = parts[:2] == ["api", "models"]
        isStored = parts[:3] == ["api", "resolve-cache", "models"]
        parts = parts[3:] if isStored else parts[2:] if isAPI else parts
        if len(parts) < 3 or not os.path.isdir(os.path.join(self.server.root, *parts[:2])):
            return self.refuse(401, "RepoNotFound", "Repository not found") if not self.headers.get("Authorization") \
                else self.refuse(404, "RepoNotFound", "Repository not found")
        if parts[1].startswith("gated") and self.headers.get("Authorization") != "Bearer good":
            status = 403 if self.headers.get("Authorization") else 401
            return self.refuse(status, "GatedRepo", f"Access to model {parts[0]}/{parts[1]} is restricted")
        repository = self.server.repositories(*parts[:2])
        if isAPI and parts[2] == "revision":
            return self.info(repository, parts[3])
        if isAPI and parts[2] == "tree":
            return self.tree(repository, url)
        path = "/".join(parts[3:] if isStored else parts[4:])
        revision = parts[2] if isStored else parts[3]
        if revision not in ("main", repository.commit):
            return self.refuse(404, "RevisionNotFound", "Invalid rev id")
        if path not in repository.files:
            return self.refuse(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", repository.commit)])
        content = repository.files[path]
        large, digest, _ = digests(path, content)
        headers = [("X-Repo-Commit", repository.commit), ("ETag", f'"{digest}"')]
        if isStored:
            return self.content(content, fault, headers)
        if not large:
            stored = f"/api/resolve-cache/models/{repository.id}/{repository.commit}/{urllib.parse.quote(path)}"
            return self.answer(307, b"elsewhere", [("Location", stored), *headers])
        self.answer(302, b"elsewhere", [
            ("Location", f"{self.server.store}/{repository.id}/{urllib.parse.quote(path)}?signature=valid"),
            ("X-Linked-Size", str(len(content))), ("X-Linked-Etag", f'"{digest}"'), *headers])

    do_HEAD = do_GET

    def info(self, repository, revision):
        if revision not in ("main", repository.commit):
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        self.answer(200, json.dumps({
            "id": repository.id, "modelId": repository.id, "sha": repository.commit, "private": False, "gated": False,
            "siblings": [{"rfilename": path} for path in sorted(repository.files)]}).encode())

    def tree(self, repository, url):
        entries = repository.tree()
        start = int(urllib.parse.parse_qs(url.query).get("cursor", ["0"])[0])
        if not isinstance(entries, list):
            return self.answer(200, json.dumps(entries).encode())
        page, headers = entries[start:start + PAGE], []
        if start + PAGE < len(entries):
            headers = [("Link", f'<{self.server.address}{url.path}?recursive=true&cursor={start + PAGE}>; rel="next"')]
        self.answer(200, json.dumps(page).encode(), headers)


def main():
    root = sys.argv[1]
    servers = [Quiet(("127.0.0.1", 0), handler) for handler in (Store, Hub)]
    known = {}

    def repositories(owner, name):
        with lock:
            if (owner, name) not in known:
                known[owner, name] = Repository(root, owner, name)
            return known[owner, name]

    addresses = [f"http://127.0.0.1:{server.server_address[1]}" for server in servers]
    for server, address in zip(servers, addresses):
        server.root, server.repositories, server.address, server.store = root, repositories, address, addresses[0]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(addresses[1], flush=True)
    sys.stdin.read()  # whoever started it has left


if __name__ == "__main__":
    main()
