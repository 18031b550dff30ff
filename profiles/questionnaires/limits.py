"""How long, how small, how large and of which form an answer may be: maxLength and the extensions beside it.

Of which kind it may be: kinds.py.

https://hl7.org/fhir/R4/questionnaire.html#extensions
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from profiles.conformance.values import (
    ValueCheck,
    decimal_places_check,
    max_length_check,
    min_length_check,
    regex_check,
)
from profiles.questionnaires.items import stated_of
from profiles.structure.problems import Problem, Problems, shown, under

Json = dict[str, Any]

MEGABYTE = 1 << 20
_NUMBER, _TEXT = (int, Decimal), str


def limit_problems(value: Any, question: Json) -> Problems:
    """What of a question's limits an answer's value goes past; dates are compared as far as both are precise."""
    stated = {name: values[-1] for name, values in stated_of(question).items()}
    found: Problems = []
    for check in _checks(question.get("maxLength"), stated):
        if problems := check(value):
            found = under(found, ".value", problems)
    largest, size = stated.get("maxSize"), _size(value)
    if isinstance(largest, _NUMBER) and size is not None and size > largest * MEGABYTE:
        text = f"the attachment of {size} bytes is too large: {largest} MB are the limit"
        found.append(Problem("max-size", "too-long", text, ".value"))
    least, most = stated.get("minValue"), stated.get("maxValue")
    if _less(value, least):
        found.append(Problem("min-value", "value", f"{shown(value)} is less than {least}, the least allowed", ".value"))
    if _less(most, value):
        found.append(Problem("max-value", "value", f"{shown(value)} is more than {most}, the most allowed", ".value"))
    return found


def _checks(longest: Any, stated: dict[str, Any]) -> Iterator[ValueCheck]:
    """Those of a profile's elements too, as far as a question states them."""
    shortest, form, places = (stated.get(name) for name in ("minLength", "regex", "maxDecimalPlaces"))
    if isinstance(longest, int):
        yield max_length_check(longest)
    if isinstance(shortest, int):
        yield min_length_check(shortest)
    if isinstance(form, str):
        wanted = stated.get("entryFormat")
        hint = f", such as {shown(wanted)}" if isinstance(wanted, str) else ""
        yield regex_check(form, "the answer could not be checked by the regex of its question", hint)
    if isinstance(places, int):
        yield decimal_places_check(places)


def _size(value: Any) -> int | None:
    """The bytes of an Attachment, as it says or as it has them in base64; None where neither is there."""
    if not isinstance(value, dict):
        return None
    size, data = value.get("size"), value.get("data")
    if isinstance(data, str):
        return len("".join(data.split()).rstrip("=")) * 3 // 4
    return size if isinstance(size, int) else None


def _less(one: Any, other: Any) -> bool:
    """Whether one is surely less than the other; False where they are of two kinds."""
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, _NUMBER) and isinstance(other, _NUMBER):
        return one < other
    if isinstance(one, _TEXT) and isinstance(other, _TEXT):
        length = min(len(one), len(other), len("2026-11-27"))  # times have zones, so only days are compared
        return one[:length] < other[:length]
    return False
