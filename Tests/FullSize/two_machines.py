#!/usr/bin/env python3
"""Two experts that do not fit into one worker's memory: one worker with both of them, and two workers with one each.

  two_experts.py make OUT                   the model: two experts of 3.2 GB
  two_machines.py PHASOR OUT --store postgres://... [--limit-gb 4.5] [--jobs 24] [--held 4] [--size 128x128]

Each worker has one thread, a memory control group of its own (version 1, as root) and a budget of nine tenths of the group; it holds
four jobs at a time. The front in front of them has a group of 1 GB, so that what it reads of the weights stays in nobody's memory. It
takes all requests at once; files and latents go through a folder. The database must be empty. First come a few requests that warm the workers
up, then those that are measured. Told are jobs a second by the clock (a machine of two cores computes for two workers at once) and a
processor's second, switches of experts, bytes read, and bytes of the latents that were handed over. Standard library only.
"""
import argparse, json, os, pathlib, re, signal, subprocess, tempfile, threading, time, urllib.request

PORTS = {"front": 18080, "a": 18081, "b": 18082}


def ask(port, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def metric(port, name):
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", ask(port, "/metrics"), re.M))


class Group:
    """A memory control group with a process in it"""

    def __init__(self, name, limit):
        self.folder = pathlib.Path(f"/sys/fs/cgroup/memory/phasor-{name}")
        self.folder.mkdir(exist_ok=True)
        (self.folder / "memory.limit_in_bytes").write_text(str(limit))

    def enter(self):
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def peak(self):
        return int((self.folder / "memory.max_usage_in_bytes").read_text())

    def remove(self):
        for _ in range(100):
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(.1)


class Latents(threading.Thread):
    """Looks for blobs of latents, which come and go"""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.seen, self.ends = folder, {}, False
        self.start()

    def run(self):
        while not self.ends:
            for entry in os.scandir(self.folder):
                if entry.name.endswith(".state"):
                    try:
                        self.seen[entry.name] = entry.stat().st_size
                    except OSError:
                        pass
            time.sleep(.01)


def processor(pid):
    """Seconds of user and system"""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve(options, name, workers, folder):
    """workers: name -> the parts that it does; None for all"""
    schema = ["--store", options.store, "--blobs", f"file://{folder}/blobs"]
    log = lambda one: open(folder / f"{name}-{one}.log", "w")
    limit = int(options.limit_gb * 1e9)
    # Files that another group has read are in memory at nobody's cost.
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    groups = {one: Group(one, limit) for one in workers} | {"front": Group("front", 1_000_000_000)}
    programs = {"front": subprocess.Popen(
        [options.phasor, "serve", options.model, "--no-compute", "--port", str(PORTS["front"]), "--state", f"{folder}/{name}-front", *schema],
        stderr=log("front"), stdout=subprocess.DEVNULL, preexec_fn=groups["front"].enter)}
    for one, parts in workers.items():
        words = [options.phasor, "work", options.model, "--threads", "1", "--memory", f"{limit * .9e-9:.2f}GB", "--precision", "bf16",
                 "--held", str(options.held), "--port", str(PORTS[one]), "--state", f"{folder}/{name}-{one}", *schema]
        programs[one] = subprocess.Popen(
            words + (["--parts", parts] if parts else []), stderr=log(one), stdout=subprocess.DEVNULL, preexec_fn=groups[one].enter)
    try:
        for one in programs:
            for _ in range(600):
                try:
                    ask(PORTS[one], "/readyz")
                    break
                except OSError:
                    assert programs[one].poll() is None, f"{one} has ended; see {folder}"
                    time.sleep(.1)

        def make(count, first):
            """-> seconds from the first request to the last file, and jobs a second once the first have ended: workers are full then"""
            start = time.time()
            body = {"kind": "image", "size": options.size, "prompt": "a cat"}
            ids = [json.loads(ask(PORTS["front"], "/v1/jobs", {**body, "seed": first + k}))["id"] for k in range(count)]
            ends = []
            for job in ids:
                while (state := json.loads(ask(PORTS["front"], f"/v1/jobs/{job}"))["state"]) in ("queued", "running"):
                    time.sleep(.05)
                assert state == "succeeded", f"{job} has {state}"
                ends.append(time.time())
            return ends[-1] - start, (count - options.held) / (ends[-1] - ends[options.held - 1])

        make(options.warm, 1000)
        counts = ("phasor_expert_switches_total", "phasor_weights_read_bytes_total")
        before = {c: sum(metric(PORTS[one], c) for one in workers) for c in counts}
        used = sum(processor(programs[one].pid) for one in workers)
        latents = Latents(f"{folder}/blobs")
        seconds, rate = make(options.jobs, 1)
        latents.ends = True
        used = sum(processor(programs[one].pid) for one in workers) - used
        told = {c: sum(metric(PORTS[one], c) for one in workers) - before[c] for c in counts}
        return {
            "workers": len(workers), "jobs": options.jobs, "seconds": round(seconds, 1), "jobs a second": round(options.jobs / seconds, 4),
            "of full workers": round(rate, 4),
            "processor seconds a job": round(used / options.jobs, 2), "expert switches": told[counts[0]],
            "GB read": round(told[counts[1]] / 1e9, 2), "latents handed over": len(latents.seen),
            "bytes of each": round(sum(latents.seen.values()) / max(1, len(latents.seen))),
            "GB at most": {one: round(groups[one].peak / 1e9, 2) for one in workers}}
    finally:
        for program in reversed(programs.values()):
            program.send_signal(signal.SIGTERM)
            program.wait(60)
        for group in groups.values():
            group.remove()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("phasor")
    p.add_argument("model")
    p.add_argument("--store", required=True)
    p.add_argument("--limit-gb", type=float, default=4.5)
    p.add_argument("--jobs", type=int, default=24)
    p.add_argument("--held", type=int, default=4)
    p.add_argument("--warm", type=int, default=4)
    p.add_argument("--size", default="128x128")
    options = p.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="phasor-two-"))
    one = serve(options, "one", {"a": None}, folder)
    print(json.dumps(one), flush=True)
    two = serve(options, "two", {"a": "text_encoder,transformer", "b": "transformer_2,vae"}, folder)
    print(json.dumps(two))
    ratios = [two[rate] / one[rate] for rate in ("jobs a second", "of full workers")]
    print(f"two workers make {ratios[0]:.2f} times what one makes, {ratios[1]:.2f} times once they are full")


main()
