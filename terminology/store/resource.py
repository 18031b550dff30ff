"""A CodeSystem resource as records, and what of a ConceptMap it is found by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_server.core.errors import error
from terminology.model import ABSTRACT, INACTIVE, Designation, Property, Record, SystemInfo

PROPERTIES = "http://hl7.org/fhir/concept-properties#"
# The standard properties by which a hierarchy is told besides nesting, and the one of HL7's own v3 systems.
_PARENT_CODES, _CHILD_CODES = ("parent", "subsumedBy"), ("child",)
_INACTIVE_STATUS = ("retired", "inactive")
_MAX_DEPTH = 500

Json = dict[str, Any]


def system_info(resource: Json) -> SystemInfo:
    """What is known of the system as a whole."""
    return SystemInfo(
        url=resource["url"],
        version=resource.get("version", ""),
        name=resource.get("title") or resource.get("name", ""),
        content=resource.get("content", "complete"),
        case_sensitive=resource.get("caseSensitive", True),
        supplements=resource.get("supplements", ""),
        resource={key: value for key, value in resource.items() if key not in ("concept", "text")},
    )


def records_of(resource: Json) -> Iterator[Record]:
    """The concepts in the order of the resource, parents before children; FhirError where a code comes twice."""
    meaning = _meanings(resource)
    seen: set[str] = set()
    waiting: list[tuple[Json, str, int]] = [(c, "", 0) for c in reversed(resource.get("concept", ()))]
    while waiting:
        concept, parent, depth = waiting.pop()
        code = concept.get("code")
        if not isinstance(code, str) or not code:
            raise error("unprocessable", f"A concept of the CodeSystem {resource['url']} has no code.")
        if code in seen:
            raise error("unprocessable", f"The CodeSystem {resource['url']} has the code '{code}' twice.")
        if depth > _MAX_DEPTH:
            raise error("unprocessable", f"Concepts of {resource['url']} are nested more than {_MAX_DEPTH} deep.")
        seen.add(code)
        yield _record(concept, parent, meaning)
        waiting += [(child, code, depth + 1) for child in reversed(concept.get("concept", ()))]


def parents_of(resource: Json) -> Iterator[tuple[str, str]]:
    """(child, parent) of the concepts that name their children by a property."""
    meaning = _meanings(resource)
    names = {code for code, standard in meaning.items() if standard == "child"}
    waiting = list(resource.get("concept", ()))
    while waiting:
        concept = waiting.pop()
        waiting += concept.get("concept", ())
        for property in concept.get("property", ()):
            if property["code"] in names and "valueCode" in property:
                yield property["valueCode"], concept["code"]


def _meanings(resource: Json) -> dict[str, str]:
    """The resource's property codes -> what they stand for among the standard ones."""
    meaning = dict.fromkeys(_PARENT_CODES, "parent") | dict.fromkeys(_CHILD_CODES, "child")
    meaning |= {code: code for code in ("inactive", "status", "notSelectable", "abstract")}
    for property in resource.get("property", ()):
        standard = str(property.get("uri", "")).partition(PROPERTIES)[2]
        if standard:
            meaning[property["code"]] = standard
    return meaning


def _record(concept: Json, parent: str, meaning: dict[str, str]) -> Record:
    flags = 0
    parents = [parent] if parent else []
    properties = []
    for property in concept.get("property", ()):
        key, value = next(((k, v) for k, v in property.items() if k.startswith("value")), ("", None))
        if value is None:
            continue
        code, kind = property["code"], meaning.get(property["code"])
        if kind == "parent":
            parents.append(str(value))
        if kind in ("parent", "child"):
            continue
        if (kind == "inactive" and value in (True, "true")) or (kind == "status" and value in _INACTIVE_STATUS):
            flags |= INACTIVE
        if kind in ("notSelectable", "abstract") and value in (True, "true"):
            flags |= ABSTRACT
        properties.append(Property(code, _type(key), value))
    designations = tuple(
        Designation(d.get("value", ""), d.get("language", ""), d.get("use", {})) for d in concept.get("designation", ())
    )
    return Record(
        concept["code"], concept.get("display", ""), concept.get("definition", ""), flags, designations,
        tuple(properties), tuple(dict.fromkeys(parents)),
    )  # fmt: skip


def _type(key: str) -> str:
    name = key.removeprefix("value")
    return name if name == "Coding" else name[0].lower() + name[1:]


def map_ends(resource: Json) -> set[str]:
    """What a ConceptMap maps from and to: value sets and code systems, by url without version."""
    ends = [resource.get(f"{end}{kind}") for end in ("source", "target") for kind in ("Canonical", "Uri")]
    groups = [group.get(end) for group in resource.get("group", ()) for end in ("source", "target")]
    return {end.partition("|")[0] for end in ends + groups if end}
