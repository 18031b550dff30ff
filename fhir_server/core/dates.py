"""Dates and times of any precision as spans of microseconds since 1970 UTC."""

from __future__ import annotations

import datetime
import re

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?\Z"
)
_EPOCH = datetime.datetime(1970, 1, 1)
_SECOND = 1_000_000


def span(text: str) -> tuple[int, int]:
    """The first and last microsecond that a date, dateTime or instant stands for; no zone means UTC.

    ValueError where it isn't one. https://hl7.org/fhir/R4/search.html#date
    """
    match = _DATE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no date or time")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    low = datetime.datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0))
    start = (low - _EPOCH) // datetime.timedelta(microseconds=1)
    if month is None:
        high = _first_of(int(year) + 1, 1)
    elif day is None:
        high = _first_of(int(year) + int(month) // 12, int(month) % 12 + 1)
    elif hour is None:
        high = start + 86_400 * _SECOND
    elif second is None:
        high = start + 60 * _SECOND
    else:
        if int(second) > 60:
            raise ValueError(f"{text!r} has no such second")
        start += int(second) * _SECOND + int((fraction or "").ljust(6, "0")[:6])
        high = start + 10 ** (6 - min(len(fraction), 6)) if fraction else start + _SECOND
    shift = _offset(zone) * _SECOND
    return start - shift, high - shift - 1


def _first_of(year: int, month: int) -> int:
    """Midnight of a month's first day; the year 10000 is the end of time for datetime."""
    if year > 9999:
        return _first_of(9999, 12) + 31 * 86_400 * _SECOND
    return (datetime.datetime(year, month, 1) - _EPOCH) // datetime.timedelta(microseconds=1)


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    if zone is None or zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError(f"{zone!r} is no time zone")
    seconds = hours * 3600 + minutes * 60
    return -seconds if zone[0] == "-" else seconds
