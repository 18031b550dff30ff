"""A subsystem that keeps up with the feed of a server, whatever happens, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError, error
from fhir_server.core.full_disk import full_disk, lacks_room
from fhir_server.core.ports import Clock
from fhir_server.subsystems.subsystem import Subsystem, head, read

WAIT = 30  # seconds of a long poll
LONGEST_WAIT = 30.0  # seconds after failures that follow one another
REST = 9  # times what taking changes in took, so that more come together: its part is a tenth of a core at most
LONGEST_REST = 10.0  # seconds

log = structlog.get_logger("subsystem")


@contextlib.contextmanager
def held(folder: Path, name: str) -> Iterator[None]:
    """Has what a subsystem keeps in a data folder to this process; FhirError "unavailable" while another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise error(
                "unavailable",
                f"Another process runs {name} on {folder.resolve()}; stop it first, or the server that has it mounted.",
            ) from None
        yield


class Follower:
    """Keeps one subsystem up. head: the feed's newest position when it was last asked; problem: why it does not get on,
    "" while it does.

    rebuilds: how often it has been made anew since it runs; works: how often it has done what follows from changes.
    """

    def __init__(self, client: FhirClient, subsystem: Subsystem, clock: Clock, folder: Path) -> None:
        self.client = client
        self.subsystem = subsystem
        self._clock = clock
        self._folder = folder
        self.head = 0
        self.problem = ""
        self.rebuilds = self.works = 0
        self._goal = 0  # the position that it must reach before it works
        self._anew = asyncio.Event()

    def rebuild(self) -> None:
        """Has it forget everything and begin at the feed's first change, before it goes on."""
        self._anew.set()

    async def newest(self) -> int:
        """The feed's newest position now; what was known of it last where the server can't be asked."""
        with contextlib.suppress(FhirError):
            self.head = await head(self.client)
        return self.head

    async def run(self) -> None:
        """Never ends by itself: it is cancelled."""
        failures = 0
        while True:
            try:
                with held(self._folder, self.subsystem.name):
                    while True:
                        rest = await self._step(0 if failures else WAIT)
                        self.problem, failures = "", 0
                        await asyncio.sleep(rest)
            except FhirError as problem:
                self.problem = str(problem)
                log.warning("subsystem waits", subsystem=self.subsystem.name, problem=self.problem)
            except Exception as problem:
                if lacks_room(problem):
                    self.problem = str(full_disk())
                    log.warning("subsystem waits", subsystem=self.subsystem.name, problem=self.problem)
                else:
                    self.problem = f"{type(problem).__name__}: the log of the server says where"
                    log.exception("subsystem failed", subsystem=self.subsystem.name)
            failures += 1
            await asyncio.sleep(min(2.0**failures, LONGEST_WAIT))

    async def _step(self, wait: int) -> float:
        """Takes in what comes next, and works once all is taken in that was there when it began: what it writes follows
        from the whole feed, and a feed that grows all the time holds it up by a portion at most. Gives the seconds to
        rest before the next step."""
        subsystem = self.subsystem
        if self._anew.is_set():
            subsystem.drop()
            self._goal = 0
            self._anew.clear()
            self.rebuilds += 1
        after = subsystem.position()
        reading = asyncio.ensure_future(read(self.client, after, subsystem.types, wait))
        asked = asyncio.ensure_future(self._anew.wait())
        try:
            await asyncio.wait((reading, asked), return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                return 0.0
            portion = reading.result()
        finally:
            reading.cancel()
            asked.cancel()
        self.head = portion.head
        rest = subsystem.pause
        if portion.position != after:
            began = time.monotonic()
            await asyncio.to_thread(subsystem.take, portion)
            rest = max(rest, min(REST * (time.monotonic() - began), LONGEST_REST))
            self._goal = self._goal or portion.head
            if portion.position < self._goal:
                return 0.0
        await subsystem.work(self.client, self._clock())
        self.works += portion.position != after
        self._goal = 0
        return rest
