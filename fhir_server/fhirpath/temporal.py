"""Dates, dateTimes and times of partial precision (https://hl7.org/fhirpath/#datetime, #comparison).

A Temporal keeps exactly the parts that were given; what is missing is unknown, so that comparisons can be too.
"""

from __future__ import annotations

import calendar
import datetime
import re
from typing import NamedTuple

from fhir_server.fhirpath.errors import FhirPathError

_DATE = r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?"
_TIME = r"(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
_OFFSET = r"(Z|[+\-]\d\d:\d\d)?"
_DATE_PATTERN = re.compile(_DATE)
_TIME_PATTERN = re.compile(f"T?{_TIME}")
_DATE_TIME_PATTERN = re.compile(f"{_DATE}(?:T(?:{_TIME}{_OFFSET})?)?")
_LIMITS = ((1, 9999), (1, 12), (1, 31), (0, 23), (0, 59), (0, 60))


class Temporal(NamedTuple):
    """A date, dateTime or time.

    kind: date | dateTime | time; parts: year, month, day, hour, minute, second (a time: hour, minute, second), as many
    as are known; fraction: the digits after the second's point; offset: minutes east of UTC, None where not said.
    """

    kind: str
    parts: tuple[int, ...]
    fraction: str = ""
    offset: int | None = None

    def __str__(self) -> str:
        if self.kind == "time":
            return _clock(self.parts, self.fraction)
        date = "-".join(f"{part:0{4 if i == 0 else 2}d}" for i, part in enumerate(self.parts[:3]))
        if len(self.parts) <= 3:
            return date
        return f"{date}T{_clock(self.parts[3:], self.fraction)}{format_offset(self.offset)}"

    @property
    def digits(self) -> int:
        """The precision as FHIRPath counts it: 4 for a year, 8 for a day, 17 for a millisecond; a time's less 8."""
        seconds = 3 if self.kind == "time" else 6
        parts = len(self.parts)
        counted = 2 * parts if self.kind == "time" else 2 + 2 * parts
        return counted + (len(self.fraction) if parts == seconds else 0)


def _clock(parts: tuple[int, ...], fraction: str) -> str:
    text = ":".join(f"{part:02d}" for part in parts)
    return f"{text}.{fraction}" if fraction else text


def format_offset(offset: int | None) -> str:
    """Minutes east of UTC as Z or +hh:mm; "" for None."""
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def _valid(parts: tuple[int, ...], first: int) -> bool:
    if not all(low <= part <= high for part, (low, high) in zip(parts, _LIMITS[first:], strict=False)):
        return False
    return first > 0 or len(parts) < 3 or parts[2] <= calendar.monthrange(parts[0], parts[1])[1]


def _numbers(groups: tuple[str | None, ...]) -> tuple[int, ...]:
    return tuple(int(group) for group in groups if group is not None)


def _parse_offset(text: str | None) -> int | None:
    if not text:
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def parse_date(text: str) -> Temporal | None:
    """YYYY, YYYY-MM or YYYY-MM-DD as a date; None where it is none."""
    match = _DATE_PATTERN.fullmatch(text)
    parts = _numbers(match.groups()) if match else ()
    return Temporal("date", parts) if parts and _valid(parts, 0) else None


def parse_time(text: str) -> Temporal | None:
    """hh, hh:mm, hh:mm:ss or hh:mm:ss.fff, with or without a T in front, as a time; None where it is none."""
    match = _TIME_PATTERN.fullmatch(text)
    if not match:
        return None
    parts = _numbers(match.groups()[:3])
    return Temporal("time", parts, match[4] or "") if _valid(parts, 3) else None


def parse_date_time(text: str) -> Temporal | None:
    """A date, or a date with T and a time of any precision and a zone, as a dateTime; None where it is none."""
    match = _DATE_TIME_PATTERN.fullmatch(text)
    if not match:
        return None
    parts = _numbers(match.groups()[:6])
    if not _valid(parts, 0):
        return None
    return Temporal("dateTime", parts, match[7] or "", _parse_offset(match[8]))


