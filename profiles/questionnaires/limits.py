"""How long, how small, how large and of which form an answer may be: maxLength and the extensions beside it.

Of which kind it may be: kinds.py.

https://hl7.org/fhir/R4/questionnaire.html#extensions
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import FhirPathError, strings
from profiles.questionnaires.items import stated_of
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

MEGABYTE = 1 << 20
_NUMBER, _TEXT = (int, Decimal), str


def limit_problems(value: Any, question: Json) -> Problems:
    """What of a question's limits an answer's value goes past; dates are compared as far as both are precise."""
    stated = {name: values[-1] for name, values in stated_of(question).items()}
    found: Problems = []
    if isinstance(value, str):
        longest, shortest = question.get("maxLength"), stated.get("minLength")
        if isinstance(longest, int) and len(value) > longest:
            text = f"{len(value)} characters are too long: {longest} are the limit"
            found.append(Problem("max-length", "too-long", text, ".value"))
        if isinstance(shortest, int) and len(value) < shortest:
            text = f"{len(value)} characters are too short: {shortest} are the least"
            found.append(Problem("min-length", "value", text, ".value"))
        found += _of_form(value, stated.get("regex"), stated.get("entryFormat"))
    largest, size = stated.get("maxSize"), _size(value)
    if isinstance(largest, _NUMBER) and size is not None and size > largest * MEGABYTE:
        text = f"the attachment of {size} bytes is too large: {largest} MB are the limit"
        found.append(Problem("max-size", "too-long", text, ".value"))
    places = stated.get("maxDecimalPlaces")
    if isinstance(value, Decimal) and isinstance(places, int) and -int(value.as_tuple().exponent) > places:
        text = f"{value} has more decimal places than {places}, the most allowed"
        found.append(Problem("max-decimal-places", "value", text, ".value"))
    least, most = stated.get("minValue"), stated.get("maxValue")
    if _less(value, least):
        found.append(Problem("min-value", "value", f"{shown(value)} is less than {least}, the least allowed", ".value"))
    if _less(most, value):
        found.append(Problem("max-value", "value", f"{shown(value)} is more than {most}, the most allowed", ".value"))
    return found


def _of_form(value: str, expression: Any, wanted: Any) -> Problems:
    """A text that a regular expression does not match as a whole; nothing for an expression that is none."""
    if not isinstance(expression, str):
        return []
    try:
        if strings.matchesFull(value, expression):
            return []
    except FhirPathError as failure:
        text = f"the answer could not be checked by the regex of its question: {failure.message}"
        return [Problem("regex", "processing", text, ".value", "warning")]
    hint = f", such as {shown(wanted)}" if isinstance(wanted, str) else ""
    return [Problem("regex", "value", f"{shown(value)} is not of the form {expression}{hint}", ".value")]


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
