"""The analytics subsystem: the lake, and the indicators that are worked out from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fhir_server.client import FhirClient
from fhir_server.subsystems.analytics.indicators import Indicator, Month, by_month, indicators, named, rows_of
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery, Rows
from fhir_server.subsystems.subsystem import Portion


class Analytics:
    """Keeps the lake up with the feed, and answers from it; an indicator is worked out once for a state of the lake."""

    name = "analytics"
    types: tuple[str, ...] = ()
    pause = 2.0  # each portion costs the lake a commit for every type in it

    def __init__(self, lake: Lake, query: LakeQuery, folder: Path | None) -> None:
        self._lake = lake
        self._query = query
        self._folder = folder
        self._known: dict[str, tuple[int, Sequence[Month]]] = {}
        self._refreshed = -1
        self._asking = asyncio.Semaphore(2)

    def position(self) -> int:
        """How far the lake has been kept."""
        return self._lake.position()

    def take(self, portion: Portion) -> None:
        """Takes changes into the lake; what is erased leaves the rows of views too."""
        self._lake.take(portion)
        if any(change.method == "ERASE" for change in portion.changes):
            self._query.refresh()

    async def work(self, client: FhirClient, now: int) -> None:
        """Makes the rows of views for what has come, so that nobody who asks waits for them."""
        position = self.position()
        if position != self._refreshed:
            await asyncio.to_thread(self._query.refresh)
            self._refreshed = position

    def drop(self) -> None:
        """Removes the lake."""
        self._lake.drop()
        self._known.clear()

    def indicators(self) -> dict[str, Indicator]:
        """All by name."""
        return indicators(self._folder)

    async def months(self, name: str) -> tuple[Indicator, Sequence[Month]]:
        """An indicator with its value of every month; FhirError "not-found" for a name that is none."""
        indicator = named(self.indicators(), name)
        position = self.position()
        known = self._known.get(name)
        if known is None or known[0] != position:
            async with self._asking:
                known = position, await asyncio.to_thread(by_month, self._query, indicator)
            self._known[name] = known
        return indicator, known[1]

    async def rows(self, name: str, month: str) -> Rows:
        """What the value of a month is made of."""
        async with self._asking:
            return await asyncio.to_thread(rows_of, self._query, named(self.indicators(), name), month)

    async def ask(self, sql: str, rows: int, seconds: float) -> Rows:
        """The answer of one SELECT."""
        async with self._asking:
            return await asyncio.to_thread(self._query.ask, sql, rows=rows, seconds=seconds)
