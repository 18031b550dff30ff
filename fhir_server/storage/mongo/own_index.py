"""Searches inside a work: by keys where those tell, by the index where the work has written nothing yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fhir_server.core.errors import AfterCommitError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import Clause, Page, Query

MANY = 500  # matches that are given without the index


class Work(Protocol):
    """What a work knows of its own writes."""

    def own(self, type: str) -> list[str]:
        """Those of a type, "" for any."""
        ...

    async def by_keys(self, type: str, where: Clause, limit: int) -> list[StoredVersion] | None:
        """What matches, its own writes too; None where keys don't tell."""
        ...


class OwnIndex:
    """The `SearchIndex` port inside a transaction."""

    def __init__(self, work: Work, index: SearchIndex | None) -> None:
        self._work = work
        self._index = index

    async def search(self, query: Query) -> Page:
        """One page of a query."""
        if len(query.types) == 1 and not (query.sort or query.includes or query.cursor or query.only_count):
            found = await self._work.by_keys(query.types[0], query.where, query.count + 1)
            if found is not None and len(found) <= query.count:
                return Page(found, [], total=len(found))
        return await self._asked().search(query)

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many the clause holds for."""
        if len(types) == 1:
            found = await self._work.by_keys(types[0], where, MANY)
            if found is not None and len(found) < MANY:
                return len(found)
        return await self._asked().count(types, where)

    async def counts(self) -> dict[str, int]:
        """How many resources there are of each type."""
        return await self._asked().counts()

    async def close(self) -> None:
        """Holds nothing of its own."""

    def _asked(self) -> SearchIndex:
        if self._index is None or self._work.own(""):
            raise AfterCommitError
        return self._index
