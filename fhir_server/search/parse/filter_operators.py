"""What the operators of _filter mean for each search type (https://hl7.org/fhir/R4/search_filter.html#ops)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any as Anything
from typing import get_args

from fhir_server.core.errors import FhirError, error
from fhir_server.core.folding import fold
from fhir_server.core.query import (
    All,
    Clause,
    Comparator,
    DateIs,
    InValueSet,
    Not,
    NumberIs,
    QuantityIs,
    StringIs,
    Subsumes,
)  # fmt: skip
from fhir_server.search.fields import ParameterFields
from fhir_server.search.named_types import missing
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.search.parse.composite import composite_is
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.date import asked_range
from fhir_server.search.parse.number import asked_number
from fhir_server.search.parse.phonetic import sounds_like
from fhir_server.search.parse.quantity import split_quantity
from fhir_server.search.parse.reference import reference_is
from fhir_server.search.parse.suggestions import one_of
from fhir_server.search.parse.token import concept, token_is
from fhir_server.search.parse.uri import uri_is
from fhir_server.search.phonetic import kind_of

Compare = Callable[[ParameterFields, str, str, SearchContext], Clause]  # parameter, operator, value

SYSTEMS = {  # short names that the page predefines
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ucum": "http://unitsofmeasure.org",
}
STRING_MODES: dict[str, Anything] = {
    "eq": "equals",
    "co": "contains",
    "sw": "starts",
    "ew": "ends",
    "gt": "gt",
    "lt": "lt",
    "ge": "ge",
    "le": "le",
}
ORDERED: dict[str, Anything] = {name: name for name in get_args(Comparator)}
SUBSUMES: dict[str, Anything] = {
    "ss": "below",
    "sb": "above",
}  # the value subsumes, is subsumed by, a code of the resource


def _string(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return StringIs(parameter.fields, STRING_MODES[operator], fold(value))


def _phonetic(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return sounds_like(parameter, value, context)


def _number(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return NumberIs(parameter.fields, ORDERED[operator], *asked_number(value, ORDERED[operator]))


def _quantity(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    number, unit = split_quantity(_with_system(value, 1), ORDERED[operator])
    return QuantityIs(parameter.fields, ORDERED[operator], *number, unit=unit)


def _date(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    if operator == "po":
        return DateIs(parameter.fields, "ap", *asked_range(value, "eq", context))
    return DateIs(parameter.fields, ORDERED[operator], *asked_range(value, ORDERED[operator], context))


def _token(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    if operator == "in":
        return InValueSet(parameter.fields, value)
    if operator == "ni":
        return Not(InValueSet(parameter.fields, value))
    value = _with_system(value, 0)
    if operator in SUBSUMES:
        return Subsumes(parameter.fields, SUBSUMES[operator], *concept(value))
    return token_is(parameter, value, context)


def _reference(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return reference_is(parameter, value, context)


def _uri(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return uri_is(parameter, value, context)


def _composite(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    return composite_is(parameter, value, context)


def _with_system(value: str, position: int) -> str:
    """The value with a predefined short name in place of its system written out."""
    parts = value.split("|")
    if len(parts) > position + 1 and parts[position] in SYSTEMS:
        parts[position] = SYSTEMS[parts[position]]
    return "|".join(parts)


OPERATORS: dict[str, tuple[Compare, tuple[str, ...]]] = {
    "string": (_string, tuple(STRING_MODES)),
    "phonetic": (_phonetic, ("eq",)),
    "number": (_number, tuple(ORDERED)),
    "quantity": (_quantity, tuple(ORDERED)),
    "date": (_date, (*ORDERED, "po")),
    "token": (_token, ("eq", "in", "ni", *SUBSUMES)),
    "reference": (_reference, ("eq", "re")),
    "uri": (_uri, ("eq",)),
    "composite": (_composite, ("eq",)),
    "special": (_string, ()),
}


def compare(parameter: ParameterFields, operator: str, value: str, context: SearchContext) -> Clause:
    """`name co "pet"`. pr goes with everything; ne is: there is a value, and none is equal, but for ordered types."""
    if operator == "pr":
        if value not in ("true", "false"):
            raise one_of("value for pr", value, ("true", "false"))
        return missing(parameter, value == "false")
    function, operators = OPERATORS[kind_of(parameter.parameter)]
    if operator in operators:
        return function(parameter, operator, value, context)
    if operator == "ne" and "eq" in operators:
        equal = function(parameter, "eq", value, context)
        return All((missing(parameter, False), Not(equal)))
    raise _wrong_operator(parameter.parameter.code, operator, (*operators, "ne", "pr"))


def compare_built_in(code: str, operator: str, value: str, context: SearchContext) -> Clause:
    """`_id eq 23`, `_lastUpdated gt 2024-01-01`."""
    if code == "_lastUpdated":
        if operator not in ORDERED or operator == "co":
            raise _wrong_operator(code, operator, ORDERED)
        return BUILT_IN[code](operator + value, context)
    if operator == "ne":
        return Not(BUILT_IN[code](value, context))
    if operator != "eq":
        raise _wrong_operator(code, operator, ("eq", "ne"))
    return BUILT_IN[code](value, context)


def _wrong_operator(code: str, operator: str, allowed: Iterable[str]) -> FhirError:
    names = ", ".join(dict.fromkeys(allowed))
    return error(
        "value", f"The operator '{operator[:20]}' can't be used with '{code}' in a filter; use one of {names}."
    )
