"""ConceptMap/$translate (https://hl7.org/fhir/R4/conceptmap-operation-translate.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.core.errors import error
from terminology.catalog import Catalog
from terminology.maps.compiled import (
    NO_TRANSLATION,
    CompiledMap,
    Dependency,
    Match,
    compile_map,
    translate,
    translate_back,
)
from terminology.operations.arguments import Arguments, entry, parameters, parts
from terminology.operations.view import canonical_of, view
from terminology.service import Terminology
from terminology.shape import require_shape
from terminology.versions import joined, split

Json = dict[str, Any]


def translate_code(service: Terminology, arguments: Arguments, instance: Json | None = None) -> Json:
    """result and match; with reverse, the codes that would be translated to the one given."""
    catalog = view(service, arguments)
    reverse = bool(arguments.flag("reverse"))
    codings = _codings(arguments)
    target_system = arguments.text("targetsystem")
    dependencies = [each for given in arguments.all("dependency") for each in _dependencies(given)]
    find: Callable[[str], CompiledMap | None] = lambda canonical: service.concept_map(canonical, catalog)  # noqa: E731
    matches: dict[str, Match] = {}
    looked_at = 0
    for coding in codings:
        system, code = coding.get("system", ""), coding["code"]
        for compiled in _maps(service, catalog, arguments, instance, system, reverse):
            looked_at += 1
            found = (
                translate_back(compiled, system, code, target_system, dependencies)
                if reverse
                else translate(compiled, system, code, target_system, dependencies, find)
            )
            for match in found:
                matches.setdefault(repr((match.equivalence, match.concept, match.products)), match)
    return _answer(catalog, codings, list(matches.values()), looked_at)


def _codings(arguments: Arguments) -> list[Json]:
    concept, coding = arguments.concept("codeableConcept"), arguments.coding("coding")
    if concept is not None:
        found = [each for each in concept.get("coding", ()) if each.get("code")]
    elif coding is not None:
        found = [coding] if coding.get("code") else []
    else:
        system, _ = canonical_of(arguments, "system", "version")
        found = [{"system": system, "code": arguments.text("code")}] if arguments.has("code") else []
    if not found:
        raise error(
            "required", "Give the code to translate: code and system, coding, or codeableConcept.", location="code"
        )
    return found


def _dependencies(given: Any) -> list[Dependency]:
    """The element and its value, by each coding of it."""
    if not isinstance(given, dict) or "element" not in given or "concept" not in given:
        raise error("value", "Each dependency has the parts element and concept.", location="dependency")
    concept = given["concept"]
    if isinstance(concept, dict):
        require_shape(concept, "CodeableConcept", "dependency.concept")
    codings = concept.get("coding", []) if isinstance(concept, dict) else [{"code": str(concept)}]
    return [Dependency(str(given["element"]), each.get("system", ""), each.get("code", "")) for each in codings]


def _maps(
    service: Terminology, catalog: Catalog, arguments: Arguments, instance: Json | None, system: str, reverse: bool
) -> Iterator[CompiledMap]:
    """The map that is named, or all that fit the ends that are."""
    given = instance or arguments.resource("conceptMap", "ConceptMap")
    if given is not None:
        yield compile_map(given)
        return
    if arguments.has("url"):
        url, version = canonical_of(arguments, "url", "conceptMapVersion")
        found = service.concept_map(joined(url, version), catalog)
        if found is None:
            raise error("not-found", f"The concept map {joined(url, version)} is not known here.", location="url")
        yield found
        return
    source, target = split(arguments.text("source"))[0], split(arguments.text("target"))[0]
    if reverse:
        source, target = target, source
    if not (system or source or target):
        raise error("required", "Give url, source or target, or a system with the code.", location="url")
    for resource in catalog.maps(source or target or system):
        compiled = service.concept_map(joined(resource["url"], resource.get("version", "")), catalog)
        if compiled and source in ("", compiled.source) and target in ("", compiled.target):
            yield compiled


def _answer(catalog: Catalog, codings: list[Json], matches: list[Match], looked_at: int) -> Json:
    result = any(match.equivalence not in NO_TRANSLATION for match in matches)
    message = ""
    if not result:
        codes = ", ".join(f"{coding.get('system', '')}#{coding['code']}" for coding in codings)
        message = f"There is no translation of {codes} in the concept maps that fit; {looked_at} were looked at."
    return parameters(
        {"name": "result", "valueBoolean": result},
        entry("message", "string", message),
        *(_match(catalog, match) for match in matches),
    )


def _match(catalog: Catalog, match: Match) -> Json:
    concept = dict(match.concept)
    if concept and "display" not in concept:
        known = catalog.find(concept.get("system", ""), concept.get("version", ""), concept["code"])
        if known and known[1].display:
            concept["display"] = known[1].display
    products = [
        parts(
            "product", entry("element", "uri", product.get("property")), entry("concept", "Coding", _product(product))
        )
        for product in match.products
    ]
    return parts(
        "match",
        entry("equivalence", "code", match.equivalence),
        entry("concept", "Coding", concept or None),
        *products,
        entry("source", "uri", match.source),
        entry("comment", "string", match.comment),
    )


def _product(product: Json) -> Json:
    coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
    return {key: value for key, value in coding.items() if value}
