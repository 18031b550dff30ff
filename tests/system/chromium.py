"""A headless Chromium that a test drives by the DevTools protocol, over pipes: it needs no port and no other library.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]  # fmt: skip
SECONDS = 60


class Chromium:
    """One tab. Text that a test gives is JavaScript where it says so, else CSS selectors."""

    def __init__(self, profile: Path, *flags: str) -> None:
        assert PROGRAM is not None
        asked, self._ask = os.pipe()
        self._hear, told = os.pipe()

        def as_three_and_four() -> None:
            first, second = os.dup(asked), os.dup(told)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self._process = subprocess.Popen(
            [PROGRAM, *FLAGS, f"--user-data-dir={profile}", *flags, "about:blank"],
            preexec_fn=as_three_and_four,
            pass_fds=(3, 4),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(asked)
        os.close(told)
        self._number = 0
        self._session = ""
        self._heard = b""
        self.said: list[str] = []  # what pages wrote to the console and failed with
        tabs = self.call("Target.getTargets")["targetInfos"]
        tab = next(each["targetId"] for each in tabs if each["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """A command of the protocol and its result; AssertionError with what the browser says against it."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._ask, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self._listen(answer)

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._heard:
            ready, _, _ = select.select([self._hear], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"The browser did not answer; it said {self.said}"
            piece = os.read(self._hear, 65536)
            assert piece, "The browser ended."
            self._heard += piece
        first, _, self._heard = self._heard.partition(b"\0")
        return json.loads(first)

    def _listen(self, event: dict[str, Any]) -> None:
        told = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(told["exceptionDetails"])[:500])
        elif event.get("method") == "Runtime.consoleAPICalled":
            self.said.append(" ".join(str(each.get("value", "")) for each in told["args"]))

    def go(self, url: str) -> None:
        """Goes to a URL and waits until its document is there."""
        if self.call("Page.navigate", url=url).get("loaderId"):
            self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def run(self, script: str) -> Any:
        """What a JavaScript expression is, awaited, as JSON would have it."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, (script, done["exceptionDetails"])
        return done["result"].get("value")

    def until(self, script: str) -> Any:
        """Waits until a JavaScript expression is true, over whatever pages come meanwhile; gives its value."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with suppress(AssertionError):  # the page may just be left
                found = self.run(script)
                if found:
                    return found
            time.sleep(0.03)
        raise AssertionError(f"{script} never was true at {self.run('location.href')}: {self.text()}; {self.said}")

    def text(self) -> str:
        """What a person reads."""
        return self.run("document.body?.innerText ?? ''")

    def sees(self, text: str) -> None:
        """Waits until a text is there to be read."""
        self.until(f"(document.body?.innerText ?? '').includes({json.dumps(text)})")

    def fill(self, **values: str) -> None:
        """Types into the fields with these ids, once they are there."""
        for id, value in values.items():
            self.until(f"document.getElementById({json.dumps(id)}) !== null")
            self.run(f"document.getElementById({json.dumps(id)}).value = {json.dumps(value)}")

    def press(self, words: str) -> None:
        """Presses the button, or follows the link, that is shown and reads so."""
        script = (
            "[...document.querySelectorAll('button, a, summary')].find((each) => each.getClientRects().length"
            f" && each.innerText.trim() === {json.dumps(words)})"
        )
        self.until(f"{script} !== undefined")
        self.run(f"void setTimeout(() => {script}.click())")

    def close(self) -> None:
        """Ends it."""
        for end in (self._ask, self._hear):
            os.close(end)
        self._process.kill()
        self._process.wait(SECONDS)


def required() -> None:
    """Skips a test, and says so, where there is no Chromium."""
    if PROGRAM is None:
        warnings.warn("Chromium is not installed: pages are not tested in a browser.", stacklevel=2)
        pytest.skip("Chromium is not installed: pages are not tested in a browser.")


@contextmanager
def browsing(profile: Path, *flags: str) -> Iterator[Chromium]:
    """A browser with an empty profile, ended in the end."""
    required()
    browser = Chromium(profile, *flags)
    try:
        yield browser
    finally:
        browser.close()
