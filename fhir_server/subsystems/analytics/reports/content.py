"""What a report says, worked out once; its files are made of it whenever they are wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fhir_server.core.errors import FhirError, error
from fhir_server.subsystems.analytics.indicators import Indicator, by_month, consecutive, named
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.analytics.reports.definition import Report
from fhir_server.subsystems.analytics.reports.periods import Period

MOST_ROWS = 10_000
BOUNDS = ("start", "end")


class Measured(msgspec.Struct, frozen=True):
    """An indicator; months: (YYYY-MM, value, of how many rows, whether it meets the target), oldest first."""

    name: str
    title: str
    unit: str
    target: float | None
    months: list[tuple[str, float | None, int, bool | None]]


class Answered(msgspec.Struct, frozen=True):
    """The answer of a question; more: whether it had more rows than a report takes."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    more: bool


class Content(msgspec.Struct, frozen=True):
    """A report of a period; made: when, as text in the hospital's time; position: how far in the feed the lake was."""

    name: str
    title: str
    period: str
    made: str
    position: int
    indicators: list[Measured]
    tables: list[Answered]


def content(
    asked: LakeQuery,
    report: Report,
    period: Period,
    *,
    all: Mapping[str, Indicator],
    zone: ZoneInfo,
    made: str,
    position: int,
) -> Content:
    """Asks the lake; FhirError that says which part of the report can't be answered."""
    wanted = list(all) if report.indicators == ["*"] else report.indicators
    return Content(
        report.name,
        report.title,
        period.name,
        made,
        position,
        [_measured(asked, named(dict(all), name), period, report.months) for name in wanted],
        [_answered(asked, question.title, "\n".join(question.sql), period, zone) for question in report.questions],
    )


def _measured(asked: LakeQuery, indicator: Indicator, period: Period, months: int) -> Measured:
    last = f"{period.last:%Y-%m}"
    try:
        found = by_month(asked, indicator)
    except FhirError as problem:
        raise error("value", f"The indicator {indicator.name}: {problem}") from None
    shown = consecutive(indicator, found, months, last)
    return Measured(
        indicator.name,
        indicator.title,
        indicator.unit,
        indicator.target,
        [(month.month, month.value, month.rows, indicator.met(month.value)) for month in shown],
    )


def _answered(asked: LakeQuery, title: str, sql: str, period: Period, zone: ZoneInfo) -> Answered:
    bounds = dict(zip(BOUNDS, period.bounds(zone), strict=True))
    given = {name: bounds[name] for name in BOUNDS if re.search(rf"\${name}\b", sql)}
    try:
        found = asked.ask(sql, given, rows=MOST_ROWS)
    except FhirError as problem:
        raise error("value", f"The question {title[:100]!r}: {problem}") from None
    return Answered(title, found.columns, [[_plain(value) for value in row] for row in found.rows], found.more)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | str | None) else str(value)
