"""Dates in other spellings, by the format codes of https://hl7.org/fhirpath/#format-codes"""

from __future__ import annotations

import functools
import re

from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.temporal import Temporal, parse_date_time

# code -> (the group it fills, its pattern); longer codes first
_CODES = {
    "yyyy": ("year", r"\d{4}"), "yy": ("short_year", r"\d\d"),
    "MM": ("month", r"\d\d"), "M": ("month", r"\d{1,2}"),
    "dd": ("day", r"\d\d"), "d": ("day", r"\d{1,2}"),
    "HH": ("hour", r"\d\d"), "H": ("hour", r"\d{1,2}"),
    "hh": ("half_hour", r"\d\d"), "h": ("half_hour", r"\d{1,2}"),
    "mm": ("minute", r"\d\d"), "m": ("minute", r"\d{1,2}"),
    "ss": ("second", r"\d\d"), "s": ("second", r"\d{1,2}"),
    "a": ("half", r"[AaPp][Mm]?"),
    "Z": ("zone", r"Z|[+\-]\d\d:?\d\d"),
}  # fmt: skip
_TOKEN = re.compile(r"yyyy|yy|MMMM|MMM|MM|M|dd|d|HH|H|hh|h|mm|m|ss|s|S+|a|Z|z|.", re.DOTALL)
_CENTURY_TURN = 50


@functools.lru_cache(maxsize=256)
def _pattern(form: str) -> re.Pattern[str]:
    parts = []
    used: set[str] = set()
    for code in _TOKEN.findall(form):
        if code.startswith("S"):
            group, pattern = "fraction", rf"\d{{{len(code)}}}"
        elif code in _CODES:
            group, pattern = _CODES[code]
        elif code in ("MMM", "MMMM", "z"):
            raise FhirPathError("execution", f"The format code `{code}` depends on a language and is not supported")
        else:
            parts.append(re.escape(code))
            continue
        if group in used:
            raise FhirPathError("execution", f"The format `{form}` has `{code}` twice")
        used.add(group)
        parts.append(f"(?P<{group}>{pattern})")
    return re.compile("".join(parts))


def parse_formatted(text: str, form: str) -> Temporal | None:
    """The dateTime that a text spells in this format; None where it spells none. FhirPathError for a wrong format.

    Two digits of a year mean 2000 to 2049, else 1950 to 1999.
    """
    if len(form) > 100:
        raise FhirPathError("limit", "A date format has at most 100 characters")
    match = _pattern(form).fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    year = found.get("year")
    if year is None and found.get("short_year") is not None:
        short = int(found["short_year"])
        year = str(short + (2000 if short < _CENTURY_TURN else 1900))
    if year is None:
        return None
    iso = year
    for part in ("month", "day"):
        if found.get(part) is None:
            return parse_date_time(iso)
        iso += f"-{int(found[part]):02d}"
    hour = _hour(found)
    if hour is None:
        return parse_date_time(iso)
    iso += f"T{hour:02d}"
    for part in ("minute", "second"):
        if found.get(part) is None:
            return parse_date_time(iso)
        iso += f":{int(found[part]):02d}"
    if found.get("fraction"):
        iso += f".{found['fraction']}"
    zone = found.get("zone") or ""
    return parse_date_time(iso + (f"{zone[:3]}:{zone[-2:]}" if len(zone) > 1 else zone))


def _hour(found: dict[str, str | None]) -> int | None:
    whole, half = found.get("hour"), found.get("half_hour")
    if whole is not None:
        return int(whole)
    if half is None:
        return None
    afternoon = (found.get("half") or "a")[0] in "Pp"
    return int(half) % 12 + (12 if afternoon else 0)
