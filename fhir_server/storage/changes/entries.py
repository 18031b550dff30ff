"""What a projector hands to its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fhir_server.core.values import SearchValue


class Entry(NamedTuple):
    """What to index of a resource, as of the change at `change`, which is the entry's version: later ones win.

    seq: of the version that is indexed; first: of the resource's first version; values None: the resource is gone;
    problem: why it has no values though it is there.
    """

    type: str
    id: str
    change: int
    seq: int = 0
    first: int = 0
    version: int = 0
    updated: int = 0
    values: Sequence[SearchValue] | None = None
    body: bytes = b""
    problem: str = ""


class Batch(NamedTuple):
    """Entries that complete everything up to a position."""

    entries: Sequence[Entry]
    until: int


class Refused(NamedTuple):
    """An entry that can't be indexed as it is, and why."""

    entry: Entry
    problem: str


class Busy(Exception):
    """The target takes nothing at this moment: it is away, overloaded, or can't write. Nothing is lost by waiting."""


class Away(Busy):
    """The target can't be reached: searches can't be answered either, so nobody should wait for it."""


class Target(Protocol):
    """Where entries go."""

    @property
    def consumer(self) -> str:
        """The name by which the feed keeps its position."""
        ...

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        """Takes entries; taking one twice, or an older one late, changes nothing. Returns those it never will take.

        Busy where trying again may help.
        """
        ...
