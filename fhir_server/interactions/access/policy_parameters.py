"""Policies by FHIRPath: what a rule's expression says of a resource, as a search parameter of its own.

    [[rule]]
    effect = "deny"
    resources = ["Observation"]
    fhirpath = "component.count() > 3"

becomes a stored SearchParameter with the expression `Observation.where(component.count() > 3).exists()`; so that the
rule is a clause of every query like any other. While what is stored is still being indexed by it, a denial or a mask
holds for all of the type, and a permit for nothing of it. It is the server's own: no caller meets or changes it, and
/metadata does not name it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.ports import Transaction
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.security.policies import RESOURCES, Policies, Rule

TYPE = "SearchParameter"
URL = "urn:hms:policy-"  # what their URLs begin with


def own_ids(policies: Policies) -> tuple[str, ...]:
    """The ids of the parameters that policies need."""
    return tuple(code_of(*each) for each in sorted(_wanted(policies)))


def _wanted(policies: Policies) -> set[tuple[str, str]]:
    """Types and expressions."""
    return {(type, rule.fhirpath) for rule in policies.rule if rule.fhirpath for type in types_of(rule)}


def code_of(type: str, expression: str) -> str:
    """The code and the id of the parameter of an expression on a type."""
    return "policy-" + hashlib.sha256(f"{type} {expression}".encode()).hexdigest()[:16]


def types_of(rule: Rule) -> list[str]:
    """The types that a rule names."""
    return [found[1] for text in rule.resources if (found := RESOURCES.match(text))]


def require_expressions(policies: Policies, definitions: Definitions) -> None:
    """FhirError "value" for an expression that can't be used on a type of its rule."""
    for number, rule in enumerate(policies.rule, 1):
        for type in types_of(rule) if rule.fhirpath else ():
            if type == "*":
                raise error("value", f"Rule {number} of the policies has an expression: name its types, not '*'.")
            try:
                compile_path(_expression(type, rule.fhirpath), definitions, type, strict=True)
            except FhirPathError as problem:
                raise error(
                    "value", f"Rule {number} of the policies: fhirpath can't be used on {type}: {problem}."
                ) from None


def _expression(type: str, expression: str) -> str:
    return f"{type}.where({expression}).exists()"


async def store_parameters(environment: Environment, policies: Policies) -> None:
    """Stores the SearchParameters that the policies need and that are not there yet."""
    wanted = _wanted(policies)
    for type, expression in sorted(wanted):
        id = code_of(type, expression)
        known = await environment.store.read(TYPE, id)
        if known is not None and not known.deleted:
            continue
        prepared = prepare(environment, _resource(type, expression))

        async def work(transaction: Transaction, id: str = id, prepared: Any = prepared) -> None:
            head = await transaction.read(TYPE, id)
            if head is None or head.deleted:
                await store(transaction, prepared, TYPE, id, head.version + 1 if head else 1, "PUT")

        await environment.store.commit(work)
    if wanted:
        await environment.followers[0].refresh()


def _resource(type: str, expression: str) -> dict[str, Any]:
    code = code_of(type, expression)
    return {
        "resourceType": TYPE,
        "url": f"urn:hms:{code}",
        "name": code.replace("-", "_"),
        "status": "active",
        "description": "What a rule of this server's policies says of a resource.",
        "code": code,
        "base": [type],
        "type": "token",
        "expression": _expression(type, expression),
    }
