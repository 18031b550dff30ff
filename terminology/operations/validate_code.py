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
from terminology.operations.view import canonical_of, named_system, value_set, view, with_instance
from terminology.service import Terminology

Json = dict[str, Any]


def validate_in_code_system(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """CodeSystem/$validate-code: url and code, coding, or codeableConcept; the code system may come along."""
    given = instance or arguments.resource("codeSystem", "CodeSystem")
    catalog = view(service, arguments)
    if given is not None:
        given = {**given, "url": given.get("url") or "urn:given"}
        # what comes along is looked into as it is, even where its url and version are known here
        catalog = with_instance(catalog, given) if instance else catalog.with_request([given], catalog.rules)
    url, version = named_system(arguments, "url", "version", given)
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
    # of $validate-code on a code system, what a coding leaves unsaid; one in a value set says all itself
    ours = {k: v for k, v in (("system", system), ("version", version)) if v} if value_set is None else {}
    if concept is not None:
        return _of_concept(catalog, value_set, concept, rules, bool(infer), ours).to_fhir(concept)
    if coding is not None:
        if problem := _of_another(coding, ours):
            raise error("value", problem, location="coding")
        return check(catalog, value_set, {**ours, **coding}, rules, "Coding", bool(infer)).to_fhir()
    asked = {"system": system, "version": version, "code": arguments.text("code"), "display": arguments.text("display")}
    return check(catalog, value_set, asked, rules, alone=infer is not False).to_fhir()


def _of_another(coding: Json, ours: Json) -> str:
    """What to say of a coding of another code system than the one that is asked about; "" for one of it."""
    system = ours.get("system", "")
    if not system or coding.get("system", system) == system:
        return ""
    return f"The coding is of {coding['system']}, not of the code system {system}."


def _of_concept(
    catalog: Catalog, value_set: CompiledSet | None, concept: Json, rules: Rules, infer: bool, ours: Json
) -> Verdict:
    """Valid when one of the codings is; what is wrong with the others is told as warnings.

    Where none is, the answer is about one whose code is right, such as one with a wrong display.
    """
    verdicts = []
    for number, coding in enumerate(concept.get("coding", ())):
        place = f"CodeableConcept.coding[{number}]"
        if problem := _of_another(coding, ours):
            verdict = Verdict(coding.get("code", ""), coding["system"], coding.get("version", ""))
            verdict.add("error", "code-invalid", problem, f"{place}.system")
        else:
            verdict = check(catalog, value_set, {**ours, **coding}, rules, place, infer)
        verdicts.append(verdict)
    if not verdicts:
        verdict = Verdict()
        verdict.add("error", "invalid", "The CodeableConcept has no coding to check.", "CodeableConcept.coding")
        return verdict
    known = (v for v in verdicts if not v.unknown and all(issue.code != "code-invalid" for issue in v.issues))
    best = next((v for v in verdicts if v.result), None) or next(known, None)
    best = best or next((v for v in verdicts if v.unknown), verdicts[0])
    for other in verdicts:
        if other is not best:
            for issue in other.issues:
                lowered = "warning" if best.result and issue.severity == "error" else issue.severity
                best.add(lowered, issue.code, issue.diagnostics, issue.expression)
    return best
