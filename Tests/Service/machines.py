"""Several machines on one, for cluster.py: what they run, and the cables between them.

As root, on a kernel with network namespaces, each machine has a namespace and a cable of its own to a bridge, all within a
namespace of this script, so that nothing is left of them when it ends. Elsewhere the machines are ports of the loopback
interface, and each reaches the others through proxies of its own, which can be held up. Standard library only.
"""
import ctypes, glob, http.client, os, pathlib, selectors, shutil, signal, socket, subprocess, sys, threading, time

HUB = "10.77.0.1"


def quietly(*command):
    """Whether a command succeeds."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def must(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Namespaces:
    """A bridge with a namespace for each machine. Raises where the kernel or the user may not."""
    words = "network namespaces on a bridge"

    def __init__(self):
        if os.geteuid() or not shutil.which("ip"):
            raise RuntimeError("it takes root and iproute2")
        new_mounts, new_network = 0x20000, 0x40000000
        if ctypes.CDLL(None, use_errno=True).unshare(new_mounts | new_network):
            raise RuntimeError(os.strerror(ctypes.get_errno()))
        os.makedirs("/run/netns", exist_ok=True)
        must("mount", "--make-rprivate", "/")
        must("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        must("ip", "link", "set", "lo", "up")
        must("ip", "link", "add", "hub", "type", "bridge")
        must("ip", "address", "add", f"{HUB}/24", "dev", "hub")
        must("ip", "link", "set", "hub", "up")
        self.hub, self.count = HUB, 0
        self.slows = False

    def machine(self, name):
        self.count += 1
        return Namespace(name, f"10.77.0.{10 + self.count}", self)


class Namespace:
    def __init__(self, name, address, network):
        self.name, self.address, self.port, self.cable = name, address, 8080, f"v-{name}"
        must("ip", "netns", "add", name)
        must("ip", "link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        must("ip", "link", "set", self.cable, "master", "hub", "up")
        must("ip", "-n", name, "link", "set", "lo", "up")
        must("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
        must("ip", "-n", name, "link", "set", "eth0", "up")
        network.slows = self.slow()
        self.quicken()

    def command(self, words):
        return ["ip", "netns", "exec", self.name, *words]

    def service(self, port):
        """Where the machine finds what listens at the hub."""
        return f"{HUB}:{port}"

    @property
    def front(self):
        """Where clients find the machine."""
        return self.address, self.port

    def cut(self):
        must("ip", "link", "set", self.cable, "down")

    def mend(self):
        must("ip", "link", "set", self.cable, "up")

    def slow(self):
        """Lets 256 kbit a second through to the machine."""
        return quietly(
            "tc", "qdisc", "add", "dev", self.cable, "root", "tbf", "rate", "256kbit", "burst", "8kb", "latency", "1s")

    def quicken(self):
        quietly("tc", "qdisc", "del", "dev", self.cable, "root")


class Loopback:
    """Machines that are ports of this one."""
    words = "loopback ports behind proxies (no network namespaces here)"
    slows = False

    def __init__(self):
        self.hub = "127.0.0.1"

    def machine(self, name):
        return Port(name)


class Port:
    def __init__(self, name):
        self.name, self.address, self.port = name, "127.0.0.1", free_port()
        self.proxies = {}
        self.front = "127.0.0.1", self.proxy(self.port).port

    def command(self, words):
        return words

    def proxy(self, port):
        return self.proxies.setdefault(port, Proxy(port))

    def service(self, port):
        return f"127.0.0.1:{self.proxy(port).port}"

    def cut(self):
        for proxy in self.proxies.values():
            proxy.is_open.clear()

    def mend(self):
        for proxy in self.proxies.values():
            proxy.is_open.set()


class Proxy:
    """Hands bytes on to a port, and none while it is held up: as on a cut cable, they come later."""

    def __init__(self, target):
        self.target, self.is_open = target, threading.Event()
        self.is_open.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self.carry, args=(near,), daemon=True).start()

    def carry(self, near):
        self.is_open.wait()
        try:
            with near, socket.create_connection(("127.0.0.1", self.target), 10) as far:
                far.settimeout(60)
                near.settimeout(60)
                with selectors.DefaultSelector() as ready:
                    ready.register(near, selectors.EVENT_READ, far)
                    ready.register(far, selectors.EVENT_READ, near)
                    while True:
                        for key, _ in ready.select():
                            self.is_open.wait()
                            data = key.fileobj.recv(1 << 16)
                            if not data:
                                return
                            key.data.sendall(data)
        except OSError:
            pass


class Database:
    """PostgreSQL in a folder, as the user postgres where the script is root."""

    def __init__(self, folder, hub):
        places = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""]
        self.bin, self.folder, self.hub, self.port = places[-1], folder, hub, free_port()
        self.user = []
        folder.mkdir()
        if not os.geteuid():
            shutil.chown(folder, "postgres")
            self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        self.tool("initdb", "-D", folder / "data", "-A", "trust", "-U", "phasor")
        with open(folder / "data/pg_hba.conf", "a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        with open(folder / "data/postgresql.conf", "a") as file:
            file.write(f"listen_addresses = '{hub}'\nport = {self.port}\nmax_connections = 300\n"
                       f"unix_socket_directories = '{folder}'\n")
        self.start()
        self.tool("createdb", "-h", folder, "-p", self.port, "-U", "phasor", "phasor")

    def tool(self, name, *words):
        done = subprocess.run(
            [*self.user, os.path.join(self.bin, name), *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout.strip()}")
        return done.stdout

    def control(self, *words):
        # It would keep a pipe open that its output goes to.
        must(*self.user, os.path.join(self.bin, "pg_ctl"), "-D", str(self.folder / "data"), "-l", str(self.folder / "log"),
             "-w", "-t", "120", *words)

    def start(self):
        self.control("start")

    def stop(self, mode):
        self.control("stop", "-m", mode)

    def query(self, sql):
        text = self.tool("psql", "-h", self.folder, "-p", self.port, "-U", "phasor", "-AtX", "-F", "\t", "-c", sql, "phasor")
        return [line.split("\t") for line in text.splitlines()]


class ObjectStore:
    """`rclone serve s3` over a folder, with signatures."""
    environment = {"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "the+secret/key", "AWS_REGION": "us-east-1"}

    def __init__(self, rclone, folder, hub):
        self.rclone, self.folder, self.hub, self.port = rclone, folder, hub, free_port()
        (folder / "bucket").mkdir(parents=True)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.rclone, "serve", "s3", "--config", os.devnull, "--auth-key", "AKIDTEST,the+secret/key", "--addr",
             f"{self.hub}:{self.port}", str(self.folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(60, lambda: answers((self.hub, self.port), "/"), "rclone serve s3")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def names(self):
        return [path.name for path in self.folder.rglob("*") if path.is_file()]


class Program:
    """A front or a worker on a machine of its own."""

    def __init__(self, machine, words, environment, folder):
        self.machine, self.name, self.environment = machine, machine.name, environment
        self.state, self.log = folder / f"{machine.name}.state", folder / f"{machine.name}.log"
        self.words = [*words, "--host", machine.address, "--port", str(machine.port), "--state", str(self.state)]
        self.lock = threading.Lock()
        self.is_wanted = False
        self.starts = 0
        self.process = None

    def start(self):
        with open(self.log, "a") as log:
            log.write(f"--- start {time.time():.3f}\n")
            log.flush()
            self.process = subprocess.Popen(
                self.machine.command(self.words), env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        self.starts += 1
        self.is_wanted = True

    def is_ready(self):
        return answers(self.machine.front, "/healthz")

    def end(self, how, seconds=60):
        """Sends a signal; returns the exit status, or None for a process that does not end and is killed."""
        self.is_wanted = False
        self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])


def answers(place, path, seconds=2):
    """Whether anything is said over HTTP at a place."""
    connection = http.client.HTTPConnection(*place, timeout=seconds)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait(seconds, condition, what):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            raise RuntimeError(f"{what} is not there after {seconds} s")
        time.sleep(0.05)
