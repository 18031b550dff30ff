"""What R4's search page says of values, read plainly from a resource's JSON, by what knows nothing of the index."""

from __future__ import annotations

import calendar
import math
import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Json = dict[str, Any]
Span = tuple[float, float]

UCUM = "http://unitsofmeasure.org"
CURRENCIES = "urn:iso:std:iso:4217"
UNITS = {"g": ("mass", 1.0), "mg": ("mass", 0.001), "kg": ("mass", 1000.0), "mo": ("time", 1.0), "a": ("time", 12.0)}
EARTH = 6371.0  # km
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb")
GENDER, STATUS = "http://hl7.org/fhir/administrative-gender", "http://hl7.org/fhir/observation-status"
SPECIAL = "http://terminology.hl7.org/CodeSystem/special-values"
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d))?)?)?")


def at(resource: Json, *paths: str) -> Iterator[Any]:
    """The values at paths such as name.family, lists laid out."""
    for path in paths:
        found: list[Any] = [resource]
        for name in path.split("."):
            each = [value[name] for value in found if name in value]
            found = [inner for value in each for inner in (value if isinstance(value, list) else [value])]
        yield from found


# ---------------------------------------------------------------- strings
def fold(text: str) -> str:
    """Without case, accents and punctuation."""
    plain = [c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)]
    words = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in plain if c not in "'’.")
    return " ".join(words.split())


def string(found: list[str], asked: str, modifier: str) -> bool:
    if modifier == "exact":
        return asked in found
    if modifier == "contains":
        return any(fold(asked) in fold(text) for text in found)
    return any(fold(text).startswith(fold(asked)) for text in found)


# ---------------------------------------------------------------- tokens
def tokens(value: Any, system: str = "") -> Iterator[tuple[str, str]]:
    """(system, code) of a code, boolean, Coding, CodeableConcept or Identifier; code "" for a system alone."""
    if isinstance(value, bool):
        yield SPECIAL, str(value).lower()
    elif isinstance(value, str):
        yield system, value
    else:
        for coding in value.get("coding", [value]):
            code = coding.get("code", coding.get("value"))
            if isinstance(code, str) or "system" in coding:
                yield coding.get("system", ""), code or ""


def token(found: list[tuple[str, str]], asked: str, _: str) -> bool:
    system, bar, code = asked.rpartition("|")
    return any((not bar or system == has) and code in ("", is_) for has, is_ in found)


# ---------------------------------------------------------------- dates
def date_span(text: str) -> Span:
    """First and last microsecond since 1970 that a date stands for."""
    match = _DATE.fullmatch(text)
    assert match is not None, text
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    last_month = int(month or 12)
    last_day = int(day or calendar.monthrange(int(year), last_month)[1])
    low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    high = datetime(int(year), last_month, last_day, tzinfo=UTC) + timedelta(days=1)
    if hour:
        digits = (fraction or "")[:6]
        low += timedelta(
            hours=int(hour), minutes=int(minute), seconds=int(second), microseconds=int(digits.ljust(6, "0"))
        )
        high = low + timedelta(microseconds=10 ** (6 - len(digits)))
        if zone != "Z":
            ahead = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])) * (-1 if zone[0] == "-" else 1)
            low, high = low - ahead, high - ahead
    epoch, microsecond = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
    return (low - epoch) // microsecond, (high - epoch) // microsecond - 1


def date_spans(value: Any) -> Iterator[Span]:
    """Of a date, a Period or a Timing."""
    if isinstance(value, str):
        yield date_span(value)
    elif "event" in value:
        each = [date_span(event) for event in value["event"]]
        yield min(low for low, _ in each), max(high for _, high in each)
    elif "repeat" in value:
        yield from date_spans(value["repeat"]["boundsPeriod"])
    else:
        low = date_span(value["start"])[0] if "start" in value else -math.inf
        yield low, date_span(value["end"])[1] if "end" in value else math.inf


def date(found: list[Span], asked: str, _: str) -> bool:
    prefix, text = (asked[:2], asked[2:]) if asked[:2] in PREFIXES else ("eq", asked)
    start, end = date_span(text)

    def holds(low: float, high: float) -> bool:
        equal = start <= low and high <= end
        above, below = high > end, low < start
        return {
            "eq": equal, "ne": not equal, "gt": above, "lt": below, "ge": above or equal, "le": below or equal,
            "sa": low > end, "eb": high < start,
        }[prefix]  # fmt: skip

    return any(holds(*span) for span in found)


# ---------------------------------------------------------------- quantities
def quantities(value: Json) -> Iterator[tuple[Span, str, str, str]]:
    """What a Quantity, Money, Range or SampledData may be, and its system, code and unit."""
    if "origin" in value:
        samples = [float(each) for each in value["data"].split() if each not in "ELU"]
        (zero, _), system, code, unit = next(quantities(value["origin"]))
        low, high = (zero + pick(samples) * value.get("factor", 1) for pick in (min, max))
        yield (low, high), system, code, unit
    elif "low" in value or "high" in value:
        ends = {name: next(quantities(value[name])) for name in ("low", "high") if name in value}
        low, high = (
            ends["low"][0][0] if "low" in ends else -math.inf,
            ends["high"][0][1] if "high" in ends else math.inf,
        )
        _, system, code, unit = next(iter(ends.values()))
        yield (low, high), system, code, unit
    elif "currency" in value:
        amount = float(value["value"])
        yield (amount, amount), CURRENCIES, value["currency"], ""
    elif "value" in value:
        low = high = float(value["value"])
        comparator = value.get("comparator", "")
        span = -math.inf if "<" in comparator else low, math.inf if ">" in comparator else high
        yield span, value.get("system", ""), value.get("code", ""), value.get("unit", "")


