"""$validate-code of CodeSystem and ValueSet.

https://hl7.org/fhir/R4/codesystem-operation-validate-code.html and
https://hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from terminology.catalog import Catalog
from terminology.compose.compiled import CompiledSet
from terminology.operations.arguments import Arguments
from terminology.operations.verdict import Rules, Verdict, check
from terminology.operations.view import canonical_of, value_set, view, with_instance
from terminology.service import Terminology

Json = dict[str, Any]


def validate_in_code_system(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """CodeSystem/$validate-code: url and code, coding, or codeableConcept; the code system may come along."""
    given = instance or arguments.resource("codeSystem", "CodeSystem")
    catalog = view(service, arguments)
    if given is not None:
        given = {**given, "url": given.get("url") or "urn:given"}
        catalog = with_instance(catalog, given)
    url, version = canonical_of(arguments, "url", "version")
    url = (given or {}).get("url") or url
    if not url and arguments.has("code"):
        raise error("required", "Give the code system with url, beside the code.", location="url")
    return _answer(catalog, None, arguments, url, version)


def validate_in_value_set(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """ValueSet/$validate-code: code with system, coding or codeableConcept; the set by url, resource or context."""
    catalog = view(service, arguments)
    found = value_set(service, catalog, arguments, instance)
    system, version = canonical_of(arguments, "system", "systemVersion")
    return _answer(catalog, found, arguments, system, version)


def rules_of(arguments: Arguments) -> Rules:
    """How strict the caller wants it."""
    return Rules(
        abstract=arguments.flag("abstract") is not False,
        language=arguments.text("displayLanguage"),
        lenient=bool(arguments.flag("lenient-display-validation")),
        active=bool(arguments.flag("activeOnly")),
    )


def _answer(catalog: Catalog, value_set: CompiledSet | None, arguments: Arguments, system: str, version: str) -> Json:
    rules = rules_of(arguments)
    infer = arguments.flag("inferSystem")
    concept, coding = arguments.concept("codeableConcept"), arguments.coding("coding")
    given = sum((concept is not None, coding is not None, arguments.has("code")))
    if given != 1:
        raise error("required", "Give one of code, coding and codeableConcept.", location="code")
    if concept is not None:
        return _of_concept(catalog, value_set, concept, rules, bool(infer)).to_fhir(concept)
    if coding is not None:
        if value_set is None and system and coding.get("system", system) != system:
            message = f"The coding is of {coding['system']}, not of the code system {system}."
            raise error("value", message, location="coding")
        system_of = {"system": system} if value_set is None and system else {}
        return check(catalog, value_set, {**system_of, **coding}, rules, "Coding", bool(infer)).to_fhir()
    asked = {"system": system, "version": version, "code": arguments.text("code"), "display": arguments.text("display")}
    return check(catalog, value_set, asked, rules, alone=infer is not False).to_fhir()


def _of_concept(catalog: Catalog, value_set: CompiledSet | None, concept: Json, rules: Rules, infer: bool) -> Verdict:
    """Valid when one of the codings is; what is wrong with the others is told as warnings."""
    codings = concept.get("coding", [])
    verdicts = [
        check(catalog, value_set, coding, rules, f"CodeableConcept.coding[{place}]", infer)
        for place, coding in enumerate(codings)
    ]
    if not verdicts:
        verdict = Verdict()
        verdict.add("error", "invalid", "The CodeableConcept has no coding to check.", "CodeableConcept.coding")
        return verdict
    best = next((v for v in verdicts if v.result), None) or next((v for v in verdicts if v.unknown), verdicts[0])
    for other in verdicts:
        if other is not best:
            for issue in other.issues:
                lowered = "warning" if best.result and issue.severity == "error" else issue.severity
                best.add(lowered, issue.code, issue.diagnostics, issue.expression)
    return best
