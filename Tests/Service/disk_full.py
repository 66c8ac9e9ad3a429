"""Fills the disk under a running server, and checks that it says so, loses nothing, and goes on when there is room.

    python3 Tests/Service/disk_full.py [--phasor .build/release/phasor] [--model Models/emoji-scenes]

The state folder lies on a tmpfs of a few megabytes in a mount namespace of its own, so the disk is really full. Needs
Linux's `unshare` (as root, or where users may make namespaces). Standard library only.
"""
import argparse, contextlib, json, os, signal, subprocess, sys, tempfile, time, urllib.error

from kill import Server


def fill(path):
    """Takes all that is left, to the last byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def status(server, path, body=None):
    try:
        return 200, json.loads(server.call("POST" if body else "GET", path, body) or b"null")
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read())


def until(holds, seconds, words):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {words}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    arguments = parser.parse_args()
    if os.environ.get("PHASOR_NAMESPACE") != "own":
        os.environ["PHASOR_NAMESPACE"] = "own"
        os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--mount", sys.executable, *sys.argv])

    picture = {"kind": "image", "prompt": "a large cat on a blue background", "seed": 1}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as afterwards:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
        afterwards.callback(subprocess.run, ["umount", "--lazy", folder], check=True)
        filler, state = os.path.join(folder, "filler"), os.path.join(folder, "state")
        server = Server(arguments, state)
        wanted = server.digest(server.wait(server.submit(picture)))

        accepted = [server.submit(picture | {"generator": "teacher", "seed": seed}) for seed in range(2)]
        accepted.append(server.submit(picture))
        fill(filler)
        until(lambda: status(server, "/readyz")[0] == 503, 30, "the server is not ready while the disk is full")
        print("full disk: /readyz", *status(server, "/readyz"))
        code, answer = status(server, "/v1/jobs", picture | {"seed": 9})
        print("full disk: a new job", code, answer)
        assert code == 503, "a job that cannot be kept must be refused"
        assert status(server, "/healthz")[0] == 200
        assert all(server.job(job)["state"] in ("queued", "running") for job in accepted), "a job was given up"

        os.remove(filler)
        ended = [server.wait(job) for job in accepted]
        assert all(job["state"] == "succeeded" for job in ended), [job["error"] for job in ended]
        assert server.digest(ended[-1]) == wanted, "other bytes than before"
        until(lambda: status(server, "/readyz")[0] == 200, 30, "the server is ready again")
        server.end(signal.SIGTERM)
    print(f"room again: {len(ended)} accepted jobs succeeded, no restart, the same bytes")


if __name__ == "__main__":
    main()
