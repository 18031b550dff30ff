"""Subsystems in a process of their own: beside `hms serve`, or alone against a server behind HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import sqlite3
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from fhir_server.commands.opening import client
from fhir_server.core.children import COPIES, FRESH, unheeding
from fhir_server.core.errors import FhirError
from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.client import FhirClient

BACKLOG = 128
FOLDER = "subsystems"  # in the data folder
NICENESS = 10  # the server goes first where the machine is short of time
STOP_SECONDS = 10
NOT_STARTED = 3  # the exit code of a process that can't start
LONGEST_PAUSE = 60.0  # seconds until one that could not start again and again is tried once more

log = structlog.get_logger("subsystems")

Opening = Callable[[], "AbstractAsyncContextManager[FhirClient]"]


class Hosted:
    """ASGI: follows the feed with subsystems for as long as it lives, and answers their endpoints."""

    def __init__(self, settings: Settings, opening: Opening, *, pages: bool = False) -> None:
        self._settings = settings
        self._opening = opening
        self._application: Any = None
        self._pages = pages

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        if scope["type"] == "http":
            await self._application(scope, receive, send)
        elif scope["type"] == "lifespan":
            await receive()
            async with self._running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        from fhir_server.bootstrap import now
        from fhir_server.subsystems.application import Subsystems
        from fhir_server.subsystems.following import Follower
        from fhir_server.subsystems.registry import chosen

        settings = self._settings
        found = chosen(settings)
        async with self._opening() as opened:
            followers = {
                each.name: Follower(opened, each.make(settings), now, settings.data / FOLDER) for each in found
            }
            tables = {each.name: each.endpoints for each in found}
            self._application = Subsystems(followers, tables, now, settings.max_body_bytes)
            if self._pages:
                self._application = _with_pages(self._application, found)
            following = [asyncio.create_task(each.run()) for each in followers.values()]
            try:
                yield
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)


def _with_pages(application: Any, found: Any) -> Any:
    """The screens too, where no server in front of it has them."""
    from fhir_server.bootstrap import page_of
    from fhir_server.rest.page_assets import PAGE_POLICY, Assets, page_assets

    files = dict(page_assets().files)
    for each in found:
        files.update(page_of(each.name, each.package).files)
    files.pop("/")
    assets = Assets(files, PAGE_POLICY)

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        page = assets.answer(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        if page is None:
            await application(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": page.status, "headers": page.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})

    return answer


def host(settings: Settings, listening: socket.socket, others: Sequence[socket.socket] = ()) -> None:
    """Runs the subsystems of the settings on a socket until SIGTERM, or until what started this process ends.

    others: sockets that are not for it. It exits with NOT_STARTED where they can't start, and the log says why.
    """
    from fhir_server.rest.http1 import serving

    for other in others:
        other.close()
    configure(settings)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    opening = functools.partial(client, "", settings, existing=False)
    try:
        serving.run(lambda: Hosted(settings, opening), listening, min(settings.stop_seconds, STOP_SECONDS))
    except (FhirError, OSError, sqlite3.Error) as problem:  # a wrong file of a setting, a full disk
        log.error("subsystems can't start, and are tried again", problem=str(problem))
        raise SystemExit(NOT_STARTED) from None


@contextlib.contextmanager
def beside(settings: Settings, *others: socket.socket) -> Iterator[list[str]]:
    """A process beside `hms serve` with the subsystems of the settings, where there are some; gives the banner's lines.

    others: sockets that are not for it. It is started again where it ends. FhirError "value" for a name that is none,
    or what a subsystem can't start with.
    """
    if not settings.subsystems:
        yield []
        return
    from fhir_server.subsystems.registry import SOCKET_VARIABLE, chosen

    found = chosen(settings)
    for each in found:
        each.require(settings)  # refused here, it is one line
    # the server feeds the search index; its process does not need a second hand
    own = msgspec.structs.replace(settings, projecting=False, workers=1)
    with tempfile.TemporaryDirectory(prefix="ultimate-hms-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder) / "subsystems"
        listening.bind(str(path))
        listening.listen(BACKLOG)
        os.environ[SOCKET_VARIABLE] = str(path)
        keeper = _Keeper(own, listening, others)
        keeper.start()
        try:
            yield [f"{each.title:<12} /{each.name}/" for each in found]
        finally:
            keeper.stop()


class _Keeper:
    """Keeps the process running."""

    def __init__(self, settings: Settings, listening: socket.socket, others: Sequence[socket.socket]) -> None:
        self._settings = settings
        self._listening = listening
        self._others = others
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="subsystems", daemon=True)

    def start(self) -> None:
        self._begin(COPIES, self._others)
        self._thread.start()

    def _begin(self, context: Any, others: Sequence[socket.socket] = ()) -> None:
        self._process = context.Process(
            target=host, args=(self._settings, self._listening, others), name="subsystems", daemon=True
        )
        with unheeding():
            self._process.start()

    def _keep(self) -> None:
        pause = 1.0
        while not self._stopping.wait(1.0):
            if self._process.is_alive():
                continue
            if self._process.exitcode == NOT_STARTED:
                if self._stopping.wait(pause):
                    return
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                pause = 1.0
            self._begin(FRESH)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._process.terminate()
        self._process.join(STOP_SECONDS + 5)
        if self._process.is_alive():
            self._process.kill()


def alone(settings: Settings, listening: socket.socket, server: str, token: str) -> None:
    """Runs the subsystems of the settings, with their pages, against a server behind HTTP, until stopped."""
    from fhir_server.rest.http1 import serving

    signal.signal(signal.SIGINT, signal.default_int_handler)
    opening = functools.partial(client, server, settings, existing=False, token=token)
    if not serving.run(lambda: Hosted(settings, opening, pages=True), listening, STOP_SECONDS):
        raise FhirError("unavailable", [])