def parse_literal(text: str, position: int) -> Temporal:
    """@2015, @2015-02T, @2015-02-04T14:34+01:00, @T14:34 as a Temporal. Raises FhirPathError, kind syntax."""
    body = text[1:]
    if body.startswith("T"):
        value = parse_time(body)
    elif "T" in body:
        value = parse_date_time(body)
    else:
        value = parse_date(body)
    if value is None:
        raise FhirPathError("syntax", f"`{text}` names no day or time that exists", position)
    return value


def from_datetime(moment: datetime.datetime) -> Temporal:
    """A moment with a zone as a dateTime to the millisecond."""
    offset = moment.utcoffset()
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    minutes = int(offset.total_seconds() // 60) if offset is not None else None
    return Temporal("dateTime", parts, f"{moment.microsecond // 1000:03d}", minutes)


def to_datetime(value: Temporal) -> datetime.datetime:
    """The first moment of a date or dateTime, without zone; to the microsecond. OverflowError past year 9999."""
    year, month, day, hour, minute, second = (*value.parts, *(None, 1, 1, 0, 0, 0)[len(value.parts) :])
    micro = int(value.fraction[:6].ljust(6, "0")) if value.fraction else 0
    leap = second == 60
    moment = datetime.datetime(
        year or 1, month or 1, day or 1, hour or 0, minute or 0, 59 if leap else second or 0, micro
    )
    return moment + datetime.timedelta(seconds=1) if leap else moment


def _key(value: Temporal) -> tuple[int, ...]:
    """Parts that compare in order: seconds with their fraction count as one part, in nanoseconds."""
    parts = value.parts
    seconds = 3 if value.kind == "time" else 6
    if len(parts) < seconds:
        return parts
    fraction = int(value.fraction[:9].ljust(9, "0")) if value.fraction else 0
    return (*parts[:-1], parts[-1] * 1_000_000_000 + fraction)


def _in_utc(value: Temporal) -> Temporal:
    if not value.offset or len(value.parts) < 4:
        return value
    try:
        moment = to_datetime(value._replace(fraction="")) - datetime.timedelta(minutes=value.offset)
    except OverflowError:
        return value
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    return Temporal(value.kind, parts[: len(value.parts)], value.fraction, 0)


# the zones of the world, in minutes east of UTC: what is not said can be any of them
_EARLIEST_ZONE, _LATEST_ZONE = 14 * 60, -12 * 60


def _span(value: Temporal) -> tuple[datetime.datetime, datetime.datetime]:
    """The first and the last moment, UTC, that this can mean, whatever its zone."""
    low = to_datetime(value)
    parts = value.parts
    if len(parts) == 1:
        high = low.replace(month=12, day=31, hour=23, minute=59, second=59, microsecond=999999)
    elif len(parts) == 2:
        last = calendar.monthrange(parts[0], parts[1])[1]
        high = low.replace(day=last, hour=23, minute=59, second=59, microsecond=999999)
    else:
        length = {3: 86400, 4: 3600, 5: 60}.get(len(parts), 0)
        high = low + datetime.timedelta(seconds=length) - datetime.timedelta(microseconds=1) if length else low
    east, west = (value.offset, value.offset) if value.offset is not None else (_EARLIEST_ZONE, _LATEST_ZONE)
    return low - datetime.timedelta(minutes=east), high - datetime.timedelta(minutes=west)


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where the precision or a missing zone leaves it open. Both are times, or neither is."""
    if left.offset != right.offset:
        if left.offset is None or right.offset is None:
            try:
                (low, high), (other_low, other_high) = _span(left), _span(right)
            except OverflowError:
                return None
            return -1 if high < other_low else 1 if low > other_high else None
        left, right = _in_utc(left), _in_utc(right)
    a, b = _key(left), _key(right)
    for x, y in zip(a, b, strict=False):
        if x != y:
            return -1 if x < y else 1
    return 0 if len(a) == len(b) else None


def compare_text(left: str, right: str, parse_left=parse_date_time, parse_right=parse_date_time) -> int | None:
    """compare() of two FHIR date, dateTime or instant texts; quick where they have one shape and zone."""
    length = len(left)
    if length == len(right) and (length <= 10 or left[-1] == "Z" == right[-1] or left[-6:] == right[-6:]):
        return -1 if left < right else 0 if left == right else 1
    a, b = parse_left(left), parse_right(right)
    return None if a is None or b is None else compare(a, b)
