"""Number parameters, and the numbers of quantities (https://hl7.org/fhir/R4/search.html#number)."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, Comparator, NumberIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.comparison import split_prefix
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.suggestions import shorten

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.([0-9]{1,40}))?(?:[eE]([+-]?[0-9]{1,3}))?\Z")


class AskedNumber(NamedTuple):
    """The number and the range [low, high) that its digits stand for; for `ap` at least a tenth around it."""

    value: float
    low: float
    high: float


def asked_number(text: str, comparator: Comparator) -> AskedNumber:
    """`100` stands for [99.5, 100.5), `100.00` for [99.995, 100.005), `1e2` for [95, 105)."""
    match = _NUMBER.match(text)
    if match is None or not math.isfinite(float(text)):
        raise error("value", f"{shorten(text)} is no number; write it like 100, 5.40 or 1e2.")
    fraction, exponent = match[1], match[2]
    digits = len(fraction or "0") if exponent else len(fraction or "")
    half = Decimal(5).scaleb(int(exponent or 0) - digits - 1)
    value = Decimal(text)
    if comparator == "ap":
        half = max(half, abs(value) / 10)
    number = float(value)
    high = max(float(value + half), math.nextafter(number, math.inf))  # of 17 digits the range would be empty
    return AskedNumber(number, float(value - half), high)


def number_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`lt100`."""
    comparator, number = split_prefix(text)
    return NumberIs(parameter.fields, comparator, *asked_number(number, comparator))
