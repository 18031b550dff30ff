"""The least and the greatest value that a value of limited precision can stand for (lowBoundary, highBoundary)."""

from __future__ import annotations

import calendar
import decimal
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from fhir_server.fhirpath.numbers import CONTEXT, decimals
from fhir_server.fhirpath.quantity import Quantity
from fhir_server.fhirpath.temporal import Temporal

DECIMAL_DIGITS, MAX_DECIMAL_DIGITS = 8, 28
# the zone in which a time comes first, and the one in which it comes last, in minutes east of UTC
_FIRST_ZONE, _LAST_ZONE = 14 * 60, -12 * 60
# the digits that a dateTime is counted to -> how many parts that is
_DATE_PARTS = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 7}
_TIME_PARTS = {2: 1, 4: 2, 6: 3, 9: 4}


def boundary(value: Any, digits: int | None, *, high: bool) -> Any:
    """The boundary to so many digits: decimals of a number, characters of a date or time as precision() counts them.

    None where there is no such precision.
    """
    if isinstance(value, Quantity):
        number = _decimal(value.value, digits, high=high)
        return None if number is None else value._replace(value=number)
    if isinstance(value, Temporal):
        return _time(value, digits, high=high) if value.kind == "time" else _date(value, digits, high=high)
    return _decimal(Decimal(value), digits, high=high)


def _decimal(value: Decimal, digits: int | None, *, high: bool) -> Decimal | None:
    digits = DECIMAL_DIGITS if digits is None else digits
    if not 0 <= digits <= MAX_DECIMAL_DIGITS:
        return None
    try:
        half = Decimal(5).scaleb(-decimals(value) - 1)
        edge = CONTEXT.add(value, half if high else -half)
        # towards zero the digits beyond are cut off, away from zero they are rounded, as the official suite has it
        away = (value >= 0) == high
        return edge.quantize(
            Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP if away else ROUND_DOWN, context=CONTEXT
        )
    except decimal.DecimalException:
        return None


def _date(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    digits = digits if digits is not None else 8 if value.kind == "date" else 17
    wanted = _DATE_PARTS.get(digits)
    if wanted is None or (value.kind == "date" and wanted > 3):
        return None
    parts = list(value.parts)
    if len(parts) == 4:
        parts.append(0)  # FHIR has no hour without its minutes
    for position in range(len(parts), 6):
        parts.append(_edge(parts, position, high=high))
    if wanted <= 3:
        return Temporal(value.kind, tuple(parts[:wanted]))
    zone = value.offset if value.offset is not None else _LAST_ZONE if high else _FIRST_ZONE
    fraction = _fraction(value, 6, high=high) if wanted == 7 else ""
    return Temporal(value.kind, tuple(parts[: min(wanted, 6)]), fraction, zone)


def _edge(parts: list[int], position: int, *, high: bool) -> int:
    if not high:
        return 1 if position < 3 else 0
    if position == 2:
        return calendar.monthrange(parts[0], parts[1])[1]
    return (9999, 12, 31, 23, 59, 59)[position]


def _fraction(value: Temporal, seconds: int, *, high: bool) -> str:
    if len(value.parts) == seconds and value.fraction:
        return value.fraction[:3].ljust(3, "9" if high else "0")
    return "999" if high else "000"


def _time(value: Temporal, digits: int | None, *, high: bool) -> Temporal | None:
    wanted = _TIME_PARTS.get(9 if digits is None else digits)
    if wanted is None:
        return None
    parts = list(value.parts)
    parts += [(59 if high else 0)] * (3 - len(parts))
    fraction = _fraction(value, 3, high=high) if wanted == 4 else ""
    return Temporal("time", tuple(parts[: min(wanted, 3)]), fraction)
