"""`hms` as it really runs: commands, and servers that are started, killed and stopped."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.engines import named, settings_on

START_SECONDS = 60
STOP_SECONDS = 60
PROGRAM = "fhir_server.cli"
_BASE = re.compile(r"^FHIR R4 +(\S+)$", re.MULTILINE)


def command(*arguments: object, program: str = PROGRAM) -> tuple[list[str], dict[str, str]]:
    """What to run for `hms …`, and an environment without settings in it; program: a module that is like it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    return [sys.executable, "-m", program, *map(str, arguments)], environment


def hms(*arguments: object, code: int = 0, seconds: float = 300) -> str:
    """Runs a command to its end, in so many seconds at most; what it said, once the exit code is as expected."""
    run, environment = command(*arguments)
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


class Server:
    """`hms serve` on a free port, in a process group of its own; base is its FHIR base URL."""

    def __init__(self, *arguments: object, verify: ssl.SSLContext | bool = True, program: str = PROGRAM) -> None:
        self._verify = verify
        run, environment = command("serve", "--port", 0, *arguments, program=program)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self.process = subprocess.Popen(run, env=environment, stderr=self._log, start_new_session=True)
        self.base = ""

    def said(self) -> str:
        """All that it has written to standard error so far."""
        return os.pread(self._log.fileno(), 2**26, 0).decode()

    def wait_until_ready(self) -> Server:
        """Waits for the banner and the first answer; AssertionError with what it said where it ends before."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = _BASE.search(self.said())
            if found:
                self.base = found[1]
                with suppress(httpx.TransportError):
                    if (
                        httpx.get(f"{self.origin}/health/ready", timeout=START_SECONDS, verify=self._verify).status_code
                        == 200
                    ):
                        return self
            time.sleep(0.02)
        raise AssertionError(f"The server did not start:\n{self.said()}")

    @property
    def origin(self) -> str:
        """The base URL without the path."""
        return self.base.removesuffix("/fhir")

    def workers(self) -> list[int]:
        """The process ids that answer requests: the process itself, or its workers where there are several."""
        listing = ["ps", "-A", "-ww", "-o", "pid=", "-o", "ppid=", "-o", "args="]
        listed = subprocess.run(listing, capture_output=True, text=True, check=True)
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        own = str(self.process.pid)
        found = [int(row[0]) for row in rows if row[1] == own and " serve " in row[2]]
        return found or [self.process.pid]

    def kill(self) -> None:
        """kill -9 of all its processes at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """Asks it to stop (SIGTERM) and waits until it has; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Ends whatever still runs."""
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            with suppress(ProcessLookupError):
                self.kill()
            self._log.close()


@contextmanager
def serving(
    data: Path, *arguments: object, verify: ssl.SSLContext | bool = True, program: str = PROGRAM
) -> Iterator[Server]:
    """A started server that answers, stopped in the end; more arguments as for `hms serve`; verify: as httpx has it;
    program: as for `command`."""
    server = Server("--data", data, *arguments, verify=verify, program=program)
    try:
        yield server.wait_until_ready()
    finally:
        server.close()


@contextmanager
def serving_on(engine: str, data: Path, *arguments: object) -> Iterator[Server]:
    """The same on an empty store of an engine."""
    with settings_on(engine, data) as settings:
        named_by = named(settings, data.with_name(f"{data.name}-settings"))
        with serving(data, *named_by, *arguments) as server:
            yield server
