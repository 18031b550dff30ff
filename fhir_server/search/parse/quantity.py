"""Quantity parameters (https://hl7.org/fhir/R4/search.html#quantity)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Clause, Comparator, QuantityIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.comparison import split_prefix
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import split, unescape
from fhir_server.search.parse.number import AskedNumber, asked_number
from fhir_server.search.parse.suggestions import shorten


def split_quantity(text: str, comparator: Comparator) -> tuple[AskedNumber, tuple[str | None, str] | None]:
    """The number and the unit of number, number|system|code or number||unit."""
    parts = [unescape(part) for part in split(text, "|")]
    number = asked_number(parts[0], comparator)
    if len(parts) == 1:
        return number, None
    if len(parts) != 3 or not parts[2]:
        raise error("value", f"{shorten(text)} is no quantity; write number, number|system|code or number||unit.")
    return number, (parts[1] or None, parts[2])


def quantity_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`5.4`, `ge5.4|http://unitsofmeasure.org|mg`, `5.4||mg` (the code or the human unit, of any system)."""
    comparator, rest = split_prefix(text)
    number, unit = split_quantity(rest, comparator)
    return QuantityIs(parameter.fields, comparator, *number, unit=unit)
