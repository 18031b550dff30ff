"""The frame of a subsystem: it takes changes in, keeps how far it has got in its own store, and can start anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from fhir_server.api import Request
from fhir_server.client import FhirClient

ERASED = "ERASE"  # Change.method of what must be nowhere any more
AT_ONCE = 5000  # changes asked for together


class Change(msgspec.Struct, frozen=True):
    """One change of the feed; resource: its JSON now, b"" where it is gone; method: as in core.ports.Change."""

    position: int
    type: str
    id: str
    version: int
    method: str
    updated: str
    resource: msgspec.Raw = msgspec.Raw(b"")


class Portion(NamedTuple):
    """Changes, the position after them, and the feed's newest."""

    changes: Sequence[Change]
    position: int
    head: int


class _Answer(msgspec.Struct):
    changes: list[Change]
    position: int
    head: int


class Subsystem(Protocol):
    """What every subsystem has; its package has mounted.py beside it (registry.py)."""

    name: str
    types: tuple[str, ...]  # that it follows, () for all
    pause: float  # seconds between two looks at the feed, so that what comes meanwhile is taken in together

    def position(self) -> int:
        """How far in the feed its store is, 0 for a new one."""
        ...

    def take(self, portion: Portion) -> None:
        """Takes changes in, durably; the same ones again change nothing. Called in a thread of its own."""
        ...

    async def work(self, client: FhirClient, now: int) -> None:
        """Does what follows from what it has taken in and from the time (microseconds since 1970): writes to FHIR what
        it has found out, and nothing that is there already. Called when the feed is taken in, and every half minute at
        least while nothing comes."""
        ...

    def drop(self) -> None:
        """Forgets everything: the next run begins at the feed's first change."""
        ...


async def read(client: FhirClient, after: int, types: Sequence[str] = (), wait: int = 0) -> Portion:
    """The next changes past a position, by the same call in this process and over HTTP."""
    query = [("after", str(after)), ("_count", str(AT_ONCE)), ("resources", "true"), ("wait", str(wait))]
    if types:
        query.append(("_type", ",".join(types)))
    answer = await client.perform(Request("GET", ("$changes",), query))
    found = msgspec.json.decode(answer.body, type=_Answer)
    return Portion(found.changes, found.position, found.head)


async def head(client: FhirClient) -> int:
    """The feed's newest position."""
    answer = await client.perform(Request("GET", ("$changes",), [("after", "0"), ("_count", "1")]))
    return msgspec.json.decode(answer.body, type=_Answer).head


async def catch_up(
    client: FhirClient, subsystem: Subsystem, told: Callable[[Portion], Any] = lambda portion: None, wait: int = 0
) -> int:
    """Takes in everything that there is by now; with wait it waits so many seconds for a first change.

    Returns how many changes were taken in.
    """
    taken = 0
    while True:
        after = subsystem.position()
        portion = await read(client, after, subsystem.types, wait)
        if portion.position == after:
            return taken
        subsystem.take(portion)
        taken += len(portion.changes)
        told(portion)
        wait = 0


async def settle(
    client: FhirClient, subsystem: Subsystem, now: int, told: Callable[[Portion], Any] = lambda portion: None
) -> None:
    """Takes in and works until nothing more follows: what it writes to FHIR comes back by the feed."""
    while True:
        await catch_up(client, subsystem, told)
        before = (await read(client, subsystem.position(), subsystem.types)).head
        await subsystem.work(client, now)
        if (await read(client, subsystem.position(), subsystem.types)).head == before:
            return
