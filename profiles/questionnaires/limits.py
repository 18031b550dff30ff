"""How long, how small, how large and of which form an answer may be: maxLength and the extensions beside it.

https://hl7.org/fhir/R4/questionnaire.html#extensions
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

_BASE = "http://hl7.org/fhir/StructureDefinition/"
_NUMBER, _TEXT = (int, Decimal), str


def limit_problems(value: Any, question: Json) -> Problems:
    """What of a question's limits an answer's value goes past; dates are compared as far as both are precise."""
    stated = {each.get("url", "").removeprefix(_BASE): _value(each) for each in question.get("extension", ())}
    found: Problems = []
    if isinstance(value, str):
        longest, shortest = question.get("maxLength"), stated.get("minLength")
        if isinstance(longest, int) and len(value) > longest:
            text = f"{len(value)} characters are too long: {longest} are the limit"
            found.append(Problem("max-length", "too-long", text, ".value"))
        if isinstance(shortest, int) and len(value) < shortest:
            text = f"{len(value)} characters are too short: {shortest} are the least"
            found.append(Problem("min-length", "value", text, ".value"))
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


def _value(extension: Json) -> Any:
    return next((value for name, value in extension.items() if name.startswith("value")), None)


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
