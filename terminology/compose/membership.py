"""Whether a value set has a code, without expanding it."""

from __future__ import annotations

from typing import NamedTuple

from terminology.catalog import Catalog, CodeSystem
from terminology.compose.compiled import CompiledSet, Listed, Part
from terminology.model import Concept
from terminology.versions import joined

_KEPT = 20_000


class Membership(NamedTuple):
    """found None: it can't be said, because `unknown` (a code system or value set) isn't here.

    system and concept: what was found, None where the value set lists a code of a system that isn't here.
    """

    found: bool | None
    system: CodeSystem | None = None
    concept: Concept | None = None
    listed: Listed | None = None
    unknown: str = ""


_NOT = Membership(False)


def contains(catalog: Catalog, value_set: CompiledSet, system: str, code: str, version: str = "") -> Membership:
    """Whether the value set has this code of this system; version "" for any."""
    key = (system, code, version)
    answer = value_set.answers.get(key)
    if answer is None:
        if len(value_set.answers) > _KEPT:
            value_set.answers.clear()
        answer = value_set.answers[key] = _contains(catalog, value_set, system, code, version)
    return answer


def _contains(catalog: Catalog, value_set: CompiledSet, system: str, code: str, version: str) -> Membership:
    answer = _in_any(catalog, value_set.includes, system, code, version)
    if answer.found is False:
        return answer
    if answer.concept and answer.concept.inactive and value_set.inactive is False:
        return _NOT
    excluded = _in_any(catalog, value_set.excludes, system, code, version)
    if excluded.found:
        return _NOT
    return answer if excluded.found is False or answer.found is None else excluded


def _in_any(catalog: Catalog, parts: tuple[Part, ...], system: str, code: str, version: str) -> Membership:
    unknown = _NOT
    for part in parts:
        answer = _in_part(catalog, part, system, code, version)
        if answer.found:
            return answer
        if answer.found is None:
            unknown = answer
    return unknown


def _in_part(catalog: Catalog, part: Part, system: str, code: str, version: str) -> Membership:
    answer = _in_system(catalog, part, system, code, version) if part.system else None
    if answer and not answer.found:
        return answer
    for value_set in part.sets:
        inside = contains(catalog, value_set, system, code, version)
        if inside.found is not True:
            return inside
        answer = answer or inside
    if part.unknown:
        return Membership(None, unknown=part.unknown[0])
    return answer or _NOT


def _in_system(catalog: Catalog, part: Part, system: str, code: str, version: str) -> Membership:
    if system != part.system:
        return _NOT
    known = catalog.find(system, part.version or version, code)
    if part.codes is not None:
        listed = part.codes.get(code)
        if listed is not None:
            return Membership(True, *(known or (None, None)), listed)
        # Without case, another spelling of a listed code is that code.
        if known and not known[0].info.case_sensitive:
            spelled = known[1].code.casefold()
            listed = next((listed for other, listed in part.codes.items() if other.casefold() == spelled), None)
            return Membership(True, *known, listed) if listed else _NOT
        return _NOT
    if known is None:
        found = catalog.system(system, part.version or version)
        if found is None or (found.info.content != "complete" and part.filters == ()):
            return Membership(None, unknown=joined(system, part.version or version))
        return _NOT
    return Membership(True, *known) if known[0].matches(known[1], part.filters) else _NOT


def systems_with(catalog: Catalog, value_set: CompiledSet, code: str) -> tuple[list[str], str]:
    """The code systems of which the value set has this code, and one that isn't here and might have it, "" for none."""
    candidates: dict[str, None] = {}
    waiting = [value_set]
    while waiting:
        for part in waiting.pop().includes:
            if part.system:
                candidates[part.system] = None
            waiting += part.sets
    answers = {system: contains(catalog, value_set, system, code) for system in candidates}
    found = [system for system, answer in answers.items() if answer.found]
    return found, next((answer.unknown for answer in answers.values() if answer.found is None), "")
