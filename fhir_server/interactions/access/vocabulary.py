"""The terminology as a restricted caller knows it: what is stored of it and the caller may not read is not there.

Neither CodeSystems, ValueSets and ConceptMaps by name nor within others, nor in the criteria of searches (`:in`,
`:not-in`, `:below`, `:above`). What ships with the server and what was loaded into the terminology is everybody's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from fhir_server.core.ports import Caller, SearchIndex
from fhir_server.core.query import Clause, Not, Query
from fhir_server.interactions.search_pages import search_pages
from terminology import Terminology

Canonical = tuple[str, str, str]  # type, url, version
Hidden = Callable[[], Awaitable[frozenset[Canonical]]]

PAGE = 500
TYPES = ("CodeSystem", "ConceptMap", "ValueSet")


class _Named(msgspec.Struct):
    """What a resource is known by; the rest of it, which may be long, is passed over."""

    url: str = ""
    version: str = ""


_decode = msgspec.json.Decoder(_Named).decode


def limits_of(caller: Caller) -> dict[str, Clause]:
    """What holds for the resources of each type that a caller may read; without those types that are seen whole."""
    reading = caller.reading or caller.restriction
    limits = {type: reading(type) for type in TYPES} if reading is not None else {}
    return {type: limit for type, limit in limits.items() if limit is not None}


async def hidden_vocabulary(whole: SearchIndex, limits: Mapping[str, Clause]) -> frozenset[Canonical]:
    """Those that are stored and for which the limit does not hold; whole: the index of everything."""
    found: set[Canonical] = set()
    for type, limit in limits.items():
        async for page in search_pages(whole, Query((type,), Not(limit), count=PAGE)):
            named = (_decode(version.body) for version in page.matches)
            found.update((type, each.url, each.version) for each in named)
    return frozenset(found)


class VisibleVocabulary:
    """The `TerminologyService` port over what may be read."""

    def __init__(self, service: Terminology, hidden: Hidden) -> None:
        self._service = service
        self._hidden = hidden

    async def expand(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """All (system, code) of a value set that may be read."""
        return await (await self._known()).expand(value_set)

    async def below(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that it subsumes, of a system that may be read."""
        return await (await self._known()).below(system, code)

    async def above(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that subsume it, of a system that may be read."""
        return await (await self._known()).above(system, code)

    async def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a value set that may be read has this code."""
        return await (await self._known()).validate_code(value_set, system, code)

    async def _known(self) -> Terminology:
        return self._service.without(await self._hidden())
