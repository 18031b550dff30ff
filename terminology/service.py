"""The terminology service: what search, validation and FHIRPath ask, and what the operations are made of."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from terminology.catalog import Catalog, Shipped
from terminology.compose.compiled import CompiledSet, compile_set, find_set
from terminology.compose.expansion import DEFAULT_LIMIT, Wanted, expand
from terminology.compose.filters import wrong_filter
from terminology.compose.membership import Membership, contains, systems_with
from terminology.language import NAMED_BY_OTHERS, all_designations, is_right
from terminology.maps import CompiledMap, compile_map
from terminology.model import Filter
from terminology.shape import require_shape
from terminology.store.code_system import StoredSystem
from terminology.store.store import Store
from terminology.store.without import Canonical, Without
from terminology.versions import joined, split

Json = dict[str, Any]

MAX_SECONDS = 20.0
TYPES = ("CodeSystem", "ValueSet", "ConceptMap")


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class Terminology:
    """Code systems, value sets and concept maps; implements core.ports.TerminologyService.

    path: the file of the store, None for memory only; shipped: the packs, one for all services of a process;
    limit: how many codes an expansion without count may have; seconds: how long one question may take.
    Every method may be called from any thread. The async ones do no input or output besides SQLite.
    """

    def __init__(
        self,
        path: Path | None = None,
        shipped: Shipped | None = None,
        limit: int = DEFAULT_LIMIT,
        seconds: float = MAX_SECONDS,
        clock: Clock = now,
    ) -> None:
        self.store = Store(path)
        self.shipped = shipped or Shipped()
        self.limit = limit
        self.seconds = seconds
        self.clock = clock
        self._catalog = Catalog(self.store, self.shipped)
        self._sets: dict[str, CompiledSet | None] = {}
        self._maps: dict[str, CompiledMap | None] = {}
        self._generation = -1

    def close(self) -> None:
        """Closes the store."""
        self.store.close()

    @property
    def catalog(self) -> Catalog:
        """What is known now, to any worker."""
        generation = self.store.generation()
        if generation != self._generation:
            self._catalog.forget()
            self._sets, self._maps = {}, {}
            self._generation = generation
        return self._catalog

    def without(self, hidden: frozenset[Canonical]) -> Terminology:
        """The same service to one who does not know these stored resources (type, url, version)."""
        if not hidden:
            return self
        seen = copy(self)
        seen._catalog = Catalog(Without(self.store, hidden), self.shipped)
        seen._sets, seen._maps, seen._generation = {}, {}, -1
        return seen

    def put(self, resource: Json) -> None:
        """Takes a CodeSystem, ValueSet or ConceptMap in, in place of the one with its url and version.

        FhirError unprocessable where its shape, its concepts or its hierarchy are wrong.
        """
        require_shape(resource, "Resource", "Resource", optional=True)
        if resource["resourceType"] not in TYPES or not resource.get("url"):
            raise error("unprocessable", f"Terminology is a {', '.join(TYPES)} with a url.", expression="url")
        self.store.put(resource)

    def remove(self, type: str, url: str, version: str = "") -> bool:
        """Forgets one; whether it was known."""
        return self.store.remove(type, url, version)

    def value_set(self, canonical: str, catalog: Catalog | None = None) -> CompiledSet | None:
        """The compiled value set behind a canonical URL, None where it isn't known.

        FhirError unprocessable where it builds on itself or is otherwise wrong.
        """
        catalog = catalog or self.catalog
        if not catalog.plain:
            return find_set(catalog, canonical)
        if canonical not in self._sets:
            self._sets[canonical] = find_set(catalog, canonical)
        return self._sets[canonical]

    def compiled(self, resource: Json, catalog: Catalog | None = None) -> CompiledSet:
        """A ValueSet resource that is at hand, compiled."""
        return compile_set(catalog or self.catalog, resource)

    def concept_map(self, canonical: str, catalog: Catalog | None = None) -> CompiledMap | None:
        """The compiled concept map behind a canonical URL, None where it isn't known."""
        catalog = catalog or self.catalog
        url, version = split(canonical)
        if not catalog.plain:
            resource = catalog.concept_map(url, version)
            return compile_map(resource) if resource else None
        if canonical not in self._maps:
            resource = catalog.concept_map(url, version)
            self._maps[canonical] = compile_map(resource) if resource else None
        return self._maps[canonical]

    def membership(self, value_set: str, system: str, code: str) -> Membership | None:
        """Whether the value set has the code, with the reason where it can't be said; None: no such value set."""
        catalog = self.catalog
        found = self.value_set(value_set, catalog)
        return contains(catalog, found, system, code) if found else None

    def member_of(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether the value set has the code, None where it can't be said; system "" where only the code is known."""
        catalog = self.catalog
        found = self.value_set(value_set, catalog)
        return None if found is None else _has(catalog, found, system, code)

    def member_of_resource(self, value_set: Json, system: str, code: str) -> bool | None:
        """The same of a ValueSet resource that is at hand, such as a contained one."""
        catalog = self.catalog
        return _has(catalog, compile_set(catalog, value_set), system, code)

    def unknown_code(self, system: str, code: str) -> str:
        """Why a code is none of its code system; "" where it is one, or where the system isn't here or not whole."""
        catalog = self.catalog
        found = catalog.system(system)
        if found is None or found.info.content != "complete" or catalog.find(system, "", code) is not None:
            return ""
        reason = getattr(found, "why_not", lambda _: "")(code)
        return f"the code {code!r} is not in the code system {joined(system, found.info.version)}. {reason}".strip(" .")

    def wrong_filter(self, system: str, property: str, operator: str, value: str) -> str:
        """Why a filter can't select anything of a code system; "" where it can, or the system isn't here or whole."""
        found = self.catalog.system(system)
        if not isinstance(found, StoredSystem) or found.info.content != "complete":
            return ""
        return wrong_filter(found, Filter(property, operator, value))

    def no_code_system(self, url: str) -> str:
        """What a URL names instead of a code system, and what to write; "" where it may be one."""
        catalog = self.catalog
        if next(iter(catalog.systems(url)), None) is not None:
            return ""
        if catalog.has_supplement(url):
            return f"{url} is a supplement: write the code system that it adds to"
        found = catalog.value_set(url)
        if found is None:
            return ""
        parts = (found.get("compose") or {}).get("include", ())
        systems = dict.fromkeys(part["system"] for part in parts if isinstance(part.get("system"), str))
        named = f": {' or '.join(list(systems)[:3])}" if systems else ""
        return f"{url} is a value set: write the code system that the code is of{named}"

    def kinds(self, url: str) -> list[str]:
        """The types of the terminology resources that have this canonical URL, in any version."""
        return [type for type in TYPES if self.catalog.has(type, url)]

    def wrong_display(self, system: str, code: str, given: str) -> str:
        """The display of a code where the one that is given is none of its texts; "" where it is, or can't be told."""
        catalog = self.catalog
        found = catalog.find(system, "", code)
        if found is None or system in NAMED_BY_OTHERS or hasattr(found[0], "why_not"):  # a grammar's words are ours
            return ""
        system_here, concept = found
        texts = (concept.display, *(d.value for d in all_designations(catalog, system_here, concept)))
        return "" if is_right(given, texts) else concept.display

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        """Whether code subsumes other, or equals it; None where one of them isn't known."""
        general, special = self.catalog.find(system, "", code), self.catalog.find(system, "", other)
        if general is None or special is None or general[0] is not special[0]:
            return None
        return general[0].subsumes(general[1], special[1])

    def display(self, system: str, code: str, version: str = "") -> str | None:
        """The display of a code, None where it isn't known."""
        found = self.catalog.find(system, version, code)
        return found[1].display if found else None

    def codes(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """All (system, code) of a value set; FhirError too-costly or not-found where they can't be listed."""
        catalog = self.catalog
        found = self.value_set(value_set, catalog)
        if found is None:
            return None
        with self.store.limited(self.seconds):
            return [(m.system, m.concept.code) for m in expand(catalog, found, Wanted(limit=self.limit)).members]

    async def expand(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """core.ports.TerminologyService.expand."""
        return self.codes(value_set)

    async def below(self, system: str, code: str) -> Sequence[str] | None:
        """core.ports.TerminologyService.below."""
        found = self.catalog.find(system, "", code)
        return found[0].below(found[1]) if found else None

    async def above(self, system: str, code: str) -> Sequence[str] | None:
        """core.ports.TerminologyService.above."""
        found = self.catalog.find(system, "", code)
        return found[0].above(found[1]) if found else None

    async def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """core.ports.TerminologyService.validate_code."""
        return self.member_of(value_set, system, code)


def _has(catalog: Catalog, value_set: CompiledSet, system: str, code: str) -> bool | None:
    """Whether a value set has a code, None where it can't be said; system "" where only the code is known."""
    if system:
        return contains(catalog, value_set, system, code).found
    systems, unknown = systems_with(catalog, value_set, code)
    return True if systems else None if unknown else False
