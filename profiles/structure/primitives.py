"""The formats of R4's primitive types (https://hl7.org/fhir/R4/datatypes.html#primitive).

The regular expressions come from the definitions; what they can't say (real dates, 32 bit, 1 MB, base64) stands here.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.definitions import Definitions
from profiles.structure.problems import Problems, kind_of, problem, shown

MAX_STRING = 1024 * 1024
MAX_INTEGER = 2**31 - 1
MAX_KNOWN = 4096  # values of one type that are remembered as right
MAX_KNOWN_LENGTH = 200

NUMBERS = {
    "integer": (-MAX_INTEGER - 1, MAX_INTEGER),
    "unsignedInt": (0, MAX_INTEGER),
    "positiveInt": (1, MAX_INTEGER),
}
REMEMBERED = ("uri", "url", "canonical", "code", "id", "oid", "uuid", "date", "time")
TEXTS = ("string", "markdown")

EXAMPLES = {
    "date": "a real date as YYYY, YYYY-MM or YYYY-MM-DD",
    "dateTime": "a real date as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz (a time needs seconds and zone)",
    "instant": "YYYY-MM-DDThh:mm:ss.sss+zz:zz (seconds and time zone are needed)",
    "time": "hh:mm:ss",
    "code": "a code without leading, trailing or double spaces",
    "id": "an id of 1 to 64 characters out of A-Z, a-z, 0-9, - and .",
    "uri": "a URI without spaces",
    "url": "a URL without spaces",
    "canonical": "a canonical URL without spaces",
    "oid": "an OID as urn:oid:1.2.3",
    "uuid": "a UUID in lower case as urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
    "base64Binary": "base64 (characters A-Z, a-z, 0-9, +, / in groups of four, padded with =)",
}

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # what XML can't say
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}").fullmatch
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-(29|3[01])")


def is_text(value: str) -> bool:
    """Whether this may be a string: something, at most 1 MB, no characters that XML can't say."""
    return 0 < len(value) <= MAX_STRING and (value.isprintable() or _CONTROL.search(value) is None)


def is_base64(value: str) -> bool:
    """Whether this is base64, white space between the characters allowed."""
    packed = value if value.isalnum() else "".join(value.split())
    return len(packed) % 4 == 0 and _BASE64(packed) is not None


def is_decimal(value: Any) -> bool:
    """Whether this is a finite JSON number; a boolean is none."""
    kind = type(value)
    return kind is Decimal or kind is int or (kind is float and math.isfinite(value))


def _real_day(value: str) -> bool:
    match = _DAY.match(value)
    if match is None:
        return True
    try:
        datetime.date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return False
    return True


def remembering(accept: Callable[[str], object], known: set[str]) -> Callable[[str], bool]:
    """The same test; short values that pass it are kept in known, where the generated code looks first."""

    def accept_and_remember(value: str) -> bool:
        if not accept(value):
            return False
        if len(value) <= MAX_KNOWN_LENGTH:
            if len(known) >= MAX_KNOWN:
                known.clear()
            known.add(value)
        return True

    return accept_and_remember


def string_formats(definitions: Definitions) -> dict[str, Callable[[str], object]]:
    """Primitive type -> the test of its format, for the types that are strings in JSON."""
    formats: dict[str, Callable[[str], object]] = {}
    for name, definition in definitions.types.items():
        if definition.kind != "primitive" or not definition.pattern:
            continue
        if name in TEXTS:
            formats[name] = is_text
        elif name == "base64Binary":
            formats[name] = is_base64
        elif name not in NUMBERS and name not in ("boolean", "decimal"):
            # an empty URI would be an empty string, which JSON in FHIR has not
            formats[name] = _format(
                definition.pattern.replace(r"\S*", r"\S+"), dated=name in ("date", "dateTime", "instant")
            )
    return formats


def _format(pattern: str, dated: bool) -> Callable[[str], object]:
    matches = re.compile(pattern, re.ASCII).fullmatch
    if dated:
        return lambda value: matches(value) is not None and _real_day(value)
    return lambda value: matches(value) is not None and (value.isprintable() or _CONTROL.search(value) is None)


def explain(type_name: str, value: Any) -> Problems:
    """What is wrong with a value that its primitive type does not accept."""
    if type_name == "boolean":
        return _wrong_kind("a JSON boolean, true or false without quotes", value)
    if type_name == "decimal":
        return _wrong_kind("a JSON number without quotes", value)
    if type_name in NUMBERS:
        if type(value) is not int:
            whole = isinstance(value, (Decimal, float))
            return _wrong_kind(
                "a whole number without point or exponent" if whole else "a JSON number without quotes", value
            )
        low, high = NUMBERS[type_name]
        return problem(
            "range",
            "value",
            f"{value if abs(value) < 10**30 else 'the number'} is no {type_name}: from {low} to {high}",
        )
    if type(value) is not str:
        return _wrong_kind(f"a JSON string ({type_name})", value)
    if not value:
        return problem("empty", "value", "an empty string is not allowed: leave the element out")
    if type_name in TEXTS:
        if len(value) > MAX_STRING:
            return problem("length", "too-long", f"{len(value)} characters are too long: {MAX_STRING} are the limit")
        control = _CONTROL.search(value)
        code = f"U+{ord(control[0]):04X} at position {control.start()}" if control else "that XML can't say"
        return problem("format", "value", f"the character {code} is not allowed in a {type_name}")
    return problem("format", "value", f"{shown(value)} is no {type_name}: write {EXAMPLES.get(type_name, type_name)}")


def _wrong_kind(wanted: str, value: Any) -> Problems:
    if value is None:
        return problem("null", "structure", "null is not allowed here: leave the element out")
    if isinstance(value, list):
        return problem("single", "structure", f"takes one value, not an array: write {wanted}, without brackets")
    return problem("type", "structure", f"must be {wanted}, but is {kind_of(value)}")
