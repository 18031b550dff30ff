"""Composite parameters (https://hl7.org/fhir/R4/search.html#combining)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Any, Clause, CompositeIs
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.date import date_is
from fhir_server.search.parse.escaping import split
from fhir_server.search.parse.number import number_is
from fhir_server.search.parse.quantity import quantity_is
from fhir_server.search.parse.reference import reference_is
from fhir_server.search.parse.string import string_starts
from fhir_server.search.parse.suggestions import shorten
from fhir_server.search.parse.token import token_is
from fhir_server.search.parse.uri import uri_is

_PARTS = {
    "token": token_is,
    "string": string_starts,
    "date": date_is,
    "number": number_is,
    "quantity": quantity_is,
    "reference": reference_is,
    "uri": uri_is,
}


def composite_is(parameter: ParameterFields, text: str, context: SearchContext) -> Clause:
    """`code-value-quantity=http://loinc.org|8867-4$gt60`: parts that match within one and the same element."""
    parts = split(text, "$")
    if len(parts) != len(parameter.components) or not all(parts):
        shape = "$".join(component.kind for component in parameter.components)
        raise error("value", f"{shorten(text)} has to be {len(parameter.components)} values joined by $: {shape}.")
    unknown = [component.kind for component in parameter.components if component.kind not in _PARTS]
    if unknown:
        raise error("unsupported-parameter", f"Parts of type {unknown[0]} can't be searched.")
    found = _joined(parameter, parts, context)
    if _mixed_up(parameter, context):
        return Any((found, _joined(parameter, parts[::-1], context)))
    return found


def _mixed_up(parameter: ParameterFields, context: SearchContext) -> bool:
    """Whether the definitions of two components are in the other order than their expressions, as in R4's relationship
    of a DocumentReference: clients write the one or the other."""
    defined = [context.definitions.search_parameter(part.definition) for part in parameter.parameter.components]
    kinds = [part.kind for part in parameter.components]
    types = [each.type if each else "" for each in defined]
    return len(kinds) == 2 and types != kinds and types == kinds[::-1]


def _joined(parameter: ParameterFields, parts: list[str], context: SearchContext) -> CompositeIs:
    return CompositeIs(
        parameter.fields,
        tuple(
            _PARTS[component.kind](ParameterFields(parameter.parameter, ("",), (), component.targets), part, context)
            for component, part in zip(parameter.components, parts, strict=True)
        ),
    )
