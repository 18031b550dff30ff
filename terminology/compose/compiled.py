"""A ValueSet's compose, with the value sets that it builds on (https://hl7.org/fhir/R4/valueset.html#compositions)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhir_server.core.errors import FhirError, error
from terminology.catalog import Catalog
from terminology.compose.implicit import implicit_value_set
from terminology.model import Designation, Filter
from terminology.versions import joined, split

_MAX_DEPTH = 100

Json = dict[str, Any]


class Listed(NamedTuple):
    """A code that the value set lists, with the texts that it gives it."""

    display: str = ""
    designations: tuple[Designation, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One include or exclude: codes that are in the system, listed or filtered, and in all of the sets.

    system "" where only sets are named; codes None where none are listed; unknown: value sets that aren't known.
    """

    system: str
    version: str
    codes: dict[str, Listed] | None
    filters: tuple[Filter, ...]
    sets: tuple[CompiledSet, ...]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class CompiledSet:
    """A value set; inactive: whether inactive codes are in it, None where it isn't said."""

    url: str
    version: str
    includes: tuple[Part, ...]
    excludes: tuple[Part, ...]
    inactive: bool | None = None
    answers: dict[Any, Any] = field(default_factory=dict)  # what was asked of it before

    @property
    def canonical(self) -> str:
        """url|version."""
        return joined(self.url, self.version)


def compile_set(catalog: Catalog, resource: Json, path: tuple[str, ...] = ()) -> CompiledSet:
    """Compiles a ValueSet resource.

    FhirError unprocessable where it builds on itself, or is built in a way that R4 does not allow.
    """
    url = resource.get("url", "")
    if url and url in path:
        circle = " -> ".join([*path[path.index(url) :], url])
        raise error("unprocessable", f"The value set {url} builds on itself: {circle}.")
    if len(path) > _MAX_DEPTH:
        raise error("too-costly", f"The value set {path[0]} builds on others more than {_MAX_DEPTH} deep.")
    compose = resource.get("compose")
    if compose is None:
        return _of_expansion(resource)
    here = (*path, url)
    return CompiledSet(
        url,
        resource.get("version", ""),
        tuple(_part(catalog, resource, part, here) for part in compose.get("include", ())),
        tuple(_part(catalog, resource, part, here) for part in compose.get("exclude", ())),
        compose.get("inactive"),
    )


def find_set(catalog: Catalog, canonical: str, path: tuple[str, ...] = ()) -> CompiledSet | None:
    """The value set behind a canonical URL, implicit ones too; None where it isn't known."""
    url, version = split(canonical)
    resource = catalog.value_set(url, version) or implicit_value_set(catalog, url, version)
    return compile_set(catalog, resource, path) if resource else None


def _part(catalog: Catalog, resource: Json, part: Json, path: tuple[str, ...]) -> Part:
    system = part.get("system", "")
    listed, filters = part.get("concept"), part.get("filter", ())
    if listed and filters:
        raise _wrong(resource, "an include has both concept and filter")
    if (listed or filters) and not system:
        raise _wrong(resource, "an include has concept or filter, but no system")
    if not system and "valueSet" not in part:
        raise _wrong(resource, "an include has neither system nor valueSet")
    sets: list[CompiledSet] = []
    unknown: list[str] = []
    for canonical in part.get("valueSet", ()):
        found = _named_set(catalog, resource, canonical, path)
        if found is None:
            unknown.append(canonical)
        else:
            sets.append(found)
    codes = {c["code"]: Listed(c.get("display", ""), _designations(c)) for c in listed} if listed else None
    return Part(
        system,
        part.get("version", ""),
        codes,
        tuple(Filter(f["property"], f["op"], f.get("value", "")) for f in filters),
        tuple(sets),
        tuple(unknown),
    )


def _named_set(catalog: Catalog, resource: Json, canonical: str, path: tuple[str, ...]) -> CompiledSet | None:
    if canonical.startswith("#"):
        contained = next((c for c in resource.get("contained", ()) if c.get("id") == canonical[1:]), None)
        if contained is None:
            raise _wrong(resource, f"the value set {canonical} that it names is not contained in it")
        return compile_set(catalog, {**contained, "url": contained.get("url") or f"{path[-1]}{canonical}"}, path)
    return find_set(catalog, canonical, path)


def _wrong(resource: Json, reason: str) -> FhirError:
    return error(
        "unprocessable", f"The value set {resource.get('url', 'without url')} can't be used: {reason}.",
        expression="ValueSet.compose",
    )  # fmt: skip


def _designations(concept: Json) -> tuple[Designation, ...]:
    return tuple(
        Designation(d.get("value", ""), d.get("language", ""), d.get("use", {})) for d in concept.get("designation", ())
    )


def _of_expansion(resource: Json) -> CompiledSet:
    """A value set that has no compose is what its expansion lists."""
    expansion = resource.get("expansion")
    if expansion is None:
        return CompiledSet(resource.get("url", ""), resource.get("version", ""), (), ())
    systems: dict[tuple[str, str], dict[str, Listed]] = {}
    waiting = list(reversed(expansion.get("contains", ())))
    while waiting:
        entry = waiting.pop()
        waiting += reversed(entry.get("contains", ()))
        if "code" in entry and not entry.get("abstract"):
            key = (entry.get("system", ""), entry.get("version", ""))
            systems.setdefault(key, {})[entry["code"]] = Listed(entry.get("display", ""), _designations(entry))
    parts = tuple(Part(system, version, codes, (), ()) for (system, version), codes in systems.items())
    return CompiledSet(resource.get("url", ""), resource.get("version", ""), parts, ())
