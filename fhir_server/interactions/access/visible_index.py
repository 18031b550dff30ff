"""The index as a restricted caller sees it: the port SearchIndex, narrowed (see visible.py)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion, ids_by_type
from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import NOTHING, All, Clause, IdIn, Page, Query
from fhir_server.interactions.access.contents import Contents
from fhir_server.interactions.access.masks import Masks
from fhir_server.interactions.access.restriction import Restriction, restrict, visible

EMPTY_PAGES = 20  # pages without anything to see that are passed over for one answer
LOOKED_INTO = 200  # resources at a time
MOST_COUNTED = 10_000


class VisibleIndex:
    """The `SearchIndex` port over what may be seen."""

    def __init__(
        self, index: SearchIndex, restriction: Restriction, contents: Contents, masks: Masks | None = None
    ) -> None:
        self._index = index
        self._restriction = restriction
        self._contents = contents.of_found()
        self._masks = masks

    def limited(self, types: Sequence[str], where: Clause) -> Clause:
        """The clause about resources of these types, for those that may be seen."""
        return visible(self._restriction, types, where, self._passing)

    def _passing(self, type: str) -> Clause | None:
        """What must be looked into can't be while it is only passed through."""
        return NOTHING if self._contents.concern(type) else self._restriction(type)

    async def search(self, query: Query) -> Page:
        """One page of the restricted query; FhirError "forbidden" where it asks by what is hidden."""
        if self._masks is None:
            return await self._searched(restrict(self._restriction, query, self._passing))
        self._masks.require_open(query)
        page = await self._searched(restrict(self._restriction, self._masks.following(query), self._passing))
        return replace(page, matches=self._masks.all_shown(page.matches), included=self._masks.all_shown(page.included))

    async def _searched(self, query: Query) -> Page:
        """One page without what only its content tells to be hidden; one that has nothing else is passed over."""
        if query.includes:
            query = replace(query, older=self._older)
        looked_into = any(map(self._contents.concern, query.types))
        if looked_into and query.only_count:
            return await self._counted(query)
        page = await self._index.search(query)
        for _ in range(EMPTY_PAGES):
            matches = await self._contents.shown(page.matches, self._seen_keys)
            if matches or not page.matches or not page.next:
                break
            page = await self._index.search(replace(query, cursor=page.next))
        included = await self._contents.shown(page.included, self._seen_keys)
        total = page.total
        if looked_into and total is not None:
            total = len(matches) if not (page.next or page.previous) else await self._total(query)
        return replace(page, matches=matches, included=included, total=total)

    def _older(self, version: StoredVersion) -> StoredVersion | None:
        """An older version of what may be seen, where it could be seen as it was then."""
        if not self._contents.meets(version, self._restriction(version.type)):
            return None
        return self._masks.shown(version, old=True) if self._masks is not None else version

    async def _total(self, query: Query) -> int | None:
        return (await self._counted(query)).total if query.total == "accurate" else None

    async def _counted(self, query: Query) -> Page:
        """How many there are to see, where contents must be looked into; FhirError "too-costly" for very many."""
        plain = tuple([type for type in query.types if not self._contents.concern(type)])
        total = await self._index.count(plain, query.where) if plain else 0
        types = tuple([type for type in query.types if self._contents.concern(type)])
        each = Query(types, query.where, count=LOOKED_INTO, wait=query.wait)
        for _ in range(MOST_COUNTED // LOOKED_INTO):
            page = await self._index.search(each)
            total += len(await self._contents.shown(page.matches, self._seen_keys))
            if not page.next:
                return Page([], [], total=total, warnings=page.warnings)
            each = replace(each, cursor=page.next)
        raise error("too-costly", f"Not everything of {', '.join(types)} is yours to count, and {MOST_COUNTED:,} are "
                    "counted at most: narrow the search.")  # fmt: skip

    async def _seen_keys(
        self, keys: Iterable[tuple[str, str]], further: Restriction | None = None
    ) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for type, ids in ids_by_type(keys).items():
            limits = [self._restriction(type), further(type) if further is not None else None]
            where = All((IdIn(tuple(ids)), *[limit for limit in limits if limit is not None]))
            page = await self._index.search(Query((type,), where, count=len(ids)))
            found |= {(type, version.id) for version in page.matches}
        return found

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many there are to see; FhirError "forbidden" as of a search."""
        if self._masks is not None:
            self._masks.require_clear(types, where)
        return await self._index.count(types, self.limited(types, where))

    async def counts(self) -> dict[str, int]:
        """How many there are to see of each type that has some."""
        found = {}
        for type, number in (await self._index.counts()).items():
            limit = self._restriction(type)
            found[type] = number if limit is None else await self._index.count((type,), limit)
        return {type: number for type, number in found.items() if number}

    async def close(self) -> None:
        """Nothing: the index is another's."""
