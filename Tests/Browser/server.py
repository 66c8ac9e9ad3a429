"""A server of the browser trials: on a port of its own, with a state that is removed with it, to be killed and begun
again at will."""

import socket
import subprocess
import tempfile
import time
import urllib.request


class Server:
    """Use it in a `with` statement."""

    def __init__(self, phasor, model=None, page=None):
        self.folder = tempfile.TemporaryDirectory(prefix="phasor-page-")
        with socket.socket() as probe:                          # the same port again after a kill
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [phasor, "serve", *([model] if model else []), "--port", str(self.port),
                        "--state", self.folder.name, *(["--page", page] if page else [])]
        self.process = None
        self.url = f"http://127.0.0.1:{self.port}/"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.folder.cleanup()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                raise SystemExit("the server did not start")
            try:
                with urllib.request.urlopen(self.url + "readyz", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the server did not get ready")

    def kill(self):
        """As a crash or a power cut ends it."""
        self.process.kill()
        self.process.wait()
