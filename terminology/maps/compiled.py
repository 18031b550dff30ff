"""A ConceptMap as tables, and what it makes of a code (https://hl7.org/fhir/R4/conceptmap.html)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from terminology.versions import joined, split

# What a relation is when it is read from the other end (https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html).
_INVERSE = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}
NO_TRANSLATION = ("unmatched", "disjoint")
_MAX_MAPS = 20

Json = dict[str, Any]


class Dependency(NamedTuple):
    """A fact that some mappings depend on: an element and its value."""

    property: str
    system: str
    value: str


class Match(NamedTuple):
    """One translation; concept: a Coding, {} where there is none; source: the canonical of the map."""

    equivalence: str
    concept: Json
    products: tuple[Json, ...]
    comment: str
    source: str


class Group(NamedTuple):
    """The mappings from one code system to another."""

    source: str
    target: str
    target_version: str
    source_version: str
    forward: dict[str, list[Json]]
    backward: dict[str, list[tuple[Json, Json]]]
    unmapped: Json


class CompiledMap(NamedTuple):
    """A concept map. canonical: url|version; source, target: the urls of the value sets that it maps from and to."""

    canonical: str
    source: str
    target: str
    groups: tuple[Group, ...]


Find = Callable[[str], "CompiledMap | None"]


def compile_map(resource: Json) -> CompiledMap:
    """Compiles a ConceptMap resource."""
    return CompiledMap(
        joined(resource.get("url", ""), resource.get("version", "")),
        _end(resource, "source"),
        _end(resource, "target"),
        tuple(_group(group) for group in resource.get("group", ())),
    )


def _end(resource: Json, name: str) -> str:
    return split(resource.get(f"{name}Canonical") or resource.get(f"{name}Uri") or "")[0]


def _group(group: Json) -> Group:
    forward: dict[str, list[Json]] = {}
    backward: dict[str, list[tuple[Json, Json]]] = {}
    for element in group.get("element", ()):
        targets = element.get("target", [])
        forward.setdefault(element.get("code", ""), []).extend(targets)
        for target in targets:
            if target.get("code"):
                backward.setdefault(target["code"], []).append((element, target))
    return Group(
        group.get("source", ""), group.get("target", ""), group.get("targetVersion", ""),
        group.get("sourceVersion", ""), forward, backward, group.get("unmapped", {}),
    )  # fmt: skip


def translate(
    compiled: CompiledMap, system: str, code: str, target_system: str, dependencies: Sequence[Dependency], find: Find
) -> Iterator[Match]:
    """What the map makes of a code; target_system "" for any; find: other maps, which this one may refer to."""
    yield from _translate(compiled, system, code, target_system, dependencies, find, ())


def _translate(
    compiled: CompiledMap,
    system: str,
    code: str,
    target_system: str,
    dependencies: Sequence[Dependency],
    find: Find,
    path: tuple[str, ...],
) -> Iterator[Match]:
    if compiled.canonical in path or len(path) > _MAX_MAPS:
        circle = " -> ".join([*path, compiled.canonical])
        raise error("unprocessable", f"The concept maps refer to one another in a circle: {circle}.")
    for group in compiled.groups:
        if group.source not in ("", system) or target_system not in ("", group.target):
            continue
        targets = group.forward.get(code)
        if targets is None:
            yield from _unmapped(compiled, group, system, code, target_system, dependencies, find, path)
        for target in targets or ():
            if _holds(target, dependencies):
                yield _match(compiled, target, _coding(group.target, group.target_version, target))


def _unmapped(
    compiled: CompiledMap,
    group: Group,
    system: str,
    code: str,
    target_system: str,
    dependencies: Sequence[Dependency],
    find: Find,
    path: tuple[str, ...],
) -> Iterator[Match]:
    mode = group.unmapped.get("mode")
    if mode == "provided":
        yield Match("equal", _coding(group.target, group.target_version, {"code": code}), (), "", compiled.canonical)
    elif mode == "fixed":
        fixed = _coding(group.target, group.target_version, group.unmapped)
        yield Match(
            "inexact", fixed, (), "The code is not mapped; this stands for all that are not.", compiled.canonical
        )
    elif mode == "other-map":
        url = group.unmapped.get("url", "")
        other = find(url)
        if other is None:
            raise error("not-found", f"{compiled.canonical} refers to the concept map {url}, which is not known here.")
        here = (*path, compiled.canonical)
        yield from _translate(other, system, code, target_system, dependencies, find, here)


def translate_back(
    compiled: CompiledMap, system: str, code: str, source_system: str, dependencies: Sequence[Dependency]
) -> Iterator[Match]:
    """The codes that the map makes this code of; source_system "" for any."""
    for group in compiled.groups:
        if group.target not in ("", system) or source_system not in ("", group.source):
            continue
        for element, target in group.backward.get(code, ()):
            if _holds(target, dependencies):
                found = _match(compiled, target, _coding(group.source, group.source_version, element))
                yield found._replace(equivalence=_INVERSE.get(found.equivalence, found.equivalence), products=())


def _holds(target: Json, dependencies: Sequence[Dependency]) -> bool:
    """Whether all that the mapping depends on was given."""
    return all(
        any(
            given.property == wanted.get("property")
            and given.value == wanted.get("value")
            and (not given.system or given.system == wanted.get("system", given.system))
            for given in dependencies
        )
        for wanted in target.get("dependsOn", ())
    )


def _coding(system: str, version: str, target: Json) -> Json:
    if not target.get("code"):
        return {}
    coding = {"system": system, "version": version, "code": target["code"], "display": target.get("display", "")}
    return {key: value for key, value in coding.items() if value}


def _match(compiled: CompiledMap, target: Json, concept: Json) -> Match:
    return Match(
        target.get("equivalence", "relatedto"), concept, tuple(target.get("product", ())), target.get("comment", ""),
        compiled.canonical,
    )  # fmt: skip
