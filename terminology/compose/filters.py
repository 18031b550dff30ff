"""Whether a filter of a value set can select anything of a code system.

https://hl7.org/fhir/R4/valueset-definitions.html#ValueSet.compose.include.filter
"""

from __future__ import annotations

from fhir_server.core.errors import FhirError
from terminology.model import Filter
from terminology.store.code_system import StoredSystem
from terminology.store.selection import part

BOOLEANS = ("inactive", "notSelectable", "abstract")  # properties of this type without being declared
EQUALITIES = ("=", "in", "not-in")


def wrong_filter(system: StoredSystem, filter: Filter) -> str:
    """Why a filter does not fit a code system whose content is whole; "" where it does."""
    resource = system.info.resource
    for declared in resource.get("filter", ()):
        operators = declared.get("operator", ())
        if declared.get("code") == filter.property and filter.op not in operators:
            return f"the filter {filter.property!r} of {system.info.url} is used with {', '.join(operators)} only"
    types = {each.get("code"): each.get("type") for each in resource.get("property", ())}
    boolean = types.get(filter.property, "boolean" if filter.property in BOOLEANS else "") == "boolean"
    values = [value.strip() for value in filter.value.split(",")] if filter.op != "=" else [filter.value]
    if boolean and filter.op in EQUALITIES and not {*values} <= {"true", "false"}:
        return f"the property {filter.property!r} is true or false, not {filter.value[:60]!r}"
    try:
        part(system, filter)
    except FhirError as failure:
        return str(failure)
    return ""
