"""Does to a running server, and to its state folder between two starts, what machines and people do, and checks that
nothing is lost and everything is told.

    python3 Tests/Service/faults.py [--phasor .build/release/phasor] [--model Models/emoji-scenes] [--only WORD]

Standard library only. Rows that need root or Linux's `unshare` say so and are skipped without.
"""
import argparse, contextlib, fcntl, json, os, pathlib, re, resource, shutil, signal, socket, sqlite3, struct, subprocess, sys, tempfile
import threading, time, traceback, urllib.error, urllib.request

PICTURE = {"kind": "image", "prompt": "a large cat on a blue background", "seed": 1}
LONG = {"kind": "video", "prompt": "a large cat on an orange background", "generator": "teacher", "num_frames": 33,
        "num_inference_steps": 250}
ROWS = []


def row(words):
    def keep(function):
        ROWS.append((words, function))
        return function
    return keep


class Skip(Exception):
    pass


class Folder:
    """A state folder, and the servers that are started on it."""

    def __init__(self, arguments, path):
        self.arguments, self.path = arguments, pathlib.Path(path)
        self.state, self.servers = self.path / "state", []

    def serve(self, *flags, wait=True, **options):
        server = Server(self, flags, wait, **options)
        self.servers.append(server)
        return server

    def refused(self, *flags):
        """What a start says that ends by itself."""
        server = self.serve(*flags, wait=False)
        server.process.wait(20)
        assert server.process.returncode not in (0, -4, -6, -11), server.process.returncode
        return server.log

    def command(self, *words):
        run = subprocess.run([self.arguments.phasor, *map(str, words)], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def database(self):
        return contextlib.closing(sqlite3.connect(self.state / "jobs.sqlite", isolation_level=None))

    def pictures(self):
        return {p.name: p.read_bytes() for p in (self.state / "artifacts").iterdir() if p.suffix in (".png", ".mp4")}

    def end(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


class Server:
    def __init__(self, folder, flags, wait, stderr=None, before=None, env=None):
        self.folder, self.log_path = folder, folder.path / f"log-{len(folder.servers)}"
        a = folder.arguments
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [a.phasor, "serve", a.model, "--port", "0", "--state", folder.state, *map(str, flags)],
                stdout=subprocess.PIPE, stderr=log if stderr is None else stderr, text=True, preexec_fn=before,
                env={**os.environ, **(env or {})})
        if wait:
            self.listen()

    def listen(self):
        found = re.search(r"http://127.0.0.1:(\d+)", self.process.stdout.readline())
        assert found, f"it did not start: {self.log}"
        self.port = int(found[1])

    @property
    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def ask(self, method, path, body=None, timeout=60):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()

    def json(self, method, path, body=None, status=(200, 202), **options):
        code, answer = self.ask(method, path, body, **options)
        assert code in status, (method, path, code, answer[:300])
        return json.loads(answer)

    def submit(self, body):
        return self.json("POST", "/v1/jobs", body)["id"]

    def job(self, name):
        return self.json("GET", f"/v1/jobs/{name}")

    def wait(self, name, seconds=60):
        return until(lambda: (job := self.job(name))["state"] not in ("queued", "running") and job, seconds, f"{name} ends")

    def metric(self, name):
        text = self.ask("GET", "/metrics")[1].decode()
        return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(90)


def until(holds, seconds, words):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := holds():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {words}")


# The state folder

@row("a database that is missing, empty, damaged or older beside finished files")
def lost(folder):
    server = folder.serve()
    bodies = [PICTURE | {"seed": 2, "n": 2, "negative_prompt": "Größe \u4e2d"}, PICTURE,
              {"kind": "video", "prompt": "Negative prompt: a cat\nSteps: 4", "seed": 5, "num_frames": 9}]
    jobs = [server.wait(server.submit(body)) for body in bodies[:2]]
    server.kill(signal.SIGTERM)
    older = (folder.state / "jobs.sqlite").read_bytes()
    server = folder.serve()
    jobs.append(server.wait(server.submit(bodies[2])))
    server.kill(signal.SIGTERM)
    newest, made = (folder.state / "jobs.sqlite").read_bytes(), folder.pictures()
    assert len(made) == 4
    damaged = bytearray(newest)
    for at in range(4096, len(damaged), 4096):
        damaged[at:at + 2000] = b"\xa5" * 2000
    told = []
    for content in (None, b"", b"not a database" * 1000, bytes(damaged), newest[:6000], older):
        for file in folder.state.glob("jobs.sqlite*"):
            file.unlink()
        if content is not None:
            (folder.state / "jobs.sqlite").write_bytes(content)
        said = folder.refused()
        assert "phasor recover" in said, said
        assert folder.pictures() == made, "a file is gone"
        if content is not None:
            assert (folder.state / "jobs.sqlite").read_bytes() == content, "the refusal changed the database"
        folder.command("recover", folder.state)
        server = folder.serve()
        for old in jobs:
            new = server.job(old["id"])
            assert new["state"] == "succeeded", new
            for name, value in old["parameters"].items():
                if name == "fps" and old["kind"] == "image":
                    continue                            # a picture's file does not say what its request ignored
                assert new["parameters"].get(name) == value, (name, value, new["parameters"])
            assert [a["url"] for a in new["artifacts"]] == [a["url"] for a in old["artifacts"]]
            assert all(server.ask("GET", a["url"])[1] == made[a["url"].split("/")[-1]] for a in new["artifacts"])
        again = server.wait(server.submit({**bodies[2]}))
        assert server.ask("GET", again["artifacts"][0]["url"])[1] == server.ask("GET", jobs[2]["artifacts"][0]["url"])[1]
        server.json("DELETE", f"/v1/jobs/{again['id']}")
        server.kill(signal.SIGTERM)
        told.append(said.split(": ", 2)[-1][:40])
    return f"{len(told)} times refused and recovered, with all parameters"


@row("files of the first kind, without a record, and files of somebody else")
def strangers(folder):
    for name in ("artifacts/holiday.jpg", "prompts/notes.partial", "checkpoints/epoch10.ckpt"):
        (folder.state / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.state / name).write_text("mine")
        said = folder.refused()
        assert "not Phasor's" in said and name in said, said
        assert sorted(p.name for p in folder.state.iterdir()) == [name.split("/")[0]], "it left something there"
        shutil.rmtree(folder.state)
    server = folder.serve()
    server.kill(signal.SIGTERM)
    old = time.time() - 1e6
    mine = ["artifacts/holiday.jpg", "artifacts/image_1.png", "checkpoints/epoch10.ckpt", "prompts/notes.partial",
            "prompts/song.txt", "checkpoints/" + "0" * 32]
    strays = [f"artifacts/image_{'a' * 32}-0.png.partial", f"checkpoints/image_{'b' * 32}"]
    for name in mine + strays:
        (folder.state / name).write_text("mine")
        os.utime(folder.state / name, (old, old))
    young = folder.state / f"checkpoints/video_{'c' * 32}"
    young.write_text("young")
    server = folder.serve()
    server.wait(server.submit(PICTURE))
    assert all((folder.state / name).read_text() == "mine" for name in mine) and young.exists()
    assert not any((folder.state / name).exists() for name in strays)
    assert all(name.split("/")[1] in server.log for name in strays), "a removal is not in the log"
    return f"refused, or left alone; {len(strays)} strays of our own removed and logged, a young one kept"


@row("rows of other versions: 15 kinds")
def rows(folder):
    server = folder.serve()
    done = [server.wait(server.submit(PICTURE | {"seed": n}))["id"] for n in range(15)]
    server.kill(signal.SIGTERM)
    with folder.database() as db:
        edits = ["priority = 'urgent'", "state = 'paused'", "parameters = '{}'", "parameters = 'x'", "parameters = x'ff00'",
                 "created_at = 'noon'", "created_at = 1e300", "steps = 'many'", "steps = -1", "kind = 'model'",
                 "parameters = replace(parameters, '\"fps\":', '\"fps\":0.0,\"other\":')", "timings = '[]'", "failure = '7', state = 'failed'",
                 "finished_at = 'later'", "id = x'00'"]
        for name, edit in zip(done, edits):
            db.execute(f"update job set {edit} where id = ?", [name]) if "id =" not in edit else None
        db.execute("update artifact set bytes = 'big', content_type = 3 where job = ?", [done[0]])
        db.execute("update artifact set file = '../../secret' where job = ?", [done[1]])
    server = folder.serve("--queue", 8)
    page = server.json("GET", "/v1/jobs?limit=100")
    listed, unreadable = [j["id"] for j in page["data"]], page["unreadable"]
    assert sorted(listed + unreadable) == sorted(done) and len(unreadable) == 9, (listed, unreadable)
    for name in done:
        job = server.job(name)
        assert job["state"] in ("succeeded", "failed") and (job["state"] == "succeeded") == (job["error"] is None), job
        server.ask("GET", f"/v1/jobs/{name}/events")
        server.json("DELETE", f"/v1/jobs/{name}")
    assert server.ask("GET", "/readyz")[0] == 200 and server.json("GET", "/v1/jobs")["data"] == []
    return f"{len(unreadable)} left out of lists and named there; each shown, and deleted"


@row("a database of a newer version")
def newer(folder):
    server = folder.serve()
    server.wait(server.submit(PICTURE))
    server.kill(signal.SIGTERM)
    whole, made = (folder.state / "jobs.sqlite").read_bytes(), folder.pictures()
    for edit in ("insert into grdb_migrations values ('tenants')", "pragma user_version = 99"):
        with folder.database() as db:
            db.execute(edit)
        before = (folder.state / "jobs.sqlite").read_bytes()
        said = folder.refused()
        assert "newer" in said and len(said.strip().splitlines()) == 1, said
        run = subprocess.run([folder.arguments.phasor, "recover", folder.state], capture_output=True, text=True)
        assert run.returncode != 0 and "newer" in run.stderr, run
        assert (folder.state / "jobs.sqlite").read_bytes() == before and folder.pictures() == made
        (folder.state / "jobs.sqlite").write_bytes(whole)
    (folder.state / "phasor-state").write_text('{"format": 2, "about": ""}')
    assert "newer" in folder.refused()
    return "refused in one sentence, nothing changed; recover refuses too"


@row("DELETE erases prompt, picture and cached embedding")
def erased(folder):
    server = folder.serve()
    words = {"prompt": "a zebra-words-here", "negative_prompt": "no-okapi-words", "generator": "teacher"}
    ended = [server.wait(server.submit(PICTURE | words | {"n": 2}))["id"]]
    running = server.submit(LONG | words)
    until(lambda: server.job(running)["step"] > 3, 60, "it runs")
    for name in [running, *ended]:
        answer = server.json("DELETE", f"/v1/jobs/{name}")
        assert answer == {"id": name, "object": "job.deleted", "deleted": True}, answer
        assert server.ask("GET", f"/v1/jobs/{name}")[0] == 404 and server.ask("DELETE", f"/v1/jobs/{name}")[0] == 404
    left = [p for p in folder.state.rglob("*") if p.is_file() and any(
        w in p.read_bytes() for w in (b"zebra-words", b"okapi-words", ended[0].encode(), running.encode()))]
    assert not left, left
    server.wait(server.submit(PICTURE))
    return "no byte of them is left in the folder"


@row("modes under umask 022, also of a folder of an earlier version")
def modes(folder):
    before = lambda: os.umask(0o022)
    server = folder.serve(before=before)
    server.wait(server.submit(PICTURE))
    server.wait(server.submit(PICTURE | {"kind": "video", "num_frames": 5}))
    everything = lambda: [folder.state, *folder.state.rglob("*")]
    wide = [str(p) for p in everything() if p.stat().st_mode & 0o077]
    assert not wide, wide
    server.kill(signal.SIGTERM)
    for p in everything():
        p.chmod(0o755 if p.is_dir() else 0o644)
    server = folder.serve(before=before)
    wide = [p for p in everything() if p.stat().st_mode & 0o077 and p.is_dir() and p != folder.state]
    wide += [p for p in folder.state.glob("*sqlite*") if p.stat().st_mode & 0o077]
    wide += [p for p in (folder.state / "artifacts").iterdir() if p.stat().st_mode & 0o077]
    assert not wide, wide
    return "folders 0700, files 0600"


# Ends

@row("a job during which the process ends three times")
def deadly(folder):
    server = folder.serve()
    server.kill(signal.SIGTERM)
    server, harmless = folder.serve(), []
    name = server.submit(LONG)
    for _ in range(3):
        until(lambda: server.job(name)["state"] == "running", 30, "it runs")
        harmless.append(server.submit(PICTURE | {"seed": len(harmless), "priority": "batch"}))
        time.sleep(0.05)
        server.kill()
        shutil.rmtree(folder.state / "checkpoints")     # without them it gets no further
        server = folder.serve()
    job = server.wait(name)
    assert job["state"] == "failed" and job["error"]["code"] == "process_ended" and "3 times" in job["error"]["message"], job
    assert all(server.wait(other)["state"] == "succeeded" for other in harmless)
    return "failed at the start after the third; what waited beside it succeeded"


@row("orderly ends, and a job that gets further, are not counted")
def patient(folder):
    server = folder.serve()
    name = server.submit(LONG | {"num_inference_steps": 60})
    steps = []
    for number in range(8):
        until(lambda: server.job(name)["step"] > (steps[-1] if steps else 0) + 1, 60, "it gets further")
        steps.append(server.job(name)["step"])
        server.process.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
        if number % 2:
            time.sleep(0.05)
            server.process.send_signal(signal.SIGTERM)
        server.process.wait(90)
        server = folder.serve()
    assert server.wait(name)["state"] == "succeeded"
    return f"ended 8 times at steps {steps}; succeeded"


@row("a cancel that was answered, then a kill")
def cancelled(folder):
    server, names = folder.serve(), []
    for wait in (0, 0.02, 0.1, 0.3, 0.6):
        names.append(server.submit(LONG | {"num_inference_steps": 30}))
        time.sleep(wait)
        assert server.ask("POST", f"/v1/jobs/{names[-1]}/cancel", {})[0] == 200
        server.kill()
        server = folder.serve()
        assert server.job(names[-1])["state"] == "cancelled", server.job(names[-1])
    return "stays cancelled, 5 times"


@row("the folder is deleted, moved, or its database replaced under the running server")
def displaced(folder):
    for how in ("delete", "move", "replace", "log"):
        server = folder.serve()
        server.wait(server.submit(PICTURE))
        copy = folder.path / "copy"
        if how == "delete":
            shutil.rmtree(folder.state)
        elif how == "move":
            folder.state.rename(folder.path / "elsewhere")
        elif how == "replace":
            shutil.copy(folder.state / "jobs.sqlite", copy)
            copy.rename(folder.state / "jobs.sqlite")
        else:
            (folder.state / "jobs.sqlite-wal").unlink()
        code, answer = server.ask("POST", "/v1/jobs", PICTURE)
        assert code == 503 and b"state folder" in answer, (how, code, answer)
        assert server.ask("GET", "/readyz")[0] == 503 and server.ask("GET", "/healthz")[0] == 200
        if how == "move":
            (folder.path / "elsewhere").rename(folder.state)
            assert server.ask("GET", "/readyz")[0] == 200 and server.wait(server.submit(PICTURE))["state"] == "succeeded"
        server.kill()
        shutil.rmtree(folder.state, ignore_errors=True)
    return "503 and not ready; ready again when it was moved back"


@row("the clock is nine days ahead of the last start")
def ahead(folder):
    server = folder.serve()
    job = server.wait(server.submit(PICTURE))
    url = job["artifacts"][0]["url"]
    server.kill(signal.SIGTERM)
    # As seen from now, all of this was nine days ago, on another boot.
    with folder.database() as db:
        for column in ("created_at", "started_at", "finished_at"):
            db.execute(f"update job set {column} = {column} - 9 * 86400")
        db.execute("update clock set known = known - 9 * 86400, boot = 'another'")
    for file in (folder.state / "artifacts").iterdir():
        os.utime(file, (time.time() - 9 * 86400,) * 2)
    server = folder.serve()
    time.sleep(1)
    assert server.ask("GET", url)[0] == 200, server.ask("GET", url)
    assert "clock" in server.log
    server.kill(signal.SIGTERM)
    # Nine days of running are nine days.
    with folder.database() as db:
        db.execute("update clock set known = ?", [time.time()])
    server = folder.serve()
    until(lambda: server.ask("GET", url)[0] == 410, 10, "it expires")
    return "kept; removed when the time has been counted"


# Rights, disks, logs, descriptors

@row("artifacts that may not be read; a file that was replaced")
def rights(folder):
    server = folder.serve()
    url = server.wait(server.submit(PICTURE))["artifacts"][0]["url"]
    path = folder.state / "artifacts" / url.split("/")[-1]
    tag = lambda: urllib.request.urlopen(f"http://127.0.0.1:{server.port}{url}").headers["ETag"]
    first, status, content = tag(), path.stat(), path.read_bytes()
    assert tag() == first
    path.write_bytes(bytes(reversed(content)))          # in place: the same file, length and date
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tag() != first, "a replaced file keeps its ETag"
    path.unlink()
    os.symlink("/proc/self/mem/nothing", path)
    path.unlink()
    path.mkdir()
    assert server.ask("GET", url)[0] in (404, 410)
    path.rmdir()
    path.write_bytes(content)
    if os.getuid() == 0:
        server.kill(signal.SIGTERM)
        for p in [folder.path, folder.state, *folder.state.rglob("*")]:
            os.chown(p, 65534, 65534)
        folder.path.chmod(0o755)
        server = folder.serve(before=lambda: (os.setgroups([]), os.setgid(65534), os.setuid(65534)))
        os.chown(path, 0, 0)
    path.chmod(0)
    code, answer = server.ask("GET", url)
    assert code in (500, 503) and b"ermission denied" in answer, (code, answer)
    return f"{code} with the system's reason; another ETag"


@row("a full disk at the start")
def full(folder):
    if os.getuid() != 0:
        raise Skip("needs root to mount a small file system")
    folder.state.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder.state], capture_output=True, text=True)
    if made.returncode:
        raise Skip("no file system can be mounted here")
    try:
        filler = folder.state / "filler"
        with open(filler, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 12))
        server = folder.serve(wait=False)
        until(lambda: "disk is full" in server.log, 20, "it says so")
        time.sleep(2)
        assert server.process.poll() is None, "it has ended"
        filler.unlink()
        server.listen()
        assert server.wait(server.submit(PICTURE))["state"] == "succeeded"
        server.kill(signal.SIGTERM)
    finally:
        subprocess.run(["umount", "--lazy", folder.state], check=True)
    return "a sentence; serves when there is room"


