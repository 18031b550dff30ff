"""The codes of a value set, in order, page by page (https://hl7.org/fhir/R4/valueset.html#expansion)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error
from terminology.catalog import Catalog, CodeSystem, version_matches
from terminology.compose.compiled import CompiledSet, Listed, Part
from terminology.compose.membership import contains
from terminology.model import Concept, Filter
from terminology.store import text as texts
from terminology.versions import joined

DEFAULT_LIMIT = 100_000


class Member(NamedTuple):
    """One code; provider None where the value set lists it but its code system isn't here."""

    system: str
    version: str
    concept: Concept
    provider: CodeSystem | None = None
    listed: Listed | None = None

    @property
    def display(self) -> str:
        """As the value set has it, or as the code system."""
        return (self.listed.display if self.listed else "") or self.concept.display


class Wanted(NamedTuple):
    """What is asked of an expansion; text "" for all; selectable: leave abstract concepts out; count None for all."""

    text: str = ""
    active: bool = False
    selectable: bool = False
    exclude_systems: frozenset[tuple[str, str]] = frozenset()  # url and version, "" for all of them
    offset: int = 0
    count: int | None = None
    limit: int = DEFAULT_LIMIT


class Expanded(NamedTuple):
    """A page of members and how many there are in all, None where counting them would take too long."""

    members: list[Member]
    total: int | None


def expand(catalog: Catalog, value_set: CompiledSet, wanted: Wanted) -> Expanded:
    """FhirError not-found where a code system or value set that it needs isn't here, too-costly beyond the limit."""
    if value_set.inactive is False:
        wanted = wanted._replace(active=True)
    direct = _direct(catalog, value_set, wanted)
    if direct is not None:
        return direct
    page: list[Member] = []
    last = None if wanted.count is None else wanted.offset + wanted.count
    total = 0
    for member in _members(catalog, value_set, wanted, set() if _may_repeat(value_set) else None):
        if total >= wanted.offset and (last is None or total < last):
            page.append(member)
            if len(page) > wanted.limit:
                raise too_costly(value_set, wanted)
        total += 1
        if last is not None and total > last + wanted.limit:
            return Expanded(page, None)
    return Expanded(page, total)


def too_costly(value_set: CompiledSet, wanted: Wanted) -> FhirError:
    """The error of an expansion that is too large."""
    return error(
        "too-costly",
        f"The expansion of {value_set.canonical or 'the value set'} has more than {wanted.limit} codes; ask for pages "
        "with count and offset, or narrow it with filter.",
    )


def _may_repeat(value_set: CompiledSet) -> bool:
    return len(value_set.includes) > 1


def _direct(catalog: Catalog, value_set: CompiledSet, wanted: Wanted) -> Expanded | None:
    """The whole question put to one code system, where the value set is made of one that can answer it."""
    if len(value_set.includes) != 1 or wanted.selectable or wanted.exclude_systems:
        return None
    part = value_set.includes[0]
    if not part.system or part.codes is not None or part.sets or part.unknown:
        return None
    excluded = []
    for out in value_set.excludes:
        if out.sets or out.unknown or (out.system == part.system and out.version not in ("", part.version)):
            return None
        if out.system == part.system:
            if out.codes is not None and any("," in code for code in out.codes):
                return None
            excluded.append((Filter("concept", "in", ",".join(out.codes)),) if out.codes is not None else out.filters)
    provider = _provider(catalog, part)
    total = provider.count_of(part.filters, excluded, wanted.text, wanted.active)
    if wanted.count is None and total - wanted.offset > wanted.limit:
        raise too_costly(value_set, wanted)
    count = -1 if wanted.count is None else wanted.count
    found = provider.select(part.filters, excluded, wanted.text, wanted.active, wanted.offset, count) if count else ()
    version = provider.info.version
    return Expanded([Member(part.system, version, concept, provider) for concept in found], total)


def _provider(catalog: Catalog, part: Part) -> CodeSystem:
    provider = catalog.system(part.system, part.version)
    if provider is None:
        wanted = catalog.rules.version(part.system, part.version)
        known = [system.info.version or "without version" for system in catalog.systems(part.system)]
        versions = f" Versions known: {', '.join(known)}." if known else ""
        raise error(
            "not-found",
            f"The code system {joined(part.system, wanted)} is not known here, so its codes can't be listed.{versions}",
        )
    return provider


def _members(
    catalog: Catalog, value_set: CompiledSet, wanted: Wanted, seen: set[tuple[str, str]] | None
) -> Iterator[Member]:
    active = wanted.active or value_set.inactive is False
    for part in value_set.includes:
        for member in _of_part(catalog, part, wanted):
            concept = member.concept
            if (active and concept.inactive) or (wanted.selectable and concept.abstract):
                continue
            if wanted.exclude_systems and _of_systems(wanted.exclude_systems, member):
                continue
            if _excluded(catalog, value_set.excludes, member):
                continue
            if seen is not None:
                key = (member.system, concept.code)
                if key in seen:
                    continue
                seen.add(key)
            yield member


def _of_systems(systems: frozenset[tuple[str, str]], member: Member) -> bool:
    return any(
        url == member.system and (not version or version_matches(version, member.version)) for url, version in systems
    )


def _excluded(catalog: Catalog, parts: tuple[Part, ...], member: Member) -> bool:
    if not parts:
        return False
    out = CompiledSet("", "", parts, ())
    answer = contains(catalog, out, member.system, member.concept.code)
    if answer.found is None:
        raise error("not-found", f"{answer.unknown} is not known here, so it can't be told what is excluded.")
    return answer.found


def _of_part(catalog: Catalog, part: Part, wanted: Wanted) -> Iterator[Member]:
    if part.unknown:
        raise error("not-found", f"The value set {part.unknown[0]} is not known here, so it can't be expanded.")
    if part.system:
        found = _listed(catalog, part, wanted) if part.codes is not None else _selected(catalog, part, wanted)
        others = part.sets
    else:
        first, *rest = part.sets
        found, others = _members(catalog, first, wanted, set() if _may_repeat(first) else None), tuple(rest)
    for member in found:
        for other in others:
            answer = contains(catalog, other, member.system, member.concept.code)
            if answer.found is None:
                raise error("not-found", f"{answer.unknown} is not known here, so the value set can't be expanded.")
            if not answer.found:
                break
        else:
            yield member


def _listed(catalog: Catalog, part: Part, wanted: Wanted) -> Iterator[Member]:
    assert part.codes is not None
    for code, listed in part.codes.items():
        known = catalog.find(part.system, part.version, code)
        system = catalog.system(part.system, part.version)
        if known is None and system is not None and system.info.content == "complete":
            continue  # a code that its code system does not have is in no expansion
        provider, concept = known or (None, Concept(0, code, listed.display))
        if wanted.text:
            designations = [d.value for d in listed.designations]
            if provider:
                designations += [d.value for d in provider.designations(concept)]
            if not texts.matches(wanted.text, code, listed.display, concept.display, *designations):
                continue
        version = provider.info.version if provider else part.version
        yield Member(part.system, version, concept, provider, listed)


def _selected(catalog: Catalog, part: Part, wanted: Wanted) -> Iterator[Member]:
    provider = _provider(catalog, part)
    for concept in provider.select(part.filters, (), wanted.text, wanted.active):
        yield Member(part.system, provider.info.version, concept, provider)
