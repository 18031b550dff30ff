"""Dates and times plus durations, and what lies between two of them (https://hl7.org/fhirpath/#datetime-arithmetic)."""

from __future__ import annotations

import calendar
import datetime
from decimal import Decimal

from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.quantity import UCUM_TO_CALENDAR, Quantity
from fhir_server.fhirpath.temporal import Temporal, to_datetime

_UNITS = ("year", "month", "day", "hour", "minute", "second", "millisecond")
_MILLISECONDS = {
    "week": 7 * 86_400_000, "day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1000, "millisecond": 1,
}  # fmt: skip
_LONGEST = 10**15
# what a month and a year count as where a duration is finer than the value that it is added to
_DAYS = {"month": 30, "year": 365}
_DATE_PARTS = {"year": 1, "month": 2, "day": 3, "hour": 4, "minute": 5, "second": 6}


def add_quantity(value: Temporal, duration: Quantity) -> Temporal:
    """The date, dateTime or time moved by a duration. FhirPathError for units that can't move it, and out of range.

    Fractions count for seconds and milliseconds of the calendar; other units, and UCUM's, move by whole ones.
    """
    unit = duration.calendar or UCUM_TO_CALENDAR.get(duration.unit, "")
    if not unit or (duration.ucum and unit in ("year", "month")):
        raise FhirPathError(
            "execution", f"A {value.kind} can't be moved by {duration}; use calendar units such as days"
        )
    if abs(duration.value) > _LONGEST:
        raise FhirPathError("execution", f"{duration} is longer than time can be moved by")
    if value.kind == "time":
        return _add_to_time(value, duration, unit)
    amount = int(duration.value)
    try:
        if unit in ("year", "month"):
            return _add_months(value, amount * 12 if unit == "year" else amount, unit)
        return _add_milliseconds(value, _milliseconds(duration, unit), unit, amount)
    except (OverflowError, ValueError):
        raise FhirPathError("execution", f"{value} moved by {duration} lies outside of the years 1 to 9999") from None


def _milliseconds(duration: Quantity, unit: str) -> int:
    exact = unit in ("second", "millisecond") and not duration.ucum
    amount = duration.value if exact else Decimal(int(duration.value))
    return int(amount * _MILLISECONDS[unit])


def _add_months(value: Temporal, months: int, unit: str) -> Temporal:
    if len(value.parts) == 1:
        years = int(Decimal(months) / 12)
        return _with_year(value, value.parts[0] + years)
    total = value.parts[0] * 12 + value.parts[1] - 1 + months
    year, month = divmod(total, 12)
    return _with_day(value, year, month + 1)


def _with_year(value: Temporal, year: int) -> Temporal:
    if not 1 <= year <= 9999:
        raise ValueError
    return value._replace(parts=(year,))


def _with_day(value: Temporal, year: int, month: int) -> Temporal:
    if not 1 <= year <= 9999:
        raise ValueError
    parts = value.parts
    day = (min(parts[2], calendar.monthrange(year, month)[1]),) if len(parts) > 2 else ()
    return value._replace(parts=(year, month, *day, *parts[3:]))


def _add_milliseconds(value: Temporal, milliseconds: int, unit: str, amount: int) -> Temporal:
    parts = value.parts
    if len(parts) < 3:  # the finest part of the value is coarser than a day: whole months or years only
        days = Decimal(milliseconds) / _MILLISECONDS["day"]
        if len(parts) == 1:
            return _with_year(value, parts[0] + int(days / _DAYS["year"]))
        return _add_months(value, int(days / _DAYS["month"]), "month")
    finest = _UNITS[len(parts) - 1]
    if finest != "second":
        step = _MILLISECONDS[finest]
        milliseconds = int(Decimal(milliseconds) / step) * step
    moved = to_datetime(value) + datetime.timedelta(milliseconds=milliseconds)
    fields = (moved.year, moved.month, moved.day, moved.hour, moved.minute, moved.second)
    return value._replace(parts=fields[: len(parts)], fraction=_fraction(value, moved.microsecond, milliseconds))


def _fraction(value: Temporal, microsecond: int, milliseconds: int) -> str:
    if len(value.parts) < (3 if value.kind == "time" else 6):
        return ""
    digits = max(len(value.fraction), 3 if milliseconds % 1000 else 0)
    return f"{microsecond:06d}".ljust(digits, "0")[:digits]


