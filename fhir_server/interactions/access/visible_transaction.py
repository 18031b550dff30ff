"""Transactions as a restricted caller makes them: the `ResourceStore` and `Transaction` ports, narrowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from fhir_server.codec.json import decode
from fhir_server.core import query as typed
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller, ResourceReads, ResourceStore, SearchIndex, Transaction, Write
from fhir_server.core.query import Clause
from fhir_server.core.values import SearchValue
from fhir_server.interactions.access.contents import Contents
from fhir_server.interactions.access.policy_parameters import TYPE as PARAMETER
from fhir_server.interactions.access.scoped import BY_UPDATE
from fhir_server.interactions.access.visible_index import LOOKED_INTO, VisibleIndex
from fhir_server.interactions.access.visible_reads import VisibleReads

T = TypeVar("T")


class VisibleStore(VisibleReads):
    """The `ResourceStore` port over what may be seen."""

    immediate = False

    def __init__(self, store: ResourceStore, index: SearchIndex, caller: Caller, contents: Contents) -> None:
        super().__init__(store, index, caller, contents)
        self._store = store

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in a transaction that sees and writes no more than may be seen."""

        async def narrowed(whole: Transaction) -> T:
            return await work(VisibleTransaction(whole, self._caller, self._contents))

        return await self._store.commit(narrowed)


class VisibleTransaction(VisibleReads):
    """The `Transaction` port over what may be seen; whole: the transaction itself."""

    def __init__(self, whole: Transaction, caller: Caller, contents: Contents) -> None:
        super().__init__(whole.reads, whole.index, caller, contents)
        self.whole = whole
        self.now = whole.now
        self.newest = whole.newest

    @property
    def reads(self) -> ResourceReads:
        """Reads inside the transaction, of what may be read; its own meet what may be changed too."""
        return VisibleReads(self.whole.reads, self.whole.index, self._caller, self._contents)

    @property
    def index(self) -> VisibleIndex:
        """Searches inside the transaction."""
        return VisibleIndex(self.whole.index, self._restriction, self._contents, self._masks)

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version where it may be seen; the transaction's own read does not have its writes flushed."""
        version = await self.whole.read(type, id)
        return self._masked(version) if version is not None and await self._seen(type, (id,)) else None

    async def _seen(self, type: str, ids: Iterable[str]) -> set[str]:
        """Those of these ids that may be read, changed or deleted: whoever changes something must meet it first."""
        limits = [self._reading(type), self._writing("u", type), self._writing("d", type)]
        found = [limit for limit in limits if limit is not None]
        return await self._within(type, ids, typed.Any(tuple(found)) if len(found) == len(limits) else None)

    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Matches that may be seen; FhirError "forbidden" for criteria by what is hidden."""
        if self._masks is not None:
            self._masks.require_clear((type,), where)
        where = self.index.limited((type,), where)
        if self._contents.concern(type):
            found = await self.whole.matches(type, where, LOOKED_INTO)
            found = (await self._contents.shown(found, self._seen_keys))[:limit]
        else:
            found = await self.whole.matches(type, where, limit)
        return self._masks.all_shown(found) if self._masks else found

    async def matches_each(self, asked: Sequence[tuple[str, Clause]]) -> list[list[StoredVersion]]:
        """The same for each."""
        return [await self.matches(type, where) for type, where in asked]

    async def put(self, write: Write) -> StoredVersion:
        """Stores a version that the caller may write; FhirError "forbidden" for any other.

        What is changed or deleted must be the caller's to change before, and what is stored the caller's afterwards.
        """
        type, ids = write.type, (write.id,)
        if type == PARAMETER and self._caller.parameters is not None:
            self._caller.parameters.require(write, await self.whole.read(type, write.id))
        if self._masks is None and self._all_of(type):
            return await self.whole.put(write)
        head = await self.whole.read(type, write.id)
        interaction = "d" if not write.body else "c" if head is None or head.deleted else "u"
        if interaction == "c" and write.method == "PUT":
            interaction = BY_UPDATE
        before, shared = self._limit(interaction, type, lambda: self._values(head))
        if write.method == "PATCH" and not await self._within(type, ids, self._reading(type)):
            raise error("forbidden", f"A patch shows what it changes, and you may not read {type}/{write.id}.")
        taken = head is not None and write.version != head.version + 1  # of a resource that its deletion hides
        if head is not None and not head.deleted:
            taken = ids[0] not in await self._within(type, ids, before)
        if taken and await self._within(type, ids, self._reading(type)):
            why = f"is for you to read, and not to {'delete' if interaction == 'd' else 'change'}"
            why = "is in another patient's record too, and not changed within one's" if shared else why
            raise error("forbidden", f"{type}/{write.id} {why}.")
        if taken:
            raise error("forbidden", f"{type}/{write.id} is in use, and not for you to change; use another id.")
        if self._masks is not None:
            write = self._masks.kept(write, head)
        if self._caller.kept is not None:
            self._caller.kept.require(interaction, write, head)
        stored = await self.whole.put(write)
        after, shared = self._limit(interaction, type, lambda: write.values)
        if not stored.deleted and not await self._within(type, ids, after):
            why = "it would be in another patient's record" if shared else "it would not be yours to write"
            raise error("forbidden", f"You may not write a {type} with this content: {why}.")
        return self._masks.shown(stored) if self._masks else stored

    def _all_of(self, type: str) -> bool:
        """Whether every resource of a type is the caller's, to do anything with it."""
        if self._contents.concern(type) or self._reading(type) is not None:
            return False
        return all(self._writing(each, type) is None for each in "cud")

    def _limit(
        self, interaction: str, type: str, values: Callable[[], Sequence[SearchValue]]
    ) -> tuple[Clause | None, bool]:
        """What an interaction may be done on, of resources with these values; whether others' records have such."""
        shares = self._caller.shares
        shared = shares is not None and shares(interaction, type, values())
        return self._writing(interaction, type, shared), shared

    def _writing(self, interaction: str, type: str, shared: bool = False) -> Clause | None:
        writing = self._caller.writing
        return writing(interaction, type, shared) if writing is not None else self._reading(type)

    def _values(self, version: StoredVersion | None) -> Sequence[SearchValue]:
        return self._contents.extract(decode(version.body)) if version is not None and version.body else ()

    async def prefetch(self, keys: Iterable[tuple[str, str]]) -> None:
        """Says what will be read; who may not see it learns nothing by that."""
        await self.whole.prefetch(keys)

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Replaces the index values of what may be seen."""
        if await self._seen(type, (id,)):
            await self.whole.reindex(type, id, values)

    async def erase(self, type: str, id: str) -> int:
        """Refused: an erasure must reach everything."""
        raise error("forbidden", "Only a caller who may see everything can erase.")

    async def referring(self, type: str, id: str, limit: int = 1) -> list[tuple[str, str]]:
        """Referring resources; FhirError "integrity" where there are only such as may not be named."""
        found = await self.whole.referring(type, id, limit)
        seen = await self._seen_keys(key for key in found if not self._masks or key[0] not in self._masks.types())
        if len(seen) < len(found):
            raise error("integrity", f"{type}/{id} can't be deleted: it is referred to.")
        return found
