"""Compartment search (https://hl7.org/fhir/R4/compartmentdefinition.html)."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.errors import error
from fhir_server.core.query import All, Any, Clause, IdIn, RefersTo, TypeIn
from fhir_server.search.fields import Fields, Membership
from fhir_server.search.parse.context import SearchContext


def compartment_types(compartment: str, context: SearchContext) -> tuple[str, ...]:
    """The types that have members in compartments of this kind; FhirError not-found where there is no such kind."""
    definition = context.definitions.compartments.get(compartment)
    if definition is None:
        kinds = ", ".join(sorted(context.definitions.compartments))
        raise error("not-found", f"There is no {compartment} compartment; there are those of {kinds}.")
    return tuple(sorted(definition.members))


def in_compartment(types: Sequence[str], compartment: tuple[str, str], context: SearchContext) -> Clause:
    """What makes resources of these types members of the compartment (type, id)."""
    kind, _ = compartment
    outside = set(types).difference(compartment_types(kind, context))
    if outside:
        raise error("not-found", f"{min(outside)} is not part of the {kind} compartment.")
    groups = context.fields.memberships(tuple(types), kind)
    clauses = [(names, _clause(membership, compartment)) for names, membership in groups]
    if len(clauses) == 1:
        return clauses[0][1]
    return Any(tuple([All((TypeIn(names), clause)) for names, clause in clauses]))


def membership(type_name: str, compartment: tuple[str, str], fields: Fields) -> Clause:
    """The same for any one type; NOTHING for one that is no part of such compartments."""
    return _clause(fields.membership(type_name, compartment[0]), compartment)


def _clause(membership: Membership, compartment: tuple[str, str]) -> Clause:
    clauses: list[Clause] = [RefersTo(membership.fields, (compartment,))] if membership.fields else []
    if membership.itself:
        clauses.append(IdIn((compartment[1],)))
    return clauses[0] if len(clauses) == 1 else Any(tuple(clauses))
