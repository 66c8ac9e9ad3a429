"""The clients of cluster.py: what they ask of any front, and how they go on when one is not there. Standard library only."""
import collections, hashlib, http.client, json, random, threading, time

from kill import picture

Answer = collections.namedtuple("Answer", "status headers body")


def requests(count, randomness):
    """Different requests: pictures, some of them two at a time, from another picture or with previews, and clips."""
    bodies = []
    for number in range(count):
        body = {"prompt": f"a large {randomness.choice(['dog', 'cat', 'ghost', 'house'])} on a "
                          f"{randomness.choice(['blue', 'orange', 'green'])} background", "seed": number}
        if number % 6 == 5:
            bodies.append(body | {"kind": "video", "num_frames": 9})
            continue
        body |= {"kind": "image", "n": 1 + (number % 4 == 1)}
        if number % 12 == 7:
            body |= {"generator": "teacher", "num_inference_steps": 8}
        elif number % 12 == 10:
            body |= {"generator": "phased-4"}
        elif number % 5 == 3:
            body |= {"image": picture([randomness.randrange(256) for _ in range(3)]), "strength": 0.8}
        if number % 3 == 0:
            body |= {"partial_images": 2}
        bodies.append(body)
    return bodies


def answer(place, method, path, body=None, headers={}, seconds=20):
    """What one front says. Raises OSError or HTTPException where it does not say it whole."""
    connection = http.client.HTTPConnection(*place, timeout=seconds)
    try:
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Fronts:
    """Asks a front, and another where that is not there or says that it cannot just now."""
    patience = 600

    def __init__(self, places, randomness, counts=None, wrong=None):
        self.places, self.random = places, randomness
        self.counts = collections.Counter() if counts is None else counts
        self.wrong = [] if wrong is None else wrong

    def ask(self, method, path, body=None, headers={}, allowed=()):
        end = time.time() + self.patience
        while time.time() < end:
            try:
                said = answer(self.random.choice(self.places), method, path, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.counts[f"connections: {type(error).__name__}"] += 1
                time.sleep(self.random.uniform(0, 0.3))
                continue
            if said.status < 300 or said.status in allowed:
                return said
            self.counts[f"answers {said.status}"] += 1
            if said.status not in (503, 429) or "Retry-After" not in said.headers:
                self.wrong.append(f"{method} {path}: {said.status} {said.body[:300]}")
                if said.status < 500:
                    raise LookupError(f"{method} {path}: {said.status} {said.body[:300]}")
            time.sleep(self.random.uniform(0.1, 0.6))
        raise TimeoutError(f"{method} {path}: no front has answered for {self.patience} s")

    def submit(self, record, key):
        said = self.ask("POST", "/v1/jobs", record.body, {"Idempotency-Key": key})
        return json.loads(said.body)["id"]

    def job(self, identifier):
        return json.loads(self.ask("GET", f"/v1/jobs/{identifier}").body)

    def digests(self, job):
        digests = []
        for artifact in job["artifacts"]:
            said = self.ask("GET", artifact["url"])
            if len(said.body) != artifact["bytes"]:
                self.wrong.append(f"{artifact['url']}: {len(said.body)} bytes, not {artifact['bytes']}")
            digests.append(hashlib.sha256(said.body).hexdigest())
        return digests


class Record:
    """What a client knows of its job."""

    def __init__(self, number, request, body):
        self.number, self.request, self.body = number, request, body
        self.id = self.state = self.digests = self.accepted = self.end = None
        self.retries, self.cancels, self.delay = 0, False, 0


class Load:
    """Many clients, each with one job at a time."""

    def __init__(self, arguments, places, bodies):
        self.count, self.seed, self.places, self.bodies = arguments.jobs, arguments.seed, places, bodies
        self.deadline = time.time() + 60 * arguments.minutes
        self.records, self.wrong, self.counts = [], [], collections.Counter()
        self.lock = threading.Lock()
        self.is_given_up = False
        self.threads = [threading.Thread(target=self.client, args=(n,), daemon=True) for n in range(arguments.clients)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def is_over(self):
        return self.is_given_up or not any(thread.is_alive() for thread in self.threads)

    @property
    def ended(self):
        return sum(record.end is not None for record in self.records)

    def client(self, number):
        randomness = random.Random(f"{self.seed} {number}")
        fronts = Fronts(self.places, randomness, self.counts, self.wrong)
        while True:
            with self.lock:
                if len(self.records) == self.count or time.time() > self.deadline:
                    return
                index = len(self.records)
                request = index % len(self.bodies)
                record = Record(index, request, self.bodies[request])
                self.records.append(record)
            try:
                self.see_through(record, fronts, randomness)
            except Exception as error:
                self.wrong.append(f"job {record.id}: {type(error).__name__}: {error}")
            record.end = time.time()

    def see_through(self, record, fronts, randomness):
        record.accepted = time.time()
        key = f"{self.seed}-{record.number}"
        record.id = fronts.submit(record, key)
        if randomness.random() < 0.1:
            # A client that has not heard the answer asks again.
            again = fronts.submit(record, key)
            if again != record.id:
                self.wrong.append(f"the Idempotency-Key of {record.id} has made {again}")
        record.cancels = randomness.random() < 0.06
        if record.cancels:
            time.sleep(randomness.uniform(0, 2))
            state = json.loads(fronts.ask("POST", f"/v1/jobs/{record.id}/cancel").body)["state"]
            if state not in ("cancelled", "succeeded", "failed"):
                self.wrong.append(f"{record.id} is {state} after it was cancelled")
        while True:
            job = self.follow(record, fronts, randomness) if randomness.random() < 0.4 else self.poll(record, fronts, randomness)
            if job["state"] != "failed" or job["error"]["code"] != "process_ended":
                break
            record.retries += 1
            fronts.ask("POST", f"/v1/jobs/{record.id}/retry", allowed=[409])
        record.state = job["state"]
        if record.state not in ("succeeded", "cancelled") or record.state == "cancelled" and not record.cancels:
            self.wrong.append(f"{record.id} is {record.state}: {job['error']}")
        record.delay = job["finished_at"] - job["created_at"]
        record.digests = fronts.digests(job)

    def poll(self, record, fronts, randomness):
        while (job := fronts.job(record.id))["state"] in ("queued", "running"):
            time.sleep(randomness.uniform(0.2, 0.5))
        return job

    def follow(self, record, fronts, randomness):
        """Follows the events to the last one, from front to front: each goes on after the last event that was read."""
        last, names = None, []
        while True:
            place = randomness.choice(self.places)
            connection = http.client.HTTPConnection(*place, timeout=20)
            try:
                connection.request(
                    "GET", f"/v1/jobs/{record.id}/events", headers={} if last is None else {"Last-Event-ID": str(last)})
                response = connection.getresponse()
                if response.status == 204:
                    return fronts.job(record.id)
                if response.status != 200:
                    self.counts[f"events {response.status}"] += 1
                    if response.status != 503:
                        self.wrong.append(f"events of {record.id}: {response.status} {response.read()[:200]}")
                    time.sleep(0.3)
                    continue
                # Some clients go away by themselves.
                rest = randomness.choice([1, 2, 1000])
                for name, number, data in events(response):
                    self.counts["events"] += 1
                    self.counts["previews"] += name == "preview"
                    if last is not None and (number < last or number == last and name != "queued"):
                        self.wrong.append(f"event {name} {number} of {record.id} comes after {last} ({names[-5:]})")
                    last = number
                    names.append(name)
                    if name in ("done", "failed", "cancelled"):
                        return fronts.job(record.id)
                    rest -= 1
                    if not rest:
                        break
                self.counts["streams that went on elsewhere"] += 1
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.counts[f"streams: {type(error).__name__}"] += 1
                time.sleep(randomness.uniform(0, 0.3))
            finally:
                connection.close()


def events(response):
    """Names, ids and data of the events of a stream."""
    event = {}
    while line := response.readline():
        line = line.decode().rstrip("\n")
        if line:
            field, _, value = line.partition(": ")
            event[field] = value
        elif "id" in event:
            yield event["event"], int(event["id"]), event["data"]
            event = {}
