"""Date parameters (https://hl7.org/fhir/R4/search.html#date)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, Comparator, DateIs, UpdatedIs
from fhir_server.search.dates import date_range
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.comparison import split_prefix
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.suggestions import shorten


def asked_range(text: str, comparator: Comparator, context: SearchContext) -> tuple[int, int]:
    """The range that a date stands for; for `ap` widened by a tenth of its distance from now."""
    if " " in text:  # a + that was not escaped in the URL
        text = text.replace(" ", "+")
    found = date_range(text)
    if found is None:
        raise error(
            "value", f"{shorten(text)} is no date; write it like 2024, 2024-05, 2024-05-31 or 2024-05-31T10:00Z."
        )
    if comparator != "ap":
        return found
    low, high = found
    now = context.clock()
    gap = max(low - now, now - high, 0) // 10
    return low - gap, high + gap


def date_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`ge2013-01-14`."""
    comparator, date = split_prefix(text)
    low, high = asked_range(date, comparator, context)
    return DateIs(parameter.fields, comparator, low, high)


def updated_is(text: str, context: SearchContext) -> Clause:
    """`_lastUpdated=gt2024-01-01`."""
    comparator, date = split_prefix(text)
    low, high = asked_range(date, comparator, context)
    return UpdatedIs(comparator, low, high)
