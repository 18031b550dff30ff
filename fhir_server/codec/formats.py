"""Which format a request brings and which it wants back (https://hl7.org/fhir/R4/http.html#mime-type)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error

FHIR_VERSION = "4.0"


class Format(NamedTuple):
    """A representation: name json | xml | html, and the Content-Type to answer with."""

    name: str
    content_type: str


class MediaRange(NamedTuple):
    """One range of an Accept header: type in lower case, with * for any part; quality from 0 to 1."""

    type: str
    parameters: dict[str, str]
    quality: float


# Every name a format goes by: the formal type, the generic types, the short names of _format.
_NAMES = {
    "json": ("application/fhir+json", "application/json", "text/json", "application/json+fhir"),
    "xml": ("application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir"),
    "html": ("text/html", "application/xhtml+xml"),
}
_FORMATS = {type: Format(name, f"{type}; charset=utf-8") for name, types in _NAMES.items() for type in types}
_FORMATS |= {name: _FORMATS[types[0]] for name, types in _NAMES.items()}

JSON, XML, HTML = _FORMATS["json"], _FORMATS["xml"], _FORMATS["html"]
ALL = ("json", "xml", "html")


@functools.lru_cache(maxsize=512)
def negotiate(accept: str, format_param: str | None = None, offered: Sequence[str] = ALL) -> Format:
    """The format to answer with: _format where it is given, else the Accept header's best, JSON for any or none.

    A generic type such as application/json is answered with that type. offered: names of formats, best first, a tuple.
    FhirError not-acceptable where nothing offered is accepted, or another FHIR version is asked for.
    """
    if format_param:
        # A plus sign of a URL that was not escaped arrives as a space.
        ranges = media_ranges(format_param.strip().replace(" ", "+").replace(";+", ";"))
    else:
        ranges = media_ranges(accept) or [MediaRange("*/*", {}, 1.0)]
    best: tuple[float, int] = (0.0, 0)
    found = None
    for range in ranges:
        if not _speaks_r4(range.parameters):
            continue
        format = _FORMATS.get(range.type)
        if format is None and "*" in range.type:
            format = _first_not_refused(range, ranges, offered)
        if format is not None and format.name in offered:
            rank = (range.quality, -range.type.count("*"))
            if range.quality > 0 and rank > best:
                best, found = rank, format
    if found is None:
        raise _not_acceptable(accept, format_param, ranges, offered)
    return found


def body_format(content_type: str) -> Format | None:
    """The format that a Content-Type names; None for a type that is none of FHIR's (a Binary may have any)."""
    type = content_type.partition(";")[0].strip().lower()
    format = _FORMATS.get(type) if "/" in type else None
    return format if format is not None and format.name != "html" else None


@functools.lru_cache(maxsize=512)
def request_format(content_type: str | None) -> Format:
    """The format of a body. FhirError unsupported-media for no type, another type, another charset or FHIR version."""
    ranges = media_ranges(content_type or "")
    if not ranges:
        raise error("unsupported-media", f"The request has a body but no Content-Type; send {_list(('json', 'xml'))}.")
    type, parameters, _ = ranges[0]
    format = body_format(type)
    if format is None:
        raise error("unsupported-media", f"A body of {type} can't be read here; send {_list(('json', 'xml'))}.")
    charset = parameters.get("charset", "utf-8").lower()
    if charset not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise error("unsupported-media", f"The charset {charset} is not taken; FHIR is sent as UTF-8.")
    if not _speaks_r4(parameters):
        raise error(
            "unsupported-media", f"fhirVersion={parameters['fhirversion']} is not spoken here; send {FHIR_VERSION}."
        )
    return format


def wants_pretty(value: str | None) -> bool:
    """The meaning of _pretty; FhirError value for one that is neither true nor false."""
    if value not in (None, "", "true", "false"):
        raise error("value", f"_pretty={value} is not known; use true or false.", location="_pretty")
    return value == "true"


def media_ranges(header: str) -> list[MediaRange]:
    """The ranges of an Accept header in its order; a quality that is no number from 0 to 1 counts as 0."""
    ranges = []
    for part in header.split(","):
        type, *rest = (piece.strip() for piece in part.split(";"))
        if not type:
            continue
        pairs = (piece.partition("=") for piece in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs if name}
        ranges.append(MediaRange(type.lower(), parameters, _quality(parameters.pop("q", "1"))))
    return ranges


def _quality(text: str) -> float:
    whole, _, decimals = text.partition(".")
    digits = whole.isdecimal() and whole.isascii() and (not decimals or (decimals.isdecimal() and decimals.isascii()))
    quality = float(text) if digits else 0.0
    return quality if quality <= 1 else 0.0


def _speaks_r4(parameters: dict[str, str]) -> bool:
    version = parameters.get("fhirversion")
    return version is None or version == FHIR_VERSION or version.startswith(FHIR_VERSION + ".")


def _first_not_refused(range: MediaRange, ranges: list[MediaRange], offered: Sequence[str]) -> Format | None:
    """What a wildcard stands for: the first offered format of that kind which is not itself refused by q=0."""
    kind = range.type.partition("/")[0]
    refused = {other.type for other in ranges if other.quality == 0}
    for name in offered:
        for type in _NAMES[name]:
            if (kind == "*" or type.startswith(kind + "/")) and type not in refused:
                return _FORMATS[type]
    return None


def _not_acceptable(
    accept: str, format_param: str | None, ranges: list[MediaRange], offered: Sequence[str]
) -> FhirError:
    where, asked = ("_format", format_param) if format_param else ("Accept", accept)
    versions = [r.parameters["fhirversion"] for r in ranges if not _speaks_r4(r.parameters)]
    if versions:
        message = f"fhirVersion={versions[0]} is not spoken here; ask for {FHIR_VERSION}."
    else:
        message = f"{where} {asked} can't be answered; ask for {_list(offered)}."
    return error("not-acceptable", message, location=where if format_param else f"header:{where}")


def _list(names: Sequence[str]) -> str:
    return " or ".join(_NAMES[name][0] for name in names)