def _add_to_time(value: Temporal, duration: Quantity, unit: str) -> Temporal:
    if unit in ("year", "month", "week", "day"):
        raise FhirPathError("execution", f"A time can't be moved by {duration}; use hours or finer")
    day = datetime.datetime(2000, 1, 1)
    parts = (*value.parts, 0, 0, 0)[:3]
    micro = int(value.fraction[:6].ljust(6, "0")) if value.fraction else 0
    finest = ("hour", "minute", "second")[len(value.parts) - 1]
    milliseconds = _milliseconds(duration, unit) % 86_400_000
    if finest != "second":
        milliseconds -= milliseconds % _MILLISECONDS[finest]
    moved = day.replace(hour=parts[0], minute=parts[1], second=min(parts[2], 59), microsecond=micro)
    moved += datetime.timedelta(milliseconds=milliseconds)
    fields = (moved.hour, moved.minute, moved.second)[: len(value.parts)]
    return value._replace(parts=fields, fraction=_fraction(value, moved.microsecond, milliseconds))


def _moment(value: Temporal, *, utc: bool) -> datetime.datetime:
    if value.kind == "time":
        hour, minute, second = (*value.parts, 0, 0, 0)[:3]
        micro = int(value.fraction[:6].ljust(6, "0")) if value.fraction else 0
        return datetime.datetime(2000, 1, 1, hour, minute, min(second, 59), micro)
    moment = to_datetime(value)
    return moment - datetime.timedelta(minutes=value.offset) if utc and value.offset else moment


def _precise_enough(value: Temporal, unit: str) -> bool:
    if unit == "millisecond":
        return bool(value.fraction)
    needed = _DATE_PARTS["day" if unit == "week" else unit]
    return len(value.parts) >= (needed - 3 if value.kind == "time" else needed)


def _checked(left: Temporal, right: Temporal, unit: str) -> bool:
    kinds = {left.kind, right.kind}
    units = {"year", "month", "week", "day"}
    if "time" in kinds:
        allowed = set(_MILLISECONDS) - {"week", "day"} if kinds == {"time"} else set()
    else:
        allowed = units | set(_MILLISECONDS)
    if unit not in allowed:
        raise FhirPathError("execution", f"`{unit}` is no unit for what lies between a {left.kind} and a {right.kind}")
    return _precise_enough(left, unit) and _precise_enough(right, unit)


def whole_periods(left: Temporal, right: Temporal, unit: str) -> int | None:
    """How many whole units lie between two values: duration(). None where one is not that precise."""
    if not _checked(left, right, unit):
        return None
    utc = unit in ("hour", "minute", "second", "millisecond")
    first, last = _moment(left, utc=utc), _moment(right, utc=utc)
    if unit in ("year", "month"):
        return _whole_months(first, last) if unit == "month" else int(Decimal(_whole_months(first, last)) / 12)
    elapsed = (last - first) // datetime.timedelta(milliseconds=1)
    return int(Decimal(elapsed) / _MILLISECONDS[unit])


def _whole_months(first: datetime.datetime, last: datetime.datetime) -> int:
    if last < first:
        return -_whole_months(last, first)
    months = (last.year - first.year) * 12 + last.month - first.month
    day = min(first.day, calendar.monthrange(last.year, last.month)[1])
    return months - 1 if (last.day, last.time()) < (day, first.time()) else months


def boundaries_crossed(left: Temporal, right: Temporal, unit: str) -> int | None:
    """How often a unit begins between two values: difference(). None where one is not that precise."""
    if not _checked(left, right, unit):
        return None
    utc = unit in ("hour", "minute", "second", "millisecond")
    first, last = _moment(left, utc=utc), _moment(right, utc=utc)
    if unit == "year":
        return last.year - first.year
    if unit == "month":
        return (last.year - first.year) * 12 + last.month - first.month
    if unit == "week":  # weeks begin on Sunday; day 1 of the calendar was a Monday
        return last.toordinal() // 7 - first.toordinal() // 7
    step = datetime.timedelta(milliseconds=_MILLISECONDS[unit])
    epoch = datetime.datetime(1, 1, 1)
    return (last - epoch) // step - (first - epoch) // step
