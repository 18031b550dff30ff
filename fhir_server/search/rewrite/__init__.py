"""A Query made simpler, and complete: small rules, one per file, each with before and after at its top.

    simplify(clause, fields) -> Clause             the rules alone
    await rewrite(clause, fields, terminology)     with value sets and code hierarchies expanded too

An index gets what rewrite returns: never InValueSet, Subsumes or InList, no All within All, no Any within Any.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.ports import TerminologyService
from fhir_server.core.query import All, Any, Chain, Clause, Has, InList, Not, TokenIs
from fhir_server.search.fields import Fields
from fhir_server.search.rewrite.alternatives import alternatives
from fhir_server.search.rewrite.chains import chains
from fhir_server.search.rewrite.flatten import flatten
from fhir_server.search.rewrite.lists import lists
from fhir_server.search.rewrite.negation import negation
from fhir_server.search.rewrite.terminology import expand, needs_terminology
from fhir_server.search.rewrite.walk import with_children

__all__ = ["RULES", "rewrite", "simplify"]

Rule = Callable[[Clause, Fields], Clause]

RULES: dict[type, tuple[Rule, ...]] = {  # of each kind of clause that has any
    InList: (lists,),
    All: (flatten,),
    Any: (flatten, alternatives),
    Not: (negation,),
    Chain: (chains,),
    Has: (chains,),
}


def simplify(clause: Clause, fields: Fields) -> Clause:
    """The clause by all rules, innermost first."""
    rules = RULES.get(type(clause))
    if rules is None:
        return clause
    clause = with_children(clause, lambda inner: simplify(inner, fields))
    for rule in rules:
        changed = rule(clause, fields)
        if changed is not clause:
            return simplify(changed, fields)
    return clause


async def rewrite(clause: Clause, fields: Fields, terminology: TerminologyService | None = None) -> Clause:
    """The clause as an index takes it; FhirError value where a value set or code is not known."""
    if clause.__class__ is TokenIs:  # as the criteria of nearly every write are
        return clause
    if needs_terminology(clause):
        clause = await expand(clause, terminology)
    return simplify(clause, fields)
