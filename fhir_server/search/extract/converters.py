"""Which converter turns an element of a FHIR type into what a search type searches.

The table of https://hl7.org/fhir/R4/search.html#ptypes; a type that is not in it has no values to search, such as the
Range of a choice that a date parameter reads.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.search.extract.adding import Convert
from fhir_server.search.extract.amounts import (
    add_money,
    add_number,
    add_position,
    add_quantity,
    add_range,
    add_range_of_numbers,
    add_sampled_data,
)
from fhir_server.search.extract.moments import add_date, add_period, add_timing
from fhir_server.search.extract.phonetics import add_name_sounds, add_sounds
from fhir_server.search.extract.references import (
    add_address as add_uri_address,
)
from fhir_server.search.extract.references import (
    add_canonical,
    add_resource,
    add_uri,
    canonical_converter,
    reference_converter,
)
from fhir_server.search.extract.strings import add_address, add_human_name, add_string
from fhir_server.search.extract.tokens import (
    add_boolean,
    add_code,
    add_codeable_concept,
    add_codeable_concept_codes,
    add_coding,
    add_coding_code,
    add_contact_point,
    add_identifier,
    add_identifier_value,
)

STRINGS = ("string", "markdown")
URIS = ("uri", "url", "oid", "uuid")
QUANTITIES = ("Quantity", "Age", "Duration", "Distance", "Count", "SimpleQuantity", "MoneyQuantity")
NUMBERS = ("decimal", "integer", "positiveInt", "unsignedInt")

CONVERTERS: dict[str, dict[str, Convert]] = {
    "string": {
        **dict.fromkeys((*STRINGS, "code", "id", *URIS, "canonical"), add_string),
        "HumanName": add_human_name,
        "Address": add_address,
    },
    "phonetic": {**dict.fromkeys(STRINGS, add_sounds), "HumanName": add_name_sounds},
    "token": {
        **dict.fromkeys(("code", "id", *STRINGS, *URIS, "canonical"), add_code),
        "Coding": add_coding,
        "CodeableConcept": add_codeable_concept,
        "Identifier": add_identifier,
        "ContactPoint": add_contact_point,
        "boolean": add_boolean,
    },
    "date": {
        **dict.fromkeys(("date", "dateTime", "instant", "string"), add_date),
        "Period": add_period,
        "Timing": add_timing,
    },
    "number": {**dict.fromkeys(NUMBERS, add_number), "Range": add_range_of_numbers},
    "quantity": {
        **dict.fromkeys(QUANTITIES, add_quantity),
        "Money": add_money,
        "Range": add_range,
        "SampledData": add_sampled_data,
    },
    "reference": dict.fromkeys(URIS, add_uri_address),
    "uri": {"canonical": add_canonical, **dict.fromkeys(URIS, add_uri)},
    "special": {"Location.position": add_position},
}
COMPONENT_CONVERTERS: dict[str, dict[str, Convert]] = {  # without texts
    "token": {
        "Coding": add_coding_code,
        "CodeableConcept": add_codeable_concept_codes,
        "Identifier": add_identifier_value,
    }
}


class Converters:
    """The table, with the references of one server."""

    def __init__(self, is_resource: Callable[[str], bool], base: str) -> None:
        self._is_resource = is_resource
        self._references = {
            "Reference": reference_converter(is_resource, base),
            "canonical": canonical_converter(is_resource),
        }

    def find(self, kind: str, type_name: str, component: bool = False) -> Convert | None:
        """For a search type and a FHIR type; None where there is nothing to search."""
        if kind == "reference":
            if type_name in self._references:
                return self._references[type_name]
            if type_name == "Resource" or self._is_resource(type_name):
                return add_resource
        found = COMPONENT_CONVERTERS.get(kind, {}).get(type_name) if component else None
        return found or CONVERTERS.get(kind, {}).get(type_name)
