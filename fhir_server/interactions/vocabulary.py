"""The terminology as a restricted caller knows it: stored ValueSets that the caller may not read are not there.

Neither by name nor within others, nor in the criteria of searches (`:in`, `:not-in`). What ships with the server and
what was loaded into the terminology is everybody's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fhir_server.codec.json import decode
from fhir_server.core.ports import Caller, SearchIndex
from fhir_server.core.query import Clause, Not, Query
from terminology import Terminology

Canonical = tuple[str, str]  # url, version
Hidden = Callable[[], Awaitable[frozenset[Canonical]]]

PAGE = 500


def limit_of(caller: Caller) -> Clause | None:
    """What holds for ValueSets that a caller may read; None for all."""
    reading = caller.reading or caller.restriction
    return reading("ValueSet") if reading is not None else None


async def hidden_value_sets(whole: SearchIndex, limit: Clause | None) -> frozenset[Canonical]:
    """Those that are stored and for which the limit does not hold; whole: the index of everything."""
    if limit is None:
        return frozenset()
    found: set[Canonical] = set()
    cursor = ""
    while True:
        page = await whole.search(Query(("ValueSet",), Not(limit), count=PAGE, cursor=cursor))
        for version in page.matches:
            resource = decode(version.body)
            found.add((resource.get("url", ""), resource.get("version", "")))
        cursor = page.next
        if not cursor:
            return frozenset(found)


class VisibleVocabulary:
    """The `TerminologyService` port over what may be read."""

    def __init__(self, service: Terminology, hidden: Hidden) -> None:
        self._service = service
        self._hidden = hidden

    async def expand(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """All (system, code) of a value set that may be read."""
        return await self._service.without(await self._hidden()).expand(value_set)

    async def below(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that it subsumes."""
        return await self._service.below(system, code)

    async def above(self, system: str, code: str) -> Sequence[str] | None:
        """The code and all that subsume it."""
        return await self._service.above(system, code)

    async def validate_code(self, value_set: str, system: str, code: str) -> bool | None:
        """Whether a value set that may be read has this code."""
        return await self._service.without(await self._hidden()).validate_code(value_set, system, code)
