"""Browsers driven with nothing but the standard library: Chromium through chromedriver's HTTP interface (W3C WebDriver),
Firefox through Marionette, the protocol it speaks itself, so that no geckodriver is needed."""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# A script of axe-core on a large page, on a machine that has other work.
SCRIPT_MS = 110_000
CONTROL, ENTER, ESCAPE, LEFT, RIGHT, TAB = "\ue009", "\ue007", "\ue00c", "\ue012", "\ue014", "\ue004"


class Window:
    """One headless window. Use it in a `with` statement: it ends the browser it started."""

    name = ""

    def __enter__(self):
        return self

    def run(self, script, *arguments):
        """The value of a JavaScript expression; `arguments[0]` and so on are what is passed here."""
        return self.execute(f"return ({script})", arguments)

    def wait(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.run(condition):
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {condition}")

    def text(self, selector):
        return self.run("document.querySelector(arguments[0]).textContent", selector)

    def value(self, selector):
        return self.run("document.querySelector(arguments[0]).value", selector)

    def count(self, selector):
        return self.run("document.querySelectorAll(arguments[0]).length", selector)

    def fill(self, selector, text):
        self.clear(selector)
        self.type(selector, text)

    def settle(self):
        """Until pictures are loaded and what moves once has arrived."""
        self.wait("document.getAnimations().every(a => a.effect.getTiming().iterations === Infinity)")
        self.wait("[...document.images].every(image => image.loading === 'lazy' || image.complete)")


class Browser(Window):
    """Chromium."""

    name = "Chromium"

    def __init__(self, width, height, dark=False, scale=1, still=False):
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.base = f"http://127.0.0.1:{self._port()}"
            arguments = [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
            answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.base += f"/session/{answer['sessionId']}"
        except Exception:
            self.driver.kill()
            raise
        self._call("POST", "/timeouts", {"script": SCRIPT_MS})
        self.cdp("Emulation.setDeviceMetricsOverride",
                 width=width, height=height, deviceScaleFactor=scale, mobile=width < 600)
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def __exit__(self, *_):
        try:
            self._call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()

    def open(self, url):
        self._call("POST", "/url", {"url": url})

    def execute(self, script, arguments=()):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector):
        self._call("POST", f"/element/{self._find(selector)}/click", {})

    def type(self, selector, text):
        self._call("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def clear(self, selector):
        self._call("POST", f"/element/{self._find(selector)}/clear", {})

    def console(self):
        """What went wrong since the last call: script errors, refused policies, failed loads."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def picture(self, path, top=0, height=None):
        """A PNG of the whole page, or of a part of its height."""
        size = self.run("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": top, "width": size[0], "height": height or size[1], "scale": 1}
        answer = self.cdp("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    def view(self, path):
        """A PNG of what is in the window, dialogs too."""
        answer = self.cdp("Page.captureScreenshot")
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    def cdp(self, command, **parameters):
        return self._call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, selector):
        return self._call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def _port(self):
        for line in self.driver.stdout:
            if "started successfully on port" in line:
                return int(line.rstrip(".\n").rsplit(" ", 1)[1])
        raise RuntimeError("chromedriver did not start")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {json.load(error)['value']['message']}") from None


class Firefox(Window):
    """Firefox. A window is at least 500 pixels wide there."""

    name = "Firefox"

    def __init__(self, width, height, dark=False, scale=1, still=False):
        self.profile = tempfile.mkdtemp(prefix="phasor-firefox-")
        preferences = {
            "marionette.port": 0, "ui.prefersReducedMotion": int(still), "browser.shell.checkDefaultBrowser": False,
            "layout.css.prefers-color-scheme.content-override": 0 if dark else 1,
            "layout.css.devPixelsPerPx": str(scale), "datareporting.policy.dataSubmissionEnabled": False,
            "browser.startup.homepage_override.mstone": "ignore", "app.update.enabled": False,
            "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
            "services.settings.server": "data:,", "media.autoplay.default": 0,
            "browser.safebrowsing.downloads.remote.enabled": False, "extensions.getAddons.cache.enabled": False}
        lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
        Path(self.profile, "user.js").write_text("".join(lines))
        self.process = subprocess.Popen(
            ["firefox-esr", "--headless", "--marionette", "--remote-allow-system-access", "--no-remote",
             f"--width={width}", f"--height={height}", "--profile", self.profile],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.stream = self._connect().makefile("rwb")
            self._receive()                                     # it greets
            self.number = 0
            self._call("WebDriver:NewSession")
            self._call("WebDriver:SetTimeouts", script=SCRIPT_MS)
            inner = self.run("[innerWidth, innerHeight]")
            outer = self._call("WebDriver:GetWindowRect")
            self._call("WebDriver:SetWindowRect", width=width + outer["width"] - inner[0],
                       height=height + outer["height"] - inner[1])
            self.seen = 0
        except Exception:
            self._end()
            raise

    def __exit__(self, *_):
        self._end()

    def open(self, url):
        self._call("WebDriver:Navigate", url=url)

    def execute(self, script, arguments=()):
        return self._call("WebDriver:ExecuteScript", script=script, args=list(arguments))["value"]

    def click(self, selector):
        self._call("WebDriver:ElementClick", id=self._find(selector))

    def type(self, selector, text):
        self._call("WebDriver:ElementSendKeys", id=self._find(selector), text=text)

    def clear(self, selector):
        self._call("WebDriver:ElementClear", id=self._find(selector))

    def console(self):
        """What went wrong on pages of this machine since the last call."""
        self._call("Marionette:SetContext", value="chrome")
        try:
            messages = self.execute("""
                return Services.console.getMessageArray().filter(m => m instanceof Ci.nsIScriptError)
                    .filter(m => m.sourceName.startsWith("http://127.0.0.1"))
                    .map(m => `${m.category}: ${m.errorMessage} (${m.sourceName}:${m.lineNumber})`)""")
        finally:
            self._call("Marionette:SetContext", value="content")
        new, self.seen = messages[self.seen:], len(messages)
        return new

    def picture(self, path, top=0, height=None):
        self.view(path, full=True)

    def view(self, path, full=False):
        data = self._call("WebDriver:TakeScreenshot", full=full)["value"]
        Path(path).write_bytes(base64.b64decode(data))

    def _find(self, selector):
        found = self._call("WebDriver:FindElement", using="css selector", value=selector)
        return found["value"][ELEMENT]

    def _connect(self):
        """The port is in a file of the profile once it listens."""
        file = Path(self.profile, "MarionetteActivePort")
        for _ in range(600):
            if self.process.poll() is not None:
                break
            if file.exists() and file.read_text().strip():
                return socket.create_connection(("127.0.0.1", int(file.read_text())), timeout=120)
            time.sleep(0.1)
        raise RuntimeError("Firefox did not start")

    def _call(self, command, **parameters):
        """A message is its length in bytes, a colon, and JSON: [0, number, command, parameters] there, and back
        [1, number, error, result]."""
        self.number += 1
        message = json.dumps([0, self.number, command, parameters]).encode()
        self.stream.write(b"%d:%s" % (len(message), message))
        self.stream.flush()
        _, _, error, result = self._receive()
        if error is not None:
            raise AssertionError(f"{command}: {error['message']}")
        return result

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.stream.read(1)
            if not byte:
                raise AssertionError("Firefox has gone")
            length += byte
        return json.loads(self.stream.read(int(length[:-1])))

    def _end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
