"""CodeSystem/$lookup: all that is known of a code (https://hl7.org/fhir/R4/codesystem-operation-lookup.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import error
from terminology.catalog import Catalog, CodeSystem
from terminology.model import Concept, Designation, Property
from terminology.operations.arguments import Arguments, entry, parameters, parts
from terminology.operations.language import all_designations, display, speaks
from terminology.operations.view import code_system, view, with_instance
from terminology.service import Terminology

Json = dict[str, Any]

# What a caller may name in `property` that is no property of the concept.
_TEXTS = ("url", "system", "name", "version", "display", "designation")


def lookup(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """FhirError not-found where the code or its system isn't known."""
    catalog = with_instance(view(service, arguments), instance)
    coding = arguments.coding("coding") or {}
    code = coding.get("code") or arguments.text("code")
    url = coding.get("system") or arguments.text("system") or (instance or {}).get("url", "")
    version = coding.get("version") or arguments.text("version")
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
    designations = all_designations(catalog, system, concept)
    language = arguments.text("displayLanguage")
    shown = display(language, concept.display, system.info.resource.get("language", ""), designations)
    return parameters(
        entry("name", "string", system.info.name or url),
        entry("version", "string", system.info.version),
        entry("display", "string", shown or concept.code),
        entry("code", "code", concept.code),
        entry("system", "uri", url),
        entry("abstract", "boolean", True) if concept.abstract else None,
        *_designations(designations, asked, language),
        *_properties(catalog, system, concept, asked),
    )


def _designations(designations: list[Designation], asked: list[str], language: str) -> list[Json]:
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


def _properties(catalog: Catalog, system: CodeSystem, concept: Concept, asked: list[str]) -> list[Json]:
    details = system.details(concept)
    found = list(details.properties)
    for supplement in catalog.supplements(system.info.url):
        if (other := supplement.find(concept.code)) is not None:
            found += supplement.details(other).properties
    if concept.definition:
        found.insert(0, Property("definition", "string", concept.definition))
    if not any(p.code == "inactive" for p in found):
        found.append(Property("inactive", "boolean", concept.inactive))
    found += [Property("parent", "code", code) for code in details.parents]
    found += [Property("child", "code", code) for code in details.children]
    if asked and "*" not in asked:
        found = [p for p in found if p.code in asked]
    return [_property(system, p) for p in found]


def _property(system: CodeSystem, property: Property) -> Json:
    described = ""
    if property.type == "code" and (property.code in ("parent", "child") or property.code.isdecimal()):
        other = system.find(str(property.value))
        described = other.display if other else ""
    return parts(
        "property",
        entry("code", "code", property.code),
        entry("value", property.type, property.value),
        entry("description", "string", described),
    )
