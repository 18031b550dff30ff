"""Chains and reverse chains (https://hl7.org/fhir/R4/search.html#chaining and #has).

The last link of a chain is followed into contained resources too (https://hl7.org/fhir/R4/search.html#contained), as
_contained does it: into those of the type, whichever element names them. So is it into the first resource of a Bundle.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.errors import FhirError, error
from fhir_server.core.query import All, Any, Chain, Clause, Has, Missing, Not
from fhir_server.search.contained import holds_others, presence_field
from fhir_server.search.parse.builtin import resource_type
from fhir_server.search.parse.contained import of_container
from fhir_server.search.parse.context import SearchContext
from fhir_server.search.parse.lookup import knows, reference_parameter
from fhir_server.search.parse.reference import FEW_TARGETS
from fhir_server.search.parse.suggestions import one_of

Inner = Callable[[str], Clause]  # what must hold for the resource at the other end, of this type


def forward(type_name: str, code: str, target: str, rest: str, inner: Inner, context: SearchContext) -> Clause:
    """`subject:Patient.name` (target "Patient", rest "name") or `subject.name` (target "": each type with a name)."""
    parameter = reference_parameter(type_name, code, context)
    if target:
        if target not in parameter.targets:
            raise one_of(f"type that {type_name}'s '{code}' refers to", target, parameter.targets)
        return _with_contained(type_name, Chain(parameter.fields, ((target, inner(target)),)), context)
    candidates = [candidate for candidate in parameter.targets if knows(candidate, rest, context)]
    if not candidates:
        return Chain(parameter.fields, ((parameter.targets[0], inner(parameter.targets[0])),))  # inner raises its error
    if len(candidates) > FEW_TARGETS:
        raise error("value", f"'{code}' can refer to many types; name the one you mean, as in {code}:{candidates[0]}.")
    targets, refusals = [], []
    for candidate in candidates:
        try:
            targets.append((candidate, inner(candidate)))
        except FhirError as refusal:
            if refusal.category == "too-costly":
                raise
            refusals.append(refusal)
    if not targets:
        raise refusals[0]
    return _with_contained(type_name, Chain(parameter.fields, tuple(targets)), context)


def _with_contained(type_name: str, chain: Chain, context: SearchContext) -> Clause:
    """The chain, or that a contained resource is what it asks for."""
    if not context.contained or not holds_others(type_name, context.definitions.properties(type_name)):
        return chain
    within = [_contained(target, inner) for target, inner in chain.targets if _of_elements(inner)]
    return Any((chain, *within)) if within else chain


def _contained(target: str, inner: Clause) -> Clause:
    found = of_container(inner, target)
    if isinstance(inner, (All, Any, Not, Missing)):  # may hold of what is not there
        return All((Missing((presence_field(target),), False), found))
    return found


def _of_elements(clause: Clause) -> bool:
    """Whether a clause asks for nothing but a resource's own elements."""
    match clause:
        case All(clauses) | Any(clauses):
            return all(_of_elements(each) for each in clauses)
        case Not(inner):
            return _of_elements(inner)
    return hasattr(clause, "fields") and not isinstance(clause, (Chain, Has))


def reverse(type_name: str, source: str, code: str, inner: Inner, context: SearchContext) -> Clause:
    """`_has:Observation:patient:code`: a source refers to this resource by code, and inner holds for it."""
    parameter = reference_parameter(resource_type(source, context), code, context)
    if type_name not in parameter.targets:
        raise error(
            "value", f"{source}'s '{code}' does not refer to {type_name}, but to {', '.join(parameter.targets)}."
        )
    return Has(source, parameter.fields, inner(source))
