"""Days, weeks and months of the hospital's own calendar, and which of them has ended."""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fhir_server.core.errors import error

DAY = datetime.timedelta(days=1)


class Period(NamedTuple):
    """name: 2026-11-26, 2026-W48 or 2026-11; first and last: its days, both in it."""

    name: str
    first: datetime.date
    last: datetime.date

    def bounds(self, zone: ZoneInfo) -> tuple[datetime.datetime, datetime.datetime]:
        """When it begins and when it has ended, in UTC without a zone, as the lake's moments are."""
        return _utc(self.first, zone), _utc(self.last + DAY, zone)


def holding(every: str, day: datetime.date) -> Period:
    """The day, week or month that a day is in."""
    if every == "day":
        return Period(day.isoformat(), day, day)
    if every == "week":
        year, week, number = day.isocalendar()
        first = day - (number - 1) * DAY
        return Period(f"{year:04}-W{week:02}", first, first + 6 * DAY)
    first = day.replace(day=1)
    return Period(f"{first:%Y-%m}", first, (first + 31 * DAY).replace(day=1) - DAY)


def ended(every: str, at: str, now: int, zone: ZoneInfo) -> Period:
    """The last one whose time of writing has come; now: microseconds since 1970."""
    day = (_local(now, zone) - _clock(at)).date()
    return holding(every, holding(every, day).first - DAY)


def next_due(every: str, at: str, now: int, zone: ZoneInfo) -> datetime.datetime:
    """When the next one is written, in the hospital's time."""
    day = (_local(now, zone) - _clock(at)).date()
    midnight = datetime.datetime.combine(holding(every, day).last + DAY, datetime.time())
    return (midnight + _clock(at)).replace(tzinfo=zone)


def parsed(every: str, name: str) -> Period:
    """The period of this name; FhirError "value" that says how one is written."""
    pattern, example = {
        "day": (r"\d{4}-\d\d-\d\d", "2026-11-26"),
        "week": (r"\d{4}-W\d\d", "2026-W48"),
        "month": (r"\d{4}-\d\d", "2026-11"),
    }[every]
    try:
        if not re.fullmatch(pattern, name, re.ASCII):
            raise ValueError
        day = datetime.date.fromisoformat({"day": name, "week": f"{name}-1", "month": f"{name}-01"}[every])
        return holding(every, day)
    except (ValueError, OverflowError):
        raise error("value", f"This report is of a {every}, such as {example}, not {name[:40]!r}.") from None


def _local(now: int, zone: ZoneInfo) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now / 1_000_000, zone).replace(tzinfo=None)


def _clock(at: str) -> datetime.timedelta:
    hours, minutes = at.split(":")
    return datetime.timedelta(hours=int(hours), minutes=int(minutes))


def _utc(day: datetime.date, zone: ZoneInfo) -> datetime.datetime:
    local = datetime.datetime.combine(day, datetime.time(), zone)
    return local.astimezone(datetime.UTC).replace(tzinfo=None)
