"""The analytics subsystem: the lake, and the indicators that are worked out from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.indicators import (
    Indicator,
    Month,
    by_month,
    indicators,
    named,
    of_resource,
    rows_of,
    types_of,
)
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery, Rows
from fhir_server.subsystems.analytics.reports import definition
from fhir_server.subsystems.analytics.reports.desk import Desk
from fhir_server.subsystems.subsystem import ERASED, Portion
from fhir_server.subsystems.tracing import Link, Ways

# microseconds between two times that the rows of views are made before anybody asks, while somebody has asked lately,
# and while nobody has: a file of the lake that is rewritten meanwhile has them made once
REFRESH, SELDOM, LATELY = 60_000_000, 600_000_000, 600_000_000


class Analytics:
    """Keeps the lake up with the feed, answers from it, and writes the reports whose time has come.

    An indicator is worked out once for a state of the lake.
    """

    name = "analytics"
    types: tuple[str, ...] = ()
    pause = 5.0  # each portion costs the lake a commit for every type in it

    def __init__(self, lake: Lake, query: LakeQuery, folder: Path | None, desk: Desk) -> None:
        self.desk = desk
        self._lake = lake
        self._query = query
        self._folder = folder
        self._known: dict[str, tuple[int, Sequence[Month]]] = {}
        self._refreshed, self._refreshed_at = -1, 0
        self._asked = False  # whether somebody has since the time below
        self._asked_at = 0
        self._head = 0
        self._awaited = 0  # how far the lake must be before a report that is due is written
        self._asking = asyncio.Semaphore(2)
        self._counting: tuple[int, set[str]] = (0, set())  # at a position of the lake: types that indicators count

    def position(self) -> int:
        """How far the lake has been kept."""
        return self._lake.position()

    def take(self, portion: Portion) -> None:
        """Takes changes into the lake; what is erased leaves the rows of views too."""
        self._lake.take(portion)
        self._head = portion.head
        erased = [change.id for change in portion.changes if change.method == ERASED]
        if erased:
            self._query.refresh()
            self.desk.archive.withdraw(erased)

    async def work(self, client: FhirClient, now: int) -> None:
        """Makes the rows of views for what has come, so that who asks has few to wait for; writes and sends reports."""
        position = self.position()
        if self._asked:
            self._asked, self._asked_at = False, now
        pause = REFRESH if now - self._asked_at < LATELY else SELDOM
        if position != self._refreshed and now - self._refreshed_at >= pause:
            await asyncio.to_thread(self._query.refresh)
            self._refreshed, self._refreshed_at = position, now
        if position:
            await asyncio.to_thread(self._report, position, now)

    def _report(self, position: int, now: int) -> None:
        if self.desk.due(now):
            self._awaited = self._awaited or self._head
            if position >= self._awaited:
                self._awaited = 0
                self.desk.write_due(now)
        self.desk.send(now)

    async def report_now(self, name: str, period: str, now: int) -> bool:
        """Writes a report of a period and sends it; False where it is there, FhirError for a wrong name or period."""
        report = definition.named(self.desk.reports(), name)
        wanted = self.desk.ended(report, period, now)
        async with self._asking:
            new = await asyncio.to_thread(self.desk.write, report, wanted, now)
            await asyncio.to_thread(self.desk.send, now)
        return new

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
        position, self._asked = self.position(), True
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

    def links(self, reference: str) -> Ways:
        """From indicator/NAME/YYYY-MM to the resources that its value is made of, and from a resource to the indicators
        that it counts in; FhirError "not-found" for an indicator that is none, or has no rows then, "value" for what is
        no month."""
        kind, _, rest = reference.partition("/")
        if kind != "indicator":
            return Ways(forward=self._counted(reference) if kind[:1].isupper() else ())
        name, _, month = rest.partition("/")
        indicator = named(self.indicators(), name)
        found = rows_of(self._query, indicator, month).rows
        if not found:
            raise error("not-found", f"{indicator.title} has no rows in {month}.")
        return Ways([Link(row, indicator.title, _said(label, value, indicator.unit)) for row, label, value in found])

    def _counted(self, reference: str) -> list[Link]:
        """The indicators of months that a resource counts in, as links."""
        all, position = self.indicators(), self.position()
        if position and self._counting[0] != position:
            self._counting = position, types_of(self._query, list(all.values()))
        if not position or reference.partition("/")[0] not in self._counting[1]:
            return []
        found = of_resource(self._query, list(all.values()), reference)
        return [
            Link(f"indicator/{name}/{month}", all[name].title, _said(label, value, all[name].unit))
            for name, month, label, value in found
        ]

    async def ask(self, sql: str, rows: int, seconds: float) -> Rows:
        """The answer of one SELECT."""
        self._asked = True
        async with self._asking:
            return await asyncio.to_thread(self._query.ask_apart, sql, rows=rows, seconds=seconds)


def _said(label: str | None, value: float | None, unit: str) -> str:
    counted = f"{value:g} {unit}" if value is not None else ""
    return "; ".join(filter(None, (label, counted)))
