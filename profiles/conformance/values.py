"""Fixed values, patterns, lengths and bounds (https://hl7.org/fhir/R4/elementdefinition.html)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from fhir_server.definitions import ucum
from fhir_server.fhirpath import FhirPathError, strings
from profiles.snapshot.registry import BASE
from profiles.structure.problems import Problem, Problems, problem, shown

Json = dict[str, Any]
ValueCheck = Callable[[Any], "Problems | None"]


def stated(element: Json, prefix: str) -> tuple[str, Any] | None:
    """(property name, value) of fixed[x], pattern[x], minValue[x] or maxValue[x]; None where there is none."""
    for key, value in element.items():
        if key.startswith(prefix) and len(key) > len(prefix) and key[len(prefix)].isupper():
            return key, value
    return None


def equal(value: Any, expected: Any) -> bool:
    """Whether JSON values are equal; true is not 1."""
    if isinstance(expected, bool) or isinstance(value, bool):
        return value is expected
    if isinstance(expected, dict):
        return (
            isinstance(value, dict)
            and value.keys() == expected.keys()
            and all(equal(value[key], item) for key, item in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(equal(one, other) for one, other in zip(value, expected, strict=True))
        )
    return value == expected


def matches(value: Any, pattern: Any) -> bool:
    """Whether a value has all that a pattern has; each item of a pattern's array is somewhere in the value's."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and matches(value[key], item) for key, item in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(matches(one, item) for one in value) for item in pattern)
    return equal(value, pattern)


def summary(value: Any) -> str:
    """A value as a message names it: codes as system|code."""
    if isinstance(value, dict):
        if "coding" in value:
            return " and ".join(summary(coding) for coding in value["coding"])
        if "code" in value:
            return f"{value['system']}|{value['code']}" if "system" in value else str(value["code"])
        return ", ".join(f"{key} {summary(item)}" for key, item in list(value.items())[:5])
    if isinstance(value, list):
        return " and ".join(summary(item) for item in value[:5])
    return str(value).lower() if isinstance(value, bool) else str(value)


def fixed_check(expected: Any) -> ValueCheck:
    """fixed[x]: exactly this."""

    plain = isinstance(expected, str)

    def check(value: Any) -> Problems | None:
        if value == expected if plain else equal(value, expected):
            return None
        return problem("fixed", "value", f"must be {summary(expected)}{_found(value)}")

    return check


def pattern_check(expected: Any) -> ValueCheck:
    """pattern[x]: at least this."""

    def check(value: Any) -> Problems | None:
        if matches(value, expected):
            return None
        return problem("pattern", "value", f"must have {summary(expected)}{_found(value)}")

    return check


def _found(value: Any) -> str:
    return f", not {shown(summary(value))}" if value not in (None, {}, []) else ""


def max_length_check(limit: int) -> ValueCheck:
    """maxLength: characters of a string."""

    def check(value: Any) -> Problems | None:
        if not isinstance(value, str) or len(value) <= limit:
            return None
        return problem("max-length", "too-long", f"{len(value)} characters are too long: {limit} are the limit")

    return check


def min_length_check(limit: int) -> ValueCheck:
    """minLength: characters of a string."""

    def check(value: Any) -> Problems | None:
        if not isinstance(value, str) or len(value) >= limit:
            return None
        return problem("min-length", "value", f"{len(value)} characters are too short: {limit} are the least")

    return check


def decimal_places_check(limit: int) -> ValueCheck:
    """maxDecimalPlaces: of a decimal."""

    def check(value: Any) -> Problems | None:
        if not isinstance(value, Decimal) or -int(value.as_tuple().exponent) <= limit:
            return None
        return problem("max-decimal-places", "value", f"{value} has more decimal places than {limit}, the most allowed")

    return check


def regex_check(expression: str, unread: str, hint: str = "") -> ValueCheck:
    """regex: of a string as a whole. unread: what is said of an expression that is none; hint: behind the form."""

    def check(value: Any) -> Problems | None:
        try:
            if not isinstance(value, str) or strings.matchesFull(value, expression):
                return None
        except FhirPathError as failure:
            return [Problem("regex", "processing", f"{unread}: {failure.message}", severity="warning")]
        return problem("regex", "value", f"{shown(value)} is not of the form {expression}{hint}")

    return check


def extended_checks(element: Json) -> Iterator[ValueCheck]:
    """The checks of what R4's extensions of an ElementDefinition say: minLength, maxDecimalPlaces and regex."""
    for extension in element.get("extension", ()):
        url, value = extension.get("url"), stated(extension, "value")
        if url == BASE + "minLength" and value and isinstance(value[1], int):
            yield min_length_check(value[1])
        elif url == BASE + "maxDecimalPlaces" and value and isinstance(value[1], int):
            yield decimal_places_check(value[1])
        elif url == BASE + "regex" and value and isinstance(value[1], str):
            yield regex_check(value[1], "could not be checked by the regex of the profile")


def bounds_check(low: Any, high: Any) -> ValueCheck:
    """minValue[x] and maxValue[x]; None for no bound. What can't be compared passes."""

    def check(value: Any) -> Problems | None:
        if low is not None and _compare(value, low) == -1:
            return problem(
                "min-value", "value", f"{shown(summary(value))} is less than {summary(low)}, the least allowed"
            )
        if high is not None and _compare(value, high) == 1:
            return problem(
                "max-value", "value", f"{shown(summary(value))} is more than {summary(high)}, the most allowed"
            )
        return None

    return check


def _compare(value: Any, bound: Any) -> int:
    """-1, 0 or 1; 0 too where they can't be compared."""
    if isinstance(value, dict) and isinstance(bound, dict):  # quantities
        if value.get("code", value.get("unit")) != bound.get("code", bound.get("unit")):
            return _compare(*_converted(value, bound))
        return _compare(value.get("value"), bound.get("value"))
    if isinstance(value, bool) or isinstance(bound, bool):
        return 0
    if isinstance(value, (int, Decimal)) and isinstance(bound, (int, Decimal)):
        return (value > bound) - (value < bound)
    if isinstance(value, str) and isinstance(bound, str):
        one, other = _moment(value), _moment(bound)
        if isinstance(one, datetime.datetime) and isinstance(other, datetime.datetime):
            return (one > other) - (one < other)
        length = min(len(value), len(bound), 10) if "-" in value or "-" in bound or len(value) == 4 else None
        return (value[:length] > bound[:length]) - (value[:length] < bound[:length])
    return 0


def _converted(*quantities: Json) -> tuple[Any, Any]:
    """The values of two quantities in their one canonical unit of UCUM, None for both where they have none."""
    values, dimensions = [], set()
    for each in quantities:
        code, number = each.get("code"), each.get("value")
        unit = ucum.canonical(code) if each.get("system") == ucum.SYSTEM and isinstance(code, str) else None
        if unit is None or isinstance(number, bool) or not isinstance(number, (int, Decimal)):
            return None, None
        values.append(number * unit[0])
        dimensions.add(unit[1])
    return (values[0], values[1]) if len(dimensions) == 1 else (None, None)


def _moment(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        return None
