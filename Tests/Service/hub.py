#!/usr/bin/env python3
"""Tries `phasor pull` and `phasor serve REPO` against a local server of the hub's routes, with what networks and disks do to
them, and beside `huggingface_hub`, which shares the cache.

    pip install huggingface_hub; python3 Tests/Service/hub.py [--phasor .build/release/phasor]

The full disk is a tmpfs of a few megabytes in a mount namespace of its own (Linux's `unshare`). Without `huggingface_hub` the
two trials with it are skipped.
"""
import argparse, contextlib, hashlib, json, os, shutil, signal, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "Tests/Fixtures/wan22-tiny"


class Hub:
    """A server with three repositories, and a home for each trial."""

    def __init__(self, phasor, folder):
        self.phasor, self.folder, self.count = phasor, Path(folder), 0
        tiny = self.folder / "hub/acme/wan-tiny"
        for part in ("transformer", "transformer_2", "vae", "text_encoder", "tokenizer", "scheduler"):
            shutil.copytree(FIXTURE / part, tiny / part)
        shutil.copy(FIXTURE / "model_index.json", tiny)
        (tiny / "all-in-one.safetensors").write_bytes(os.urandom(1000))
        weights = self.folder / "hub/acme/weights"
        weights.mkdir(parents=True)
        (weights / "big.gguf").write_bytes(os.urandom(3_000_000))
        (weights / "small.gguf").write_bytes(os.urandom(1000))
        self.server = subprocess.Popen([sys.executable, str(ROOT / "Tests/HubTests/hub_server.py"), str(self.folder / "hub")],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.server.stdout.readline().strip()

    def close(self):
        self.server.stdin.close()
        self.server.wait()

    def home(self):
        self.count += 1
        return self.folder / f"home-{self.count}"

    def environment(self, home, more):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "PHASOR_", "XDG_"))}
        return {**environment, "HF_ENDPOINT": self.url, "HF_HOME": str(home), "HOME": str(self.folder), **more}

    def run(self, home, *arguments, **more):
        return subprocess.run([self.phasor, *map(str, arguments)], env=self.environment(home, more), capture_output=True, text=True)

    def faults(self, *faults):
        urllib.request.urlopen(urllib.request.Request(self.url + "/faults", json.dumps(faults).encode(), method="POST")).read()

    def log(self):
        return json.load(urllib.request.urlopen(self.url + "/log"))

    def python(self, home, code, **more):
        ran = subprocess.run([sys.executable, "-c", "import huggingface_hub as hub\n" + code], env=self.environment(home, more),
                             capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.split()


def files(folder):
    """Digests by path."""
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def need(condition, *words):
    if not condition:
        raise AssertionError(" ".join(map(str, words)))


def a_pulled_model_generates(hub):
    home = hub.home()
    ran = hub.run(home, "pull", "acme/wan-tiny")
    need(ran.returncode == 0, ran.stderr)
    there = files(ran.stdout.strip())
    need(there.keys() == files(hub.folder / "hub/acme/wan-tiny").keys() - {"all-in-one.safetensors"}, there)
    for name, model in (("pulled", "acme/wan-tiny"), ("folder", FIXTURE)):
        ran = hub.run(home, "generate", "a red fox", "--model", model, "--size", "64x64", "--steps", "2", "--seed", "3",
                      "-o", hub.folder / f"{name}.png", HF_HUB_OFFLINE="1")
        need(ran.returncode == 0, ran.stderr)
    need((hub.folder / "pulled.png").stat().st_size > 0, "no picture")
    need(hub.run(home, "inspect", "--missing", "acme/wan-tiny").stdout == "nothing is missing\n", "something is missing")


def a_repository_is_served(hub):
    """Brought at the first start; at the second nobody is asked."""
    home = hub.home()
    for offline in ("0", "1"):
        server = subprocess.Popen(
            [hub.phasor, "serve", "acme/wan-tiny", "--port", "0", "--state", str(hub.folder / "state")],
            env=hub.environment(home, {"HF_HUB_OFFLINE": offline}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            lines, end = [], time.monotonic() + 60
            while not any("http://" in line and "listen" in line.lower() or "http://127.0.0.1" in line and hub.url not in line for line in lines):
                need(time.monotonic() < end and server.poll() is None, "".join(lines))
                lines.append(server.stdout.readline())
            address = next(word for line in lines if hub.url not in line for word in line.split() if word.startswith("http://127.0.0.1"))
            models = json.load(urllib.request.urlopen(address.rstrip("/.,") + "/v1/models"))["data"]
            need(models[0]["id"] == "wan-tiny", models)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def a_killed_pull_goes_on(hub):
    home = hub.home()
    hub.faults({"path": "big.gguf", "host": "store", "times": 1, "stall": 1_000_000})
    process = subprocess.Popen([hub.phasor, "pull", "acme/weights/big.gguf"], env=hub.environment(home, {}), stderr=subprocess.DEVNULL)
    partial, end = [], time.monotonic() + 30
    while not (partial and partial[0].stat().st_size >= 900_000):
        need(time.monotonic() < end, "nothing came")
        partial = list(home.rglob("*.incomplete"))
        time.sleep(0.05)
    process.kill()
    process.wait()
    left = partial[0].stat().st_size
    hub.log()
    ran = hub.run(home, "pull", "acme/weights/big.gguf")
    need(ran.returncode == 0, ran.stderr)
    need([r["range"] for r in hub.log() if r["host"] == "store"] == [f"bytes={left}-"], "it began anew")
    need(Path(ran.stdout.strip()).read_bytes() == (hub.folder / "hub/acme/weights/big.gguf").read_bytes(), "other bytes")


def two_pulls_at_once(hub):
    home = hub.home()
    hub.log()
    processes = [subprocess.Popen([hub.phasor, "pull", "acme/weights/big.gguf"], env=hub.environment(home, {}),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(4)]
    need([p.wait(60) for p in processes] == [0] * 4, *[p.stderr.read() for p in processes])
    need(len([r for r in hub.log() if r["host"] == "store"]) == 1, "the file came more than once")


def a_full_disk(hub):
    """First too small a disk, which is told before anything is asked for; then one that fills up on the way."""
    script = """
set -e
mount -t tmpfs -o size=18m tmpfs "$HF_HOME"
"$PHASOR" pull acme/weights/big.gguf && exit 9
test ! -e "$HF_HOME/hub/models--acme--weights/blobs" || test -z "$(ls "$HF_HOME/hub/models--acme--weights/blobs")"
mount -t tmpfs -o size=24m,remount tmpfs "$HF_HOME"
(while ! ls "$HF_HOME"/hub/models--acme--weights/blobs/*.incomplete >/dev/null 2>&1; do sleep 0.02; done
 dd if=/dev/zero of="$HF_HOME/filler" bs=64k 2>/dev/null || true) &
"$PHASOR" pull acme/weights/big.gguf && exit 8
wait
echo filled >&2
rm "$HF_HOME/filler"
"$PHASOR" pull acme/weights/big.gguf
cmp "$(find "$HF_HOME/hub/models--acme--weights/snapshots" -name big.gguf)" "$BIG"
"""
    home = hub.home()
    home.mkdir()
    # The first pull of the small disk asks for the list alone; the second one's file comes slowly enough to be overtaken.
    hub.faults({"path": "big.gguf", "host": "store", "times": 1, "cut": 500_000}, {"path": "big.gguf", "host": "store", "times": 1, "status": 503})
    ran = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True,
                         env=hub.environment(home, {"PHASOR": hub.phasor, "BIG": str(hub.folder / "hub/acme/weights/big.gguf")}))
    need(ran.returncode == 0, ran.returncode, ran.stdout, ran.stderr)
    need("are needed" in ran.stderr and "No space left" in ran.stderr, ran.stderr)


def the_library_reads_what_was_pulled(hub):
    home = hub.home()
    ran = hub.run(home, "pull", "acme/wan-tiny")
    need(ran.returncode == 0, ran.stderr)
    need(hub.python(home, "print(hub.snapshot_download('acme/wan-tiny', local_files_only=True))") == [ran.stdout.strip()], "another folder")
    hub.log()
    hub.python(home, "hub.snapshot_download('acme/wan-tiny', allow_patterns=['*/*', 'model_index.json'])")
    need(not [r for r in hub.log() if "resolve" in r["path"] or r["host"] == "store"], "files were brought again")
    need(hub.python(home, "r = next(iter(hub.scan_cache_dir().repos)); print(r.repo_id, len(hub.scan_cache_dir().warnings))") == ["acme/wan-tiny", "0"],
         "the cache looks damaged")


def what_the_library_brought_is_read(hub):
    home = hub.home()
    folder = hub.python(home, "print(hub.snapshot_download('acme/wan-tiny'))")
    need(hub.run(home, "inspect", "acme/wan-tiny", HF_HUB_OFFLINE="1").returncode == 0, "it does not open")
    hub.log()
    ran = hub.run(home, "pull", "acme/wan-tiny")
    need(ran.stdout.split() == folder, ran.stdout, ran.stderr)
    need(not [r for r in hub.log() if "resolve" in r["path"] or r["host"] == "store"], "files were brought again")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    try:
        import huggingface_hub
        library = huggingface_hub.__version__
    except ImportError:
        library = None
    trials = [a_pulled_model_generates, a_repository_is_served, a_killed_pull_goes_on, two_pulls_at_once, a_full_disk,
              the_library_reads_what_was_pulled, what_the_library_brought_is_read]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="phasor-hub-") as folder:
        hub = Hub(str(Path(arguments.phasor).resolve()), folder)
        with contextlib.closing(hub):
            for trial in trials:
                name = trial.__name__.replace("_", " ")
                if arguments.only not in name:
                    continue
                if "library" in name and library is None:
                    print(f"SKIPPED {name}: pip install huggingface_hub")
                    continue
                hub.faults()
                try:
                    trial(hub)
                    print(f"ok      {name}" + (f" (huggingface_hub {library})" if "library" in name else ""))
                except AssertionError as fault:
                    failed += 1
                    print(f"FAILED  {name}: {fault}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
