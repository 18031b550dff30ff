"""Compartment search (https://hl7.org/fhir/R4/compartmentdefinition.html)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.query import Any, Clause, IdIn, RefersTo
from fhir_server.definitions import Definitions
from fhir_server.search.fields import Fields
from fhir_server.search.parse.context import SearchContext

ITSELF = "{def}"


def compartment_types(compartment: str, context: SearchContext) -> tuple[str, ...]:
    """The types that have members in compartments of this kind; FhirError not-found where there is no such kind."""
    definition = context.definitions.compartments.get(compartment)
    if definition is None:
        kinds = ", ".join(sorted(context.definitions.compartments))
        raise error("not-found", f"There is no {compartment} compartment; there are those of {kinds}.")
    return tuple(sorted(definition.members))


def in_compartment(type_name: str, compartment: tuple[str, str], context: SearchContext) -> Clause:
    """What makes a resource of this type a member of the compartment (type, id)."""
    kind, _ = compartment
    if type_name not in compartment_types(kind, context):
        raise error("not-found", f"{type_name} is not part of the {kind} compartment.")
    return membership(type_name, compartment, context.definitions, context.fields)


def membership(type_name: str, compartment: tuple[str, str], definitions: Definitions, fields: Fields) -> Clause:
    """The same for any type; NOTHING for one that is no part of such compartments."""
    kind, id_ = compartment
    codes = definitions.compartments[kind].members.get(type_name, ())
    parameters = fields.of(type_name).parameters
    named = {field: None for code in codes if code in parameters for field in parameters[code].fields}
    clauses: list[Clause] = [RefersTo(tuple(named), ((kind, id_),))] if named else []
    if ITSELF in codes:
        clauses.append(IdIn((id_,)))
    return clauses[0] if len(clauses) == 1 else Any(tuple(clauses))
