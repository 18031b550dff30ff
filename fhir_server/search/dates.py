"""Date texts as ranges: every FHIR date, of whatever precision, is the span of microseconds that it stands for.

`date_range("2013-01")` is the whole of that January, UTC where no time zone is given. Both extraction and parsing use
it, so that what is asked and what is stored agree. Specification: https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from functools import lru_cache

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FRACTIONS = (1_000_000, 100_000, 10_000, 1000, 100, 10, 1)


def _start_of_day(year: int, month: int, day: int) -> int:
    """Midnight UTC of a proleptic Gregorian date in microseconds since 1970; month and day may be one too far."""
    if month > 2:
        month -= 3
    else:
        month += 9
        year -= 1
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
    return days * DAY


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and year % 4 == 0 and (year % 100 or year % 400 == 0) else _DAYS[month]


@lru_cache(maxsize=1 << 15)
def _day_range(text: str) -> tuple[int, int] | None:
    """The span of YYYY, YYYY-MM or YYYY-MM-DD in UTC; None for anything else."""
    parts = text.split("-")
    if not text.isascii() or [len(part) for part in parts] != [4, 2, 2][: len(parts)] or not _all_digits(parts):
        return None
    year = int(parts[0])
    if len(parts) == 1:
        return _start_of_day(year, 1, 1), _start_of_day(year + 1, 1, 1) - 1
    month = int(parts[1])
    if not 1 <= month <= 12:
        return None
    if len(parts) == 2:
        start = _start_of_day(year, month, 1)
        return start, start + _days_in(year, month) * DAY - 1
    day = int(parts[2])
    if not 1 <= day <= _days_in(year, month):
        return None
    start = _start_of_day(year, month, day)
    return start, start + DAY - 1


def _all_digits(parts: list[str]) -> bool:
    return all(part.isdigit() for part in parts)


@lru_cache(maxsize=1 << 11)
def _minute(text: str) -> int | None:
    """Microseconds into the day of Thh:mm; None for anything else."""
    digits = text[1:3] + text[4:]
    if len(text) != 6 or text[0] != "T" or text[3] != ":" or not digits.isdigit() or text[1:3] > "24" or text[4] > "5":
        return None
    return int(text[1:3]) * HOUR + int(text[4:]) * MINUTE


@lru_cache(maxsize=1 << 15)
def _rest(text: str) -> tuple[int, int] | None:
    """(what to add to the minute, precision) of :ss, its fraction and the time zone, each of which may be missing."""
    added, precision, zone = 0, MINUTE, text
    if text[:1] == ":":
        seconds = text[1:3]
        if len(seconds) != 2 or not seconds.isdigit() or seconds > "60":
            return None
        added, precision, zone = int(seconds) * SECOND, SECOND, text[3:]
        if zone[:1] == ".":
            zone = zone[1:].lstrip("0123456789")
            fraction = text[4 : len(text) - len(zone)]
            if not fraction:
                return None
            precision = _FRACTIONS[len(fraction[:6])]
            added += int(fraction[:6]) * precision
    offset = _time_zone(zone)
    return None if offset is None else (added - offset, precision)


def _time_zone(text: str) -> int | None:
    """The offset that Z, +hh:mm, -hh:mm or nothing stands for, in microseconds; None for anything else."""
    if text in ("", "Z"):
        return 0
    digits = text[1:3] + text[4:]
    if len(text) != 6 or text[0] not in "+-" or text[3] != ":" or not digits.isdigit() or digits > "1459":
        return None
    offset = int(text[1:3]) * HOUR + int(text[4:]) * MINUTE
    return -offset if text[0] == "-" else offset


def date_range(text: str) -> tuple[int, int] | None:
    """The first and last microsecond since 1970 UTC that the text stands for; None where it is no FHIR date.

    Takes date, dateTime and instant, and times without seconds as search allows them.
    """
    if len(text) <= 10:
        return _day_range(text)
    if len(text) > 64 or not text.isascii():
        return None
    day, minute, rest = _day_range(text[:10]), _minute(text[10:16]), _rest(text[16:])
    if day is None or minute is None or rest is None:
        return None
    low = day[0] + minute + rest[0]
    return low, low + rest[1] - 1
