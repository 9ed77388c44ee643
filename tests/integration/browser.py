"""A Chromium without a window, driven over its debugging pipe: standard library only.

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:8080/")
        page.wait("document.querySelector('h1')")
        page.evaluate("document.title")
"""

import base64
import fcntl
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class PageFailure(AssertionError):
    """A script threw, or what was waited for did not come."""


class Browser:
    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # Chromium reads from 3 and writes to 4; high numbers first, lest one is overwritten by the other.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_browser, from_browser)]
        command = [
            CHROMIUM, "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={self._folder.name}", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking", "--hide-scrollbars",
            "--force-color-profile=srgb", "--no-default-browser-check", "about:blank",
        ]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium's own walls need a user; what it loads here is our own page
        self._process = subprocess.Popen(
            command, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=lambda: (os.dup2(ends[0], 3), os.dup2(ends[1], 4)),
        )
        for fd in (to_browser, from_browser, *ends):
            os.close(fd)
        self._buffer = b""
        self._n = 0
        self.listeners = {}  # session -> called with each of its events

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)
        self._folder.cleanup()

    def open(self, url: str, width: int = 1200, height: int = 800, dark: bool = False) -> "Page":
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session, target)
        page.resize(width, height)
        page.set_dark(dark)
        page.go(url)
        return page

    def send(self, method: str, params: dict | None = None, session: str | None = None, timeout: float = 60) -> dict:
        self._n += 1
        message = {"id": self._n, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._read(deadline - time.monotonic(), method)
            if answer.get("id") == message["id"]:
                if "error" in answer:
                    raise PageFailure(f"{method}: {answer['error']}")
                return answer["result"]
            if listener := self.listeners.get(answer.get("sessionId")):
                listener(answer)

    def _read(self, timeout: float, waiting_for: str) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(timeout, 0))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise PageFailure(f"the browser does not answer {waiting_for}")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


class Page:
    def __init__(self, browser: Browser, session: str, target: str):
        self._browser = browser
        self._session = session
        self._target = target
        self.errors = []  # exceptions, and what the console calls an error: breaches of the content policy, too
        browser.listeners[session] = self._event
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def _send(self, method: str, params: dict | None = None) -> dict:
        return self._browser.send(method, params, self._session)

    def _event(self, event: dict):
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def close(self):
        """Also forgets what the page kept: pages of one address share their storage."""
        self.evaluate("localStorage.clear()")
        self._browser.send("Target.closeTarget", {"targetId": self._target})

    def go(self, url: str):
        self._send("Page.navigate", {"url": url})
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def resize(self, width: int, height: int):
        phone = width < 600
        self._send("Emulation.setDeviceMetricsOverride",
                   {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone})

    def set_dark(self, dark: bool):
        scheme = "dark" if dark else "light"
        self._send("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def evaluate(self, script: str):
        """The value of an expression; promises are awaited."""
        answer = self._send("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in answer:
            raise PageFailure(answer["exceptionDetails"].get("exception", {}).get("description", str(answer)))
        return answer["result"].get("value")

    def wait(self, script: str, timeout: float = 60):
        """Until the expression is true; its value, true for an element."""
        deadline = time.monotonic() + timeout
        while not (value := self.evaluate(f"Promise.resolve({script}).then((v) => (v instanceof Node ? true : v))")):
            if time.monotonic() > deadline:
                raise PageFailure(f"never became true: {script}\npage: {self.evaluate('document.body.innerText')[:2000]}\n{self.errors}")
            time.sleep(0.03)
        return value

    def click(self, selector: str):
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, text: str):
        """Into what has the focus."""
        self._send("Input.insertText", {"text": text})

    def press(self, key: str, code: int, modifiers: int = 0):
        """A key: press("Enter", 13)."""
        fields = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = {"text": "\r"} if key == "Enter" else {}
        self._send("Input.dispatchKeyEvent", {"type": "keyDown", **fields, **text})
        self._send("Input.dispatchKeyEvent", {"type": "keyUp", **fields})

    def screenshot(self, path: pathlib.Path):
        data = self._send("Page.captureScreenshot", {"format": "png"})["data"]
        path.write_bytes(base64.b64decode(data))