@row("a log that cannot be written: full disk, closed pipe, full pipe, no descriptor")
def logs(folder):
    def busy(server):
        for _ in range(400):
            assert server.ask("GET", "/v1/models", timeout=5)[0] == 200
        assert server.wait(server.submit(PICTURE))["state"] == "succeeded"
    told = []
    for how in ("full disk", "closed pipe", "full pipe", "no descriptor"):
        read, write = os.pipe()
        before = None
        if how == "full disk":
            os.close(write)
            write = os.open("/dev/full", os.O_WRONLY)
        elif how == "full pipe":
            fcntl.fcntl(write, 1031, 4096)              # F_SETPIPE_SZ
        elif how == "no descriptor":
            before = lambda: os.close(2)
        server = folder.serve("--request-log", stderr=write, before=before)
        os.close(write)
        if how == "closed pipe":
            os.close(read)
        busy(server)
        if how == "full pipe":
            assert server.metric("phasor_log_lines_dropped_total") == 0   # they wait: there is room for a megabyte
            end = time.monotonic() + 60
            while server.metric("phasor_log_lines_dropped_total") == 0 and time.monotonic() < end:
                for _ in range(500):
                    server.ask("GET", "/healthz?" + "x" * 4000, timeout=5)
                    server.ask("GET", "/" + "x" * 6000, timeout=5)
        dropped = server.metric("phasor_log_lines_dropped_total")
        assert (dropped > 0) == (how != "no descriptor"), (how, dropped)
        start = time.monotonic()
        server.kill(signal.SIGTERM)
        assert server.process.returncode == 0 and time.monotonic() - start < 5
        told.append(f"{how} {dropped:.0f}")
        if how != "closed pipe":
            os.close(read)
    with folder.database() as db:
        assert db.execute("pragma quick_check").fetchone() == ("ok",)
    return "goes on; lines dropped: " + ", ".join(told)


