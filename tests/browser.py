"""Chromium without a window, driven through its DevTools pipe: open a file, run JavaScript in it, see what it draws.

The pipe needs no package, no driver of the browser's version and no network port. Its protocol is JSON, each message
ended by a zero byte: https://chromedevtools.github.io/devtools-protocol.
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 60  # that any one answer may take; CI machines are slow to start a browser
FLAGS = (
    *("--headless", "--remote-debugging-pipe", "--hide-scrollbars"),
    *("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),  # as root, in a container
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # a page that needs the network shall fail
)
WINDOW = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
EVENTS = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Network.requestWillBeSent")


def find() -> str | None:
    """Return the path of Chromium or Chrome, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser: a context manager that starts and ends the process.

    `folder` takes the browser's profile and its messages. Raises TimeoutError where no answer comes, RuntimeError
    where the browser ends or JavaScript throws.
    """

    def __init__(self, program: str, folder: Path):
        self.numbers, self.buffer, self.events, self.session = itertools.count(1), b"", [], None
        self.log = folder / "browser.log"
        # The browser reads commands on descriptor 3 and answers on 4.
        command = ["sh", "-c", 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2', "sh", program, *FLAGS]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, f"--user-data-dir={folder / 'profile'}", "about:blank"],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self):
        pages = (target for target in self.send("Target.getTargets")["targetInfos"] if target["type"] == "page")
        target = next(pages, None) or self.send("Target.createTarget", url="about:blank")
        self.session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setDeviceMetricsOverride", **WINDOW)
        return self

    def __exit__(self, *_):
        self.session = None
        try:
            self.send("Browser.close")
            self.process.wait(SECONDS)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()

    def send(self, method: str, **params) -> dict:
        """Return the browser's answer to one command."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        while True:
            message = self._receive(method)
            if message.get("method") in EVENTS:
                self.events.append(message)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def evaluate(self, expression: str, frame: str | None = None):
        """Return the JSON value of a JavaScript expression in the page, or in one of its frames."""
        context = {}
        if frame:
            context["contextId"] = self.send("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
        done = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **context)
        if "exceptionDetails" in done:
            raise RuntimeError(f"{expression}: {done['exceptionDetails']}")
        return done["result"].get("value")

    def wait(self, expression: str, frame: str | None = None) -> None:
        """Return as soon as an expression is true."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(f"Boolean({expression})", frame):
            if time.monotonic() > end:
                raise TimeoutError(f"not true within {SECONDS} s: {expression}")
            time.sleep(0.05)

    def open(self, path: Path) -> None:
        """Show a file, and return when the page has loaded."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait(f"location.href == {json.dumps(path.resolve().as_uri())} && document.readyState == 'complete'")

    def frames(self) -> list[str]:
        """Return the frames within the page, by the names that `evaluate` takes."""
        tree = self.send("Page.getFrameTree")["frameTree"]
        return [child["frame"]["id"] for child in tree.get("childFrames", ())]

    def errors(self) -> list[dict]:
        """Return what the page has thrown, or the console has shown as an error."""
        level = {"Runtime.consoleAPICalled": "type", "Log.entryAdded": "level"}
        found = []
        for event in self.events:
            params = event["params"].get("entry", event["params"])
            if event["method"] == "Runtime.exceptionThrown" or params.get(level.get(event["method"])) == "error":
                found.append(params)
        return found

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for."""
        return [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def _receive(self, method):
        end = time.monotonic() + SECONDS
        while b"\0" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"{method}: no answer from the browser within {SECONDS} s\n{self._messages()}")
            block = os.read(self.process.stdout.fileno(), 1 << 16)
            if not block:
                raise RuntimeError(f"{method}: the browser has ended\n{self._messages()}")
            self.buffer += block
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def _messages(self):
        return self.log.read_text(errors="replace")[-3000:]
