"""Parameters that are found by sound."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import All, Clause, StringIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.escaping import unescape
from fhir_server.search.phonetic import sounds


def sounds_like(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`phonetic=miller` finds Müller and Mueller; of several words each must sound like one of the name."""
    codes = dict.fromkeys(sounds(unescape(text)))
    if not codes:
        raise error("value", "There is no text to search for.")
    clauses = tuple([StringIs(parameter.fields, "equals", code) for code in codes])
    return clauses[0] if len(clauses) == 1 else All(clauses)
