"""Search values: what extraction takes out of a resource and every index stores.

A SearchValue is a plain tuple, the cheapest thing that Python has: (kind, field, *parts). `field` names what is indexed
within one resource type (see SearchParameter.fields). The parts by kind:

    STRING     folded, exact           folded: fold(exact), see core.folding
    TOKEN      system, code            system "" where there is none; code "" where there is the system alone
    TEXT       folded                  what :text searches, of a coded element
    REFERENCE  type, id, version       of this server; version "" where the reference has none
    CANONICAL  url, version            an absolute URL, canonical, urn or logical address; version of a canonical or ""
    DATE       low, high               microseconds since 1970 UTC, both inclusive; open ends are MIN_DATE, MAX_DATE
    NUMBER     low, high               floats; equal for a plain number; open ends are -inf, inf
    QUANTITY   low, high, system, code, unit
    URI        uri
    POSITION   latitude, longitude     degrees
    COMPOSITE  (part, part, …)         each part a SearchValue tuple of one component, with field ""
    NARRATIVE  text                    the narrative's plain text, for _text

Specification: https://hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from typing import Any

STRING, TOKEN, TEXT, REFERENCE, CANONICAL, DATE, NUMBER, QUANTITY, URI, POSITION, COMPOSITE, NARRATIVE = range(12)

SearchValue = tuple[Any, ...]

MIN_DATE = -(2**62)
MAX_DATE = 2**62
