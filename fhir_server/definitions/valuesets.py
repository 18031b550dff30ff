"""Lists the codes of the value sets that R4 binds with strength required, while the definitions are compiled."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
Codes = dict[str, set[str]]


class ValueSetExpander:
    """Expands value sets over the code systems that come with the definitions."""

    def __init__(self, resources: list[Json]) -> None:
        self.value_sets = {r["url"]: r for r in resources if r["resourceType"] == "ValueSet"}
        self.code_systems = {r["url"]: r for r in resources if r["resourceType"] == "CodeSystem"}

    def expand(self, url: str) -> Codes | None:
        """system -> codes; None where a part can't be listed (a grammar such as UCUM, a system that isn't here)."""
        value_set = self.value_sets.get(url.partition("|")[0])
        if value_set is None:
            return None
        codes: Codes = {}
        compose = value_set.get("compose", {})
        for include in compose.get("include", ()):
            part = self._include(include)
            if part is None:
                return None
            for system, found in part.items():
                codes.setdefault(system, set()).update(found)
        for exclude in compose.get("exclude", ()):
            for system, found in (self._include(exclude) or {}).items():
                codes.get(system, set()).difference_update(found)
        return codes

    def _include(self, include: Json) -> Codes | None:
        codes: Codes | None = None
        if "system" in include:
            listed = self._of_system(include)
            if listed is None:
                return None
            codes = {include["system"]: listed}
        for url in include.get("valueSet", ()):
            other = self.expand(url)
            if other is None:
                return None
            codes = other if codes is None else {s: found & other.get(s, set()) for s, found in codes.items()}
        return codes

    def _of_system(self, include: Json) -> set[str] | None:
        if "concept" in include:
            return {concept["code"] for concept in include["concept"]}
        system = self.code_systems.get(include["system"])
        if system is None or system.get("content") != "complete":
            return None
        parents = _parents(system.get("concept", ()))
        codes = set(parents)
        for rule in include.get("filter", ()):
            if rule["property"] != "concept" or rule["op"] not in ("is-a", "descendent-of"):
                return None
            below = {code for code in parents if rule["value"] in _ancestors(code, parents)}
            codes &= below | ({rule["value"]} if rule["op"] == "is-a" else set())
        return codes


def _parents(concepts: list[Json], parent: str = "") -> dict[str, set[str]]:
    """code -> its parents, by nesting and by the property subsumedBy."""
    parents: dict[str, set[str]] = {}
    for concept in concepts:
        mine = parents.setdefault(concept["code"], set())
        if parent:
            mine.add(parent)
        mine.update(
            p["valueCode"] for p in concept.get("property", ()) if p["code"] == "subsumedBy" and "valueCode" in p
        )
        for code, found in _parents(concept.get("concept", ()), concept["code"]).items():
            parents.setdefault(code, set()).update(found)
    return parents


def _ancestors(code: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    todo = [code]
    while todo:
        for parent in parents.get(todo.pop(), ()):
            if parent not in found:
                found.add(parent)
                todo.append(parent)
    return found
