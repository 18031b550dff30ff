"""CodeSystem/$lookup: all that is known of a code (https://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from terminology.language import all_details, display, speaks
from terminology.model import Concept, Designation, Details, Property
from terminology.operations.arguments import Arguments, entry, parameters, parts
from terminology.operations.view import code_system, named_system, view, with_instance
from terminology.service import Terminology

Json = dict[str, Any]


def lookup(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """FhirError not-found where the code or its system isn't known."""
    catalog = with_instance(view(service, arguments), instance)
    coding = arguments.coding("coding") or {}
    code = coding.get("code") or arguments.text("code")
    named, asked = named_system(arguments, "system", "version", instance)
    url, version = coding.get("system") or named, coding.get("version") or asked
    if not code:
        raise error("required", "Give the code to look up: code and system, or coding.", location="code")
    system = code_system(catalog, url, version)
    found = catalog.find(url, version, code)
    if found is None:
        reason = getattr(system, "why_not", lambda _: "")(code)
        name = f"{url}|{system.info.version}" if system.info.version else url
        raise error("not-found", f"The code '{code}' is not in {name}. {reason}".strip(), location="code")
    system, concept = found
    asked = arguments.texts("property")
    details = all_details(catalog, system, concept)
    designations = [designation for each in details for designation in each.designations]
    language = arguments.text("displayLanguage")
    shown = display(language, concept.display, system.info.resource.get("language", ""), designations)
    return parameters(
        entry("name", "string", system.info.name or url),
        entry("version", "string", system.info.version),
        entry("display", "string", shown or concept.code),
        entry("code", "code", concept.code),
        entry("system", "uri", url),
        entry("abstract", "boolean", True) if concept.abstract else None,
        *_designations(designations, asked),
        *_properties(concept, details, asked),
    )


def _designations(designations: list[Designation], asked: list[str]) -> list[Json]:
    languages = [name.removeprefix("lang.") for name in asked if name.startswith("lang.")]
    if asked and "designation" not in asked and "*" not in asked and not languages:
        return []
    chosen = [d for d in designations if not languages or any(speaks(tag.lower(), d.language) for tag in languages)]
    return [
        parts(
            "designation",
            entry("language", "code", d.language),
            entry("use", "Coding", dict(d.use) if d.use else None),
            entry("value", "string", d.value),
        )
        for d in chosen
    ]


def _properties(concept: Concept, details: list[Details], asked: list[str]) -> list[Json]:
    found = [property for each in details for property in each.properties]
    if concept.definition:
        found.insert(0, Property("definition", "string", concept.definition))
    if not any(p.code == "inactive" for p in found):
        found.append(Property("inactive", "boolean", concept.inactive))
    found += details[0].related
    if asked and "*" not in asked:
        found = [p for p in found if p.code in asked]
    return [
        parts(
            "property",
            entry("code", "code", p.code),
            entry("value", p.type, p.value),
            entry("description", "string", p.description),
        )
        for p in found
    ]
