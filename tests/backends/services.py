"""The services as processes: started on a free port, killed and started again on the same."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

FOLDER = Path(__file__).parent
START_SECONDS = 300  # with the downloads of a first start
STOP_SECONDS = 30


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class Service:
    """One process and its folder."""

    def __init__(self, script: str, port: int, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.port = port
        self.url = ""
        self._command = [str(FOLDER / script), str(port), *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the service
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the first of its processes; 0 where it does not run."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> Service:
        """Starts it and waits until it answers; AssertionError with what it said where it does not."""
        self._log.seek(0, os.SEEK_END)
        begin = self._log.tell()
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
        )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            said = os.pread(self._log.fileno(), 2**22, begin).decode(errors="replace")
            for line in said.splitlines():
                if line.startswith("READY "):
                    self.url = line.split()[1]
                    return self
            time.sleep(0.1)
        said = os.pread(self._log.fileno(), 2**22, begin).decode(errors="replace")
        self.stop()
        raise AssertionError(f"{self._command[0]} did not start:\n{said[-4000:]}")

    def kill(self) -> None:
        """kill -9 of all its processes."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ends it."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """It stops answering, with its connections open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It answers again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._signal(number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait(STOP_SECONDS)
        self._process = None


def mongodb(folder: Path, *options: str, durable: bool = True) -> Service:
    """The stand-in for MongoDB, with its data in a folder; durable: what is committed survives kill -9."""
    return Service("start-mongodb.sh", free_port(), str(folder), *(["--sync-on-commit"] if durable else []), *options)


def elasticsearch() -> Service:
    """A node with fresh data at its first start."""
    return Service("start-elasticsearch.sh", free_port())


def missing() -> list[str]:
    """What this machine lacks to start them."""
    return [name for name in ("java", "mvn", "unzip", "curl") if shutil.which(name) is None]


def together(*starts: Callable[[], object]) -> None:
    """Runs these beside one another; the first failure is raised."""
    problems: list[BaseException] = []

    def run(start: Callable[[], object]) -> None:
        try:
            start()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(start,)) for start in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
