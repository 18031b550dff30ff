"""SearchParameter resources as search parameters (https://hl7.org/fhir/R4/searchparameter.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import Issue
from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.fhirpath import FhirPathError, compile_path


def parameter_of(resource: dict[str, Any], definitions: Definitions) -> SearchParameter | None:
    """The search parameter that a resource defines; None where it is not active or has no expression."""
    from fhir_server.definitions.compile import compile_search_parameter

    if resource.get("status") != "active" or not resource.get("expression") or issues_of(resource, definitions):
        return None
    return compile_search_parameter(resource)


def issues_of(resource: dict[str, Any], definitions: Definitions) -> list[Issue]:
    """What keeps an active SearchParameter from taking effect, for the one who stores it."""
    from fhir_server.definitions.compile import compile_search_parameter

    if resource.get("status") != "active" or not resource.get("expression"):
        return []
    issues = []
    compiled = compile_search_parameter(resource)
    for base, branches in compiled.branches.items():
        if base not in definitions.types:
            issues.append(_issue(f"base '{base}' is no resource type", "base"))
        for branch in branches:
            try:
                compile_path(branch, definitions, base)
            except FhirPathError as problem:
                issues.append(_issue(f"the expression can't be used on {base}: {problem}", "expression"))
    for base in compiled.base:
        own = definitions.search_parameters(base).get(compiled.code) if base in definitions.types else None
        if own is not None and own.type != compiled.type:
            what = f"the code '{compiled.code}' is that of {own.url}, which searches {base} by {own.type}"
            issues.append(_issue(f"{what}, not by {compiled.type}", "code"))
    if not compiled.branches:
        issues.append(_issue("the expression starts at none of the base types", "expression"))
    return issues


def _issue(what: str, element: str) -> Issue:
    return Issue(
        "error", "invalid", f"This SearchParameter is active, but {what}. Correct it or make it a draft.",
        f"SearchParameter.{element}",
    )  # fmt: skip
