"""Searches that MongoDB answers by its keys, before the search index is asked: by an identifier, a url or an id.

One look-up instead of the wait for the index and a request to it, and the answer is never behind. Where more than one
resource is found the index answers, as it knows their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import Clause, Page, Query


class Keyed(Protocol):
    """Finds by keys."""

    async def one_by_keys(self, type: str, where: Clause) -> list[StoredVersion] | None:
        """What the clause holds for, one or none; None where keys don't tell, or there are more."""
        ...


class KeyedIndex:
    """The `SearchIndex` port over a store with keys and the index behind it."""

    def __init__(self, keyed: Keyed, index: SearchIndex) -> None:
        self._keyed = keyed
        self._index = index

    async def search(self, query: Query) -> Page:
        """One page of a query."""
        if len(query.types) == 1 and query.count > 0 and not (query.includes or query.cursor or query.only_count):
            found = await self._keyed.one_by_keys(query.types[0], query.where)
            if found is not None:
                return Page(found, [], total=len(found))
        return await self._index.search(query)

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many the clause holds for."""
        return await self._index.count(types, where)

    async def counts(self) -> dict[str, int]:
        """How many resources there are of each type."""
        return await self._index.counts()

    async def close(self) -> None:
        """Closes the index."""
        await self._index.close()
