"""Indicators as data: SQL over the views that gives rows of a month, a value, a reference and a label."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.query import LakeQuery, Rows
from fhir_server.views.sql.value import text

SHIPPED = Path(__file__).with_name("kpis")
MONTH = r"\d{4}-(0[1-9]|1[0-2])"
AGGREGATES = {"count": "count(*)::DOUBLE", "sum": "sum(value)", "mean": "avg(value)"}


class Indicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One indicator. value: how a month's rows make its value; better: which side of the target is good; sql: lines."""

    name: str
    title: str
    unit: str
    value: Literal["count", "sum", "mean"]
    better: Literal["low", "high"]
    sql: list[str]
    target: float | None = None

    def met(self, value: float | None) -> bool | None:
        """Whether a value meets the target; None without one of them."""
        if self.target is None or value is None:
            return None
        return value <= self.target if self.better == "low" else value >= self.target


class Month(NamedTuple):
    """The value of a month (YYYY-MM), and of how many rows it is made; a mean of no rows is None."""

    month: str
    value: float | None
    rows: int


def indicators(folder: Path | None = None) -> dict[str, Indicator]:
    """Those that come with the server and those in a folder, by name; FhirError names a file that is not right."""
    found = {}
    for place in (SHIPPED, folder) if folder else (SHIPPED,):
        for file in sorted(place.glob("*.json")):
            try:
                indicator = msgspec.json.decode(file.read_bytes(), type=Indicator)
            except (msgspec.DecodeError, OSError) as problem:
                raise error("invalid", f"{file.name} is no indicator: {problem}.") from None
            found[indicator.name] = indicator
    return found


def named(all: dict[str, Indicator], name: str) -> Indicator:
    """The indicator of this name; FhirError "not-found" with the nearest one."""
    if name not in all:
        near = difflib.get_close_matches(name, all, 1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(all)}."
        raise error("not-found", f"There is no indicator {name[:100]}.{hint}")
    return all[name]


def by_month(asked: LakeQuery, indicator: Indicator) -> Sequence[Month]:
    """Its value of every month that has rows, oldest first; FhirError "value" where its months are none."""
    aggregate = AGGREGATES[indicator.value]
    sql = f"SELECT month, {aggregate}, count(*) FROM ({_sql(indicator)}) WHERE month IS NOT NULL GROUP BY 1 ORDER BY 1"
    found = [Month(*row) for row in asked.ask(sql).rows]
    for month in found:
        if not re.fullmatch(MONTH, str(month.month)):
            raise error("value", f"The indicator {indicator.name} has a month {month.month!r:.40}; they are YYYY-MM.")
    return found


def consecutive(indicator: Indicator, found: Sequence[Month], months: int, last: str = "") -> list[Month]:
    """The months up to the last one, else to the newest that has rows: so many, or from the first that has rows."""
    if not found or not months:
        return []
    by_name = {month.month: month for month in found}
    newest = _number(last or found[-1].month)
    nothing = None if indicator.value == "mean" else 0.0
    names = map(_name, range(max(_number(found[0].month), newest - months + 1), newest + 1))
    return [by_name.get(name) or Month(name, nothing, 0) for name in names]


def rows_of(asked: LakeQuery, indicator: Indicator, month: str) -> Rows:
    """What the value of a month is made of; FhirError "value" for what is no month."""
    if not re.fullmatch(MONTH, month):
        raise error("value", f"{month[:20]!r} is no month: months are YYYY-MM, such as 2026-10.")
    sql = f"SELECT reference, label, value FROM ({_sql(indicator)}) WHERE month = ? ORDER BY value DESC, reference"
    return asked.ask(sql, [month])


def of_resource(asked: LakeQuery, all: Sequence[Indicator], reference: str) -> Sequence[tuple[str, str, str, float]]:
    """The indicators and months that a resource counts in: name, month, label, value."""
    parts = " UNION ALL ".join(
        f"SELECT {text(each.name)} AS name, month, label, value FROM ({_sql(each)}) WHERE reference = $reference"
        for each in all
    )
    sql = f"SELECT * FROM ({parts}) WHERE month IS NOT NULL ORDER BY name, month"
    return [*asked.ask(sql, {"reference": reference}).rows] if all else []


def types_of(asked: LakeQuery, all: Sequence[Indicator]) -> set[str]:
    """The types of the resources that indicators count."""
    parts = " UNION ".join(f"SELECT split_part(reference, '/', 1) FROM ({_sql(each)})" for each in all)
    return {row[0] for row in asked.ask(parts).rows} if all else set()


def _number(month: str) -> int:
    year, of_year = month.split("-")
    return int(year) * 12 + int(of_year) - 1


def _name(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"


def _sql(indicator: Indicator) -> str:
    return "\n".join(indicator.sql)
