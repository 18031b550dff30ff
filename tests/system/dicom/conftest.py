"""An archive that listens on a free port in this process, beside a FHIR server on a fresh store."""

from __future__ import annotations

import functools
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.api import Request
from fhir_server.commands.dicom import opened
from fhir_server.core.settings import Settings
from interfaces.dicom.acceptor import Acceptor
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.bridge import Bridge, Opening
from interfaces.dicom.configuration import Configuration
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.worker import Worker

TITLE = "ULTIMATEHMS"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """What a condition gives once it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.02)


class Called:
    """An archive at a port, and dcmtk's tools against it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def tool(self, name: str, *arguments: object, called: str = TITLE, calling: str = "MODALITY") -> Any:
        """Runs one of dcmtk's tools against it."""
        run = [dcmtk(name), "-aec", called, "-aet", calling, "127.0.0.1", str(self.port), *map(str, arguments)]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        return subprocess.run(run, env=environment, capture_output=True, text=True, timeout=300)


class Listening(Called):
    """The archive under test, in this process: its context beside its port."""

    def __init__(self, context: Context, port: int) -> None:
        super().__init__(port)
        self.context = context
        self.archive = context.archive

    def count(self, table: str = "instance", **where: Any) -> int:
        return len(self.archive.reading.all(table, where))

    def stored_files(self) -> list[Path]:
        return [path for path in (self.archive.folder / "files").rglob("*") if path.is_file()]

    def fhir(self, method: str, path: str, resource: Any = None, query: list[tuple[str, str]] | None = None) -> Any:
        """An interaction with the FHIR server beside it."""
        request = Request(method, tuple(path.split("/")) if path else (), query or [], resource)
        response = self.context.fhir.call(lambda server: server.perform(request))
        return json.loads(response.body) if response.body else None


def dcmtk(name: str) -> str:
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} IS NOT INSTALLED: apt-get install dcmtk; without it no real modality is tried")
    return found


@contextmanager
def listening(settings: Settings, opening: Opening | None = None) -> Iterator[Listening]:
    """An archive in this process; opening: of its FHIR server, where that is not called by the archive's name."""
    archive = Archive(settings)
    bridge = Bridge(opening or functools.partial(opened, settings))
    bound = socket.create_server(("127.0.0.1", 0), backlog=128)
    context = Context(settings, archive, Configuration(settings), bridge)
    acceptor = Acceptor(context, bound)
    acceptor.start()
    worker = Worker(context)
    worker.start()
    try:
        yield Listening(context, bound.getsockname()[1])
    finally:
        acceptor.stop(2)
        worker.stop()
        bridge.close()
        archive.close()
        bound.close()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        synchronous="OFF",
        dicom=True,
        dicom_fsync=False,
        dicom_reserve_mb=0,
        dicom_study_pause_seconds=0,
    )


@pytest.fixture
def dicom(settings: Settings) -> Iterator[Listening]:
    with listening(settings) as found:
        yield found


@pytest.fixture
def dicom_with(settings: Settings) -> Iterator[Callable[..., Listening]]:
    """An archive with other settings."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda **others: stack.enter_context(listening(msgspec.structs.replace(settings, **others)))


@pytest.fixture
def moving(dicom_with: Callable[..., Listening], tmp_path: Path) -> tuple[Listening, int]:
    """An archive with the peer RECEIVER, and the port at which that should be."""
    port = free_port()
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[[peer]]\nae_title = "RECEIVER"\nhost = "127.0.0.1"\nport = {port}\n')
    return dicom_with(dicom_peers=str(peers)), port
