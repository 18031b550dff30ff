"""CodeSystem/$subsumes (https://hl7.org/fhir/R4/codesystem-operation-subsumes.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from terminology.operations.arguments import Arguments, parameters
from terminology.operations.view import code_system, named_system, view, with_instance
from terminology.service import Terminology

Json = dict[str, Any]


def subsumes(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """outcome: equivalent, subsumes, subsumed-by or not-subsumed; FhirError not-found for an unknown code."""
    catalog = with_instance(view(service, arguments), instance)
    url, version = named_system(arguments, "system", "version", instance)
    codes = []
    for letter in "AB":
        coding = arguments.coding(f"coding{letter}") or {"code": arguments.text(f"code{letter}")}
        if not coding.get("code"):
            raise error("required", f"Give code{letter}, or coding{letter}.", location=f"code{letter}")
        named = coding.get("system") or url
        if url and named != url:
            raise error("value", f"Both codes must be of one code system, not of {url} and {named}.", location="system")
        url = named
        version = coding.get("version") or version
        codes.append(coding["code"])
    system = code_system(catalog, url, version)
    concepts = []
    for code in codes:
        concept = system.find(code)
        if concept is None:
            raise error("not-found", f"The code '{code}' is not in {url}.", location="code")
        concepts.append(concept)
    a, b = concepts
    if a.code == b.code:
        outcome = "equivalent"
    elif system.subsumes(a, b):
        outcome = "subsumes"
    else:
        outcome = "subsumed-by" if system.subsumes(b, a) else "not-subsumed"
    return parameters({"name": "outcome", "valueCode": outcome})