@row("a soft limit of descriptors is raised; a hard one is kept away from, at 7 starts under load")
def descriptors(folder):
    server = folder.serve(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 4096)))
    assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[0] == 4096
    server.kill(signal.SIGTERM)
    seen = []
    body = json.dumps({"prompt": "a dog"}).encode()
    ask = (b"POST /v1/images/generations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
           b"Content-Length: %d\r\n\r\n" % len(body)) + body
    for limit in (1024, 256, 1024, 80, 1024, 256, 1024):
        server = folder.serve(before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))
        clients = []
        for number in range(limit + 200):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            with contextlib.suppress(OSError):
                client.sendall(ask if number % 5 == 0 else b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            clients.append(client)
        codes = {}
        for client in clients:
            with contextlib.suppress(OSError):
                code = client.recv(12)[9:12].decode()
                codes[code] = codes.get(code, 0) + 1
        used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
        assert server.process.poll() is None, f"ended with {server.process.poll()}: {server.log[-500:]}"
        assert codes.get("503", 0) > 0 and codes.get("200", 0) > limit / 8, codes
        assert "Too many open files" not in server.log, server.log[-500:]
        for client in clients:
            client.close()
        until(lambda: server.ask("GET", "/healthz", timeout=5)[0] == 200, 20, "it answers again")
        assert server.wait(server.submit(PICTURE))["state"] == "succeeded"
        seen.append(f"{used} of {limit}")
        server.kill()
    return "most in use: " + ", ".join(seen[:2])


@row("clients that wait when the time to drain runs out")
def waiting(folder):
    server, answers = folder.serve("--drain", 1), []

    def ask(seed):
        try:
            answers.append(server.ask("POST", "/v1/images/generations",
                                      {"prompt": "a dog", "seed": seed, "generator": "teacher", "num_inference_steps": 1000}))
        except Exception as error:
            answers.append((repr(error), b""))
    threads = [threading.Thread(target=ask, args=[seed]) for seed in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(server.json("GET", "/v1/jobs?limit=100")["data"]) == 20, 20, "all are accepted")
    server.kill(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [a[0] for a in answers] == [503] * 20, [a[0] for a in answers]
    assert all(json.loads(a[1])["error"]["code"] for a in answers)
    return "each gets a 503 that says why"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--only", default="", help="a word of the row")
    arguments = parser.parse_args()
    failures = 0
    print("| try | seen |\n| --- | --- |")
    for words, function in ROWS:
        if arguments.only not in words and arguments.only != function.__name__:
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
            folder = Folder(arguments, path)
            try:
                seen = function(folder)
            except Skip as reason:
                seen = f"skipped: {reason}"
            except Exception as error:
                failures += 1
                line = traceback.extract_tb(error.__traceback__)[-1].lineno
                seen = f"**{type(error).__name__}: {error}** (line {line})"
            finally:
                folder.end()
        print(f"| {words} | {seen} |", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
