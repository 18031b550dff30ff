"""String parameters (https://hl7.org/fhir/R4/search.html#string)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.folding import fold
from fhir_server.core.query import Clause, StringIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import unescape


def folded_text(text: str) -> str:
    """The text folded; an error where nothing is left of it."""
    folded = fold(unescape(text))
    if not folded:
        raise error("value", "There is no text to search for.")
    return folded


def string_starts(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`family=eve` finds Eve and Évelyn."""
    return StringIs(parameter.fields, "starts", folded_text(text))


def string_contains(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`family:contains=eve` finds Steven too."""
    return StringIs(parameter.fields, "contains", folded_text(text))


def string_exact(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`family:exact=Eve` finds just that."""
    return StringIs(parameter.fields, "exact", unescape(text))
