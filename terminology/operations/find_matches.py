"""CodeSystem/$find-matches: concepts by their properties.

https://hl7.org/fhir/R4/codesystem-operation-find-matches.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import FhirError, error
from terminology.catalog import CodeSystem
from terminology.model import Concept, Filter
from terminology.operations.arguments import Arguments, entry, parameters, parts
from terminology.operations.view import code_system, named_system, view, with_instance
from terminology.service import Terminology
from terminology.store.writer import value_text

MAX_MATCHES = 100

Json = dict[str, Any]


def find_matches(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """match: a code with all the properties; where there is none and exact is false, with all but one of them.

    What a match does not have is in `unmatched`. A property named `display` asks for its words.
    """
    catalog = with_instance(view(service, arguments), instance)
    system = code_system(catalog, *named_system(arguments, "system", "version", instance))
    if arguments.flag("compositional"):
        message = "Compositions of codes can't be found here; leave 'compositional' out."
        raise error("not-supported", message, location="compositional")
    wanted = [_property(given) for given in arguments.all("property")]
    if not wanted:
        raise error("required", "Give at least one property, with code and value.", location="property")
    with service.store.limited(service.seconds):
        found: list[tuple[Concept, tuple[tuple[str, str], ...]]] = [
            (concept, ()) for concept in _matches(system, wanted)
        ]
        if not found and not arguments.flag("exact"):
            seen: set[str] = set()
            for left_out in wanted if len(wanted) > 1 else ():
                for concept in _matches(system, [each for each in wanted if each is not left_out]):
                    if concept.code not in seen and len(found) < MAX_MATCHES:
                        seen.add(concept.code)
                        found.append((concept, (left_out,)))
    return parameters(*(_match(system, concept, unmatched) for concept, unmatched in found[:MAX_MATCHES]))


def _property(given: Any) -> tuple[str, str]:
    code = given.get("code") if isinstance(given, dict) else None
    if not isinstance(code, str) or not code or "value" not in given:
        message = "Each property has the parts code and value; properties within properties are not supported."
        raise error("value", message, location="property")
    value = given["value"]
    return code, str(value.get("code", "")) if isinstance(value, dict) else value_text(value)


def _matches(system: CodeSystem, wanted: list[tuple[str, str]]) -> list[Concept]:
    filters = [Filter(code, "=", value) for code, value in wanted if code != "display"]
    text = " ".join(value for code, value in wanted if code == "display")
    try:
        return list(system.select(filters, text=text, limit=MAX_MATCHES))
    except FhirError as failure:
        if failure.category == "too-costly":
            raise error("not-supported", f"{system.info.name} is a grammar: its codes can't be searched.") from None
        raise


def _match(system: CodeSystem, concept: Concept, unmatched: tuple[tuple[str, str], ...]) -> Json:
    coding = {
        "system": system.info.url,
        "version": system.info.version,
        "code": concept.code,
        "display": concept.display,
    }
    return parts(
        "match",
        {"name": "code", "valueCoding": {key: value for key, value in coding.items() if value}},
        *(
            parts("unmatched", entry("code", "code", code), entry("value", "string", value))
            for code, value in unmatched
        ),
        entry("comment", "string", "All but one of the properties match." if unmatched else ""),
    )
