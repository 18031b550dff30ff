"""What date parameters search (https://hl7.org/fhir/R4/search.html#date)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.values import DATE, MAX_DATE, MIN_DATE
from fhir_server.search.dates import date_range
from fhir_server.search.extract.adding import Add


def add_date(add: Add, field: str, value: str) -> None:
    """A date, dateTime or instant; a string that is one."""
    found = date_range(value)
    if found:
        add((DATE, field, *found))


def add_period(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Period, open where it has no start or no end."""
    low, high = _limits(value)
    if low != MIN_DATE or high != MAX_DATE:
        add((DATE, field, low, high))


def add_timing(add: Add, field: str, value: dict[str, Any]) -> None:
    """A Timing by its outer limits: of its events and of the period that it repeats in."""
    ranges = [found for event in value.get("event", ()) if event and (found := date_range(event))]
    period = value.get("repeat", {}).get("boundsPeriod")
    if period:
        ranges.append(_limits(period))
    if ranges:
        add((DATE, field, min(low for low, _ in ranges), max(high for _, high in ranges)))


def _limits(period: dict[str, Any]) -> tuple[int, int]:
    start = date_range(period["start"]) if "start" in period else None
    end = date_range(period["end"]) if "end" in period else None
    return start[0] if start else MIN_DATE, end[1] if end else MAX_DATE
