"""The index as a restricted caller sees it: the port SearchIndex, narrowed (see visible.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import All, Clause, IdIn, Page, Query
from fhir_server.interactions.access import Restriction, restrict, visible
from fhir_server.interactions.binary_contexts import in_context
from fhir_server.interactions.masks import Masks


class VisibleIndex:
    """The `SearchIndex` port over what may be seen."""

    def __init__(self, index: SearchIndex, restriction: Restriction, masks: Masks | None = None) -> None:
        self._index = index
        self._restriction = restriction
        self._masks = masks

    async def search(self, query: Query) -> Page:
        """One page of the restricted query; FhirError "forbidden" where it asks by what is hidden."""
        if self._masks is None:
            return await self._in_context(await self._index.search(restrict(self._restriction, query)))
        self._masks.require_open(query)
        page = await self._index.search(restrict(self._restriction, self._masks.following(query)))
        page = await self._in_context(page)
        return replace(page, matches=self._masks.all_shown(page.matches), included=self._masks.all_shown(page.included))

    async def _in_context(self, page: Page) -> Page:
        """The page without what belongs to what may not be seen; no total where it would count that."""
        matches = await in_context(page.matches, self._seen_keys)
        included = await in_context(page.included, self._seen_keys)
        if matches is page.matches and included is page.included:
            return page
        total = page.total if len(matches) == len(page.matches) else None
        return replace(page, matches=matches, included=included, total=total)

    async def _seen_keys(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for type, id in keys:
            limit = self._restriction(type)
            where = IdIn((id,)) if limit is None else All((IdIn((id,)), limit))
            found |= {(type, version.id) for version in (await self._index.search(Query((type,), where))).matches}
        return found

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many there are to see; FhirError "forbidden" as of a search."""
        if self._masks is not None:
            self._masks.require_clear(types, where)
        return await self._index.count(types, visible(self._restriction, types, where))

    async def counts(self) -> dict[str, int]:
        """How many there are to see of each type that has some."""
        found = {}
        for type, number in (await self._index.counts()).items():
            limit = self._restriction(type)
            found[type] = number if limit is None else await self._index.count((type,), limit)
        return {type: number for type, number in found.items() if number}

    async def close(self) -> None:
        """Nothing: the index is another's."""