def quantity(found: list[tuple[Span, str, str, str]], asked: str, _: str) -> bool:
    prefix, text = (asked[:2], asked[2:]) if asked[:2] in (*PREFIXES, "ap") else ("eq", asked)
    number, *unit = text.split("|")
    exact = Decimal(number)
    half = Decimal(5).scaleb(int(exact.as_tuple().exponent) - 1)
    half = max(half, abs(exact) / 10) if prefix == "ap" else half

    def holds(span: Span, system: str, code: str, name: str) -> bool:
        factor = 1.0
        if unit and not unit[0] and unit[1] not in (code, name):
            return False
        if unit and unit[0] and (system, code) != tuple(unit):
            if {system, unit[0]} != {UCUM} or not {code, unit[1]} <= UNITS.keys():
                return False
            (dimension, own), (wanted, size) = UNITS[code], UNITS[unit[1]]
            if dimension != wanted:
                return False
            factor = size / own
        value, start, end = (float(each) * factor for each in (exact, exact - half, exact + half))
        low, high = span
        equal = start <= low and high < end
        return {
            "eq": equal, "ne": not equal, "gt": high > value, "lt": low < value, "ge": high >= value,
            "le": low <= value, "sa": low > value, "eb": high < value, "ap": low <= end and high >= start,
        }[prefix]  # fmt: skip

    return any(holds(*each) for each in found)


# ---------------------------------------------------------------- references
def references(value: Json) -> Iterator[str]:
    """A reference as it is compared: relative without a version, or as it stands."""
    if "reference" in value:
        yield value["reference"].partition("/_history/")[0]


def reference(found: list[str], asked: str, _: str) -> bool:
    return any(asked in (each, each.rpartition("/")[2] if each.count("/") == 1 else each) for each in found)


def identifiers(value: Json) -> Iterator[tuple[str, str]]:
    """(system, value) of the identifier in a reference."""
    if "identifier" in value:
        yield from tokens(value["identifier"])


def typed(value: Json) -> Iterator[str]:
    """system|code|value of an Identifier for each coding of its type."""
    for coding in value.get("type", {}).get("coding", ()):
        yield f"{coding['system']}|{coding['code']}|{value['value']}"


# ---------------------------------------------------------------- addresses and places
def uri(found: list[str], asked: str, modifier: str) -> bool:
    def under(inner: str, outer: str) -> bool:
        return inner == outer or (outer.startswith("http") and inner.startswith(outer.rstrip("/") + "/"))

    if modifier == "below":
        return any(under(each, asked) for each in found)
    return any(under(asked, each) if modifier == "above" else asked == each for each in found)


def place(found: list[Json], asked: str, _: str) -> bool:
    latitude, longitude, distance = (float(each) for each in asked.split("|")[:3])

    def away(position: Json) -> float:
        north, south = math.radians(position["latitude"]), math.radians(latitude)
        east = math.radians(position["longitude"] - longitude)
        chord = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
        return 2 * EARTH * math.asin(math.sqrt(min(1.0, chord)))

    return any(away(position) <= distance for position in found)


Kind = tuple[Callable[[Any], Iterator[Any]], Callable[[list[Any], str, str], bool]]
KINDS: dict[str, Kind] = {
    "string": (lambda value: iter([value]), string),
    "token": (tokens, token),
    "gender": (lambda value: tokens(value, GENDER), token),
    "status": (lambda value: tokens(value, STATUS), token),
    "date": (date_spans, date),
    "quantity": (quantities, quantity),
    "reference": (references, reference),
    "referenced": (identifiers, token),
    "typed": (typed, lambda found, asked, _: asked in found),
    "uri": (lambda value: iter([value]), uri),
    "place": (lambda value: iter([value]), place),
}


def values(resource: Json, kind: str, paths: tuple[str, ...]) -> list[Any]:
    """All that a parameter of this kind compares."""
    return [each for value in at(resource, *paths) for each in KINDS[kind][0](value)]


def matches(resource: Json, kind: str, paths: tuple[str, ...], modifier: str, asked: list[str]) -> bool:
    """Whether a resource meets one parameter; asked: its alternatives."""
    if modifier == "missing":
        return (not list(at(resource, *paths))) == (asked == ["true"])
    found = values(resource, kind, paths)
    hit = any(KINDS[kind][1](found, text, modifier) for text in asked)
    return not hit if modifier == "not" else hit


Parts = tuple[tuple[str, tuple[str, ...]], ...]  # kind and paths of each part of a composite


def matches_together(resource: Json, bases: tuple[str, ...], parts: Parts, asked: list[str]) -> bool:
    """Whether one element at the bases ("": the resource) meets all parts; asked: alternatives, [] for any."""
    elements = [element for base in bases for element in (at(resource, base) if base else [resource])]

    def meets(element: Json, texts: list[str | None]) -> bool:
        return all(
            bool(values(element, kind, paths)) if text is None else matches(element, kind, paths, "", [text])
            for (kind, paths), text in zip(parts, texts, strict=True)
        )

    wanted: list[list[str | None]] = [[*text.split("$")] for text in asked] or [[None] * len(parts)]
    return any(meets(element, texts) for element in elements for texts in wanted)
