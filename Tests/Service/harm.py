"""The harm that cluster.py does to a cluster. Standard library only."""
import random, signal, threading, time

import machines
from clients_of_cluster import Fronts, Record

# Long enough to be caught in the act.
TEACHER = {"kind": "image", "prompt": "a large cat", "seed": 5, "generator": "teacher"}


class Faults:
    """Does harm, one fault after the other or a few at once, but only one at a time to one machine."""
    # How often of all, and how many seconds it takes.
    kinds = {
        "worker killed": (22, 0, 2), "front killed": (10, 0, 2), "worker stopped beyond its lease": (10, None, None),
        "worker drained": (7, 0, 1), "front drained": (4, 0, 1), "worker cut off": (13, 0.5, 9), "front cut off": (8, 0.5, 6),
        "worker slowed down": (7, 2, 8), "database restarted at once": (4, 0, 0), "database restarted gently": (4, 0, 0),
        "database away": (3, 1, 8), "store away": (5, 0.5, 8), "store hangs": (3, 1, 8),
    }

    def __init__(self, cluster, count, seed, slows, load):
        self.cluster, self.count, self.load = cluster, count, load
        self.random = random.Random(seed)
        self.weights = {kind: values[0] for kind, values in self.kinds.items() if slows or "slowed" not in kind}
        self.done, self.wrong, self.threads = [], [], []
        self.busy = {name: threading.Lock() for name in ("database", "store")}
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        """Spreads the faults over the jobs."""
        for number in range(self.count):
            while self.load.ended < number * self.load.count / self.count * 0.95 and not self.load.is_over():
                time.sleep(0.02)
            if self.load.is_over():
                break
            while not self.begin():
                time.sleep(0.05)
        for thread in self.threads:
            thread.join()
        self.is_over.set()

    def begin(self):
        kind = self.random.choices(list(self.weights), self.weights.values())[0]
        _, low, high = self.kinds[kind]
        seconds = self.random.uniform(*((low, high) if low is not None else (self.cluster.lease + 0.5, self.cluster.lease + 4)))
        lock, call = self.target(kind)
        if not lock or not lock.acquire(blocking=False):
            return False

        def harm():
            begin = time.time()
            try:
                call(seconds)
            except Exception as error:
                self.wrong.append(f"{kind}: {error}")
            finally:
                self.done.append((kind, begin, time.time()))
                lock.release()
        thread = threading.Thread(target=harm)
        self.threads.append(thread)
        thread.start()
        return True

    def target(self, kind):
        """The lock of what is hit, and the harm."""
        where, _, how = kind.partition(" ")
        if where in self.busy:
            return self.busy[where], lambda seconds: getattr(self, where)(how, seconds)
        programs = self.cluster.workers if where == "worker" else self.cluster.fronts
        free = [program for program in programs if not program.lock.locked()]
        # Some are left to go on with the work.
        if 2 * len(free) <= len(programs):
            return None, None
        program = self.random.choice(free)
        return program.lock, lambda seconds: getattr(self, how.split()[0])(program, seconds)

    def killed(self, program, seconds):
        program.end(signal.SIGKILL)
        self.restart(program, seconds)

    def drained(self, program, seconds):
        # One that has not begun to listen ends at once, as any process does.
        allowed = [0] if program.is_ready() else [0, 1, -signal.SIGTERM]
        status = program.end(signal.SIGTERM, 90)
        if status not in allowed:
            self.wrong.append(f"{program.name} did not end well after SIGTERM: {status}\n{program.tail()}")
        self.restart(program, seconds)

    def restart(self, program, seconds):
        time.sleep(seconds)
        program.start()
        machines.wait(120, lambda: program.is_ready() or program.process.poll() is not None, program.name)

    def stopped(self, program, seconds):
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        program.process.send_signal(signal.SIGCONT)

    def cut(self, program, seconds):
        program.machine.cut()
        time.sleep(seconds)
        program.machine.mend()

    def slowed(self, program, seconds):
        program.machine.slow()
        time.sleep(seconds)
        program.machine.quicken()

    def database(self, how, seconds):
        database = self.cluster.database
        database.stop("fast" if how == "restarted gently" else "immediate")
        time.sleep(seconds)
        database.start()

    def store(self, how, seconds):
        store = self.cluster.store
        if how == "hangs":
            store.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            store.process.send_signal(signal.SIGCONT)
        else:
            store.stop()
            time.sleep(seconds)
            store.start()

    def watch(self):
        """Starts again what ended by itself; that is wrong, unless there was no database to open."""
        while not self.is_over.wait(0.2):
            for program in self.cluster.programs:
                if program.is_wanted and program.process.poll() is not None:
                    with program.lock:
                        if not program.is_wanted or program.process.poll() is None:
                            continue
                        tail, status = program.tail(), program.process.returncode
                        self.done.append(("(ended at its start: no database or store)" if status == 1 else "(crashed)", time.time(), time.time()))
                        if status != 1:
                            self.wrong.append(f"{program.name} ended by itself with {status}:\n{tail}")
                        time.sleep(0.5)
                        program.start()


def poison(cluster, load, bodies, digests, wrong):
    """A job that ends each worker that begins it: the third time it fails, and no job beside it does.

    Returns how many workers it has ended.
    """
    fronts = Fronts([program.machine.front for program in cluster.fronts], random.Random(1), load.counts, wrong)
    records, ended, is_over = [], [], threading.Event()
    read = {program: program.log.stat().st_size for program in cluster.workers}

    def end_workers(identifier):
        while not is_over.wait(0.003):
            for program in cluster.workers:
                with open(program.log, errors="replace") as log:
                    log.seek(read[program])
                    text = log.read()
                    read[program] = log.tell()
                if f"started job={identifier}" in text:
                    program.end(signal.SIGKILL)
                    ended.append(program.name)
                    program.start()

    for number in range(13):
        request = number % len(bodies)
        record = Record(load.count + number, request, bodies[request] if number != 6 else TEACHER)
        record.id = fronts.submit(record, f"poison-{number}")
        records.append(record)
        if number == 6:
            thread = threading.Thread(target=end_workers, args=[record.id])
            thread.start()
    poisoned = records[6]
    for record in records:
        while (job := fronts.job(record.id))["state"] in ("queued", "running"):
            time.sleep(0.1)
        record.state = job["state"]
        if record is not poisoned and record.state != "succeeded":
            wrong.append(f"beside a job that ends workers: {record.id} is {record.state}: {job['error']}")
        record.digests = fronts.digests(job)
    is_over.set()
    thread.join()
    if poisoned.state != "failed" or fronts.job(poisoned.id)["error"]["code"] != "process_ended" or len(ended) < 3:
        wrong.append(f"the job that ends workers has ended {ended}, and is {poisoned.state}")
    # It was not to blame: run again in peace, it succeeds.
    fronts.ask("POST", f"/v1/jobs/{poisoned.id}/retry", allowed=[409])  # one front may not have been heard
    while (job := fronts.job(poisoned.id))["state"] in ("queued", "running"):
        time.sleep(0.1)
    poisoned.state = job["state"]
    if poisoned.state != "succeeded":
        wrong.append(f"the job that ended workers is {poisoned.state} when it is run again: {job['error']}")
    records.remove(poisoned)
    wrong += [f"{record.id} has other bytes than one machine makes" for record in records
              if record.state == "succeeded" and record.digests != digests[record.request]]
    load.records += [*records, poisoned]
    return len(ended)
