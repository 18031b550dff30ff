"""What each search type can be asked: modifier -> how one value is read. The table that parsing and documents share.

"" is the parameter without a modifier. Besides these, :missing goes with every parameter and :[type] with references.
Specification: https://hl7.org/fhir/R4/search.html#modifiers
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.query import Clause
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.composite import composite_is
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.date import date_is
from fhir_server.search.parse.near import near
from fhir_server.search.parse.number import number_is
from fhir_server.search.parse.phonetic import sounds_like
from fhir_server.search.parse.quantity import quantity_is
from fhir_server.search.parse.reference import reference_above, reference_below, reference_identifier, reference_is
from fhir_server.search.parse.string import string_contains, string_exact, string_starts
from fhir_server.search.parse.token import token_above, token_below, token_in, token_is, token_of_type, token_text
from fhir_server.search.parse.uri import uri_above, uri_below, uri_is

ReadValue = Callable[[ParameterFields, str, SearchContext], Clause]

MODIFIERS: dict[str, dict[str, ReadValue]] = {
    "number": {"": number_is},
    "date": {"": date_is},
    "quantity": {"": quantity_is},
    "string": {"": string_starts, "exact": string_exact, "contains": string_contains},
    "phonetic": {"": sounds_like},
    "token": {
        "": token_is,
        "not": token_is,
        "text": token_text,
        "in": token_in,
        "not-in": token_in,
        "below": token_below,
        "above": token_above,
        "of-type": token_of_type,
    },
    "reference": {
        "": reference_is,
        "identifier": reference_identifier,
        "below": reference_below,
        "above": reference_above,
    },
    "uri": {"": uri_is, "below": uri_below, "above": uri_above},
    "composite": {"": composite_is},
    "special": {"": near},
}
MISSING = "missing"
NEGATED = frozenset({"not", "not-in"})  # none of the values may match, and a resource without any value does
