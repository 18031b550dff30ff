"""The value set that an element of R4 is bound to: `Patient.maritalStatus`, or its definition's URL, # and that."""

from __future__ import annotations

from fhir_server import definitions
from fhir_server.core.errors import error


def value_set_of(context: str) -> str:
    """The canonical URL; FhirError not-found where the path leads nowhere or the element has no binding."""
    path = context.rpartition("#")[2]
    name, *steps = path.split(".")
    r4 = definitions.load()
    binding = None
    type = name
    for step in steps:
        if type not in r4.types:
            raise error("not-found", f"R4 has no element {path}.", location="context")
        wanted = step.removesuffix("[x]")
        element = next((e for e in _elements(r4, type) if e.name == wanted), None)
        if element is None:
            raise error("not-found", f"R4 has no element {path}: {type} has no '{step}'.", location="context")
        binding, type = element.binding, element.types[0].code
    if binding is None:
        raise error("not-found", f"The element {path} is bound to no value set.", location="context")
    return binding.value_set


def _elements(r4: definitions.Definitions, type: str) -> list[definitions.Element]:
    """The elements of a type, once each, its own before those of its bases."""
    found = {p.element.name: p.element for p in r4.properties(type).values()}
    return list(found.values())
