"""Names of a request to what they stand for: parameters and resource types."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.search.fields import ParameterFields
from fhir_server.search.parse.builtin import BUILT_IN
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.suggestions import unknown_parameter

FILTER, HAS = "_filter", "_has"


def search_parameter(type_name: str, code: str, context: SearchContext) -> ParameterFields:
    """The type's parameter with this code; an error where there is none or its values are not all indexed yet."""
    parameters = context.fields.of(type_name).parameters
    found = parameters.get(code)
    if found is None and code == HAS:
        raise error("unsupported-parameter", f"{HAS} has to be {HAS}:Type:reference:parameter.")
    if found is None and code == FILTER:
        raise error("unsupported-parameter", f"{FILTER} can't be used inside of a filter; put parentheses instead.")
    if found is None:
        raise unknown_parameter(type_name, code, [*parameters, *BUILT_IN, FILTER, HAS])
    if context.building and found.parameter.url in context.building:
        raise error("unavailable", f"The parameter '{code}' of {type_name} is still being indexed; try again later.")
    return found


def reference_parameter(type_name: str, code: str, context: SearchContext) -> ParameterFields:
    """The reference parameter with this code; an error that names it for any other."""
    found = search_parameter(type_name, code, context)
    if found.parameter.type != "reference":
        raise error(
            "unsupported-parameter",
            f"{type_name}'s parameter '{code}' is of type {found.parameter.type}; only references can be followed.",
        )
    return found


def knows(type_name: str, name: str, context: SearchContext) -> bool:
    """Whether the type has the parameter that a name with modifiers and chains begins with."""
    code = name.partition(".")[0].partition(":")[0]
    return code in context.fields.of(type_name).parameters or code in BUILT_IN or code in (FILTER, HAS)
