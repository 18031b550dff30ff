"""The server as a restricted caller sees it: the ports of an Environment, narrowed.

Interactions and operations ask the store and the index of the Environment that they are given, so what a caller may not
see isn't there for any of them: not for reads, searches, counts, history, operations or the criteria of conditional
interactions. Writes must leave what may be seen: neither what a caller can't see can be changed, nor can a version be
written that the caller could not read back. Where a type has a restriction, its deletions can't be seen, and of the old
versions those only for which the restriction held (a record that once was another patient's).

What policies hide of resources that may be seen is hidden here, too, and what is written keeps it (masks.py).

An open caller has no restriction, nor has one whose scopes have everything while policies and Consents take nothing:
they get the ports of the Environment itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from fhir_server.core import query as typed
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import (
    OPEN,
    Caller,
    HistoryPage,
    ResourceReads,
    ResourceStore,
    SearchIndex,
    Transaction,
    Write,
)
from fhir_server.core.query import All, Clause, IdIn, Not, Query
from fhir_server.core.values import SearchValue
from fhir_server.interactions.access.contents import BINARY, HOLDERS, Contents
from fhir_server.interactions.access.masks import Masks
from fhir_server.interactions.access.policy_parameters import TYPE as PARAMETER
from fhir_server.interactions.access.restriction import Restriction
from fhir_server.interactions.access.scoped import BY_UPDATE
from fhir_server.interactions.access.visible_index import LOOKED_INTO, VisibleIndex
from fhir_server.interactions.access.vocabulary import VisibleVocabulary, hidden_vocabulary, limits_of
from fhir_server.interactions.environment import Environment

T = TypeVar("T")

EMPTY_PAGES = 20  # pages of history without anything to see that are passed over for one answer


def sees_all(caller: Caller, type: str, interaction: str = "r") -> bool:
    """Whether a caller who may read, r, or search, s, a type at all may see every resource of it whole."""
    limit = caller.restriction if interaction == "s" else caller.reading or caller.restriction
    if caller.own and type == PARAMETER:
        return False
    return caller.masks is None and (limit is None or (limit(type) is None and type not in (BINARY, *HOLDERS)))


def keeps_some(environment: Environment, type: str) -> bool:
    """Whether some resources of a type may be kept from the caller whose view of the server it is."""
    caller = environment.seen_by
    limit = caller.restriction
    return limit is not None and (limit(type) is not None or contents_of(environment, caller).concern(type))


def contents_of(environment: Environment, caller: Caller) -> Contents:
    """What no clause tells of what a restricted caller may see."""
    return Contents(caller, environment.searching.extract, environment.definitions.resource_types)


def environment_of(environment: Environment, caller: Caller) -> Environment:
    """The environment that a caller's interactions work with."""
    if caller is OPEN or environment.seen_by is caller:
        return environment
    seen = environment.seen_as(caller)
    restriction = caller.restriction
    if restriction is None:
        return _without_own(environment, seen, caller) if caller.own else seen
    contents = contents_of(environment, caller)
    seen.index = VisibleIndex(environment.index, restriction, contents, caller.masks)
    seen.store = VisibleStore(environment.store, environment.index, caller, contents)
    limits = limits_of(caller)
    if limits and environment.terminology is not None:
        vocabulary = VisibleVocabulary(environment.terminology, lambda: hidden_vocabulary(environment.index, limits))
        seen.searching = environment.searching.with_terminology(vocabulary)
    return _view_of(environment, seen)


def _without_own(environment: Environment, seen: Environment, caller: Caller) -> Environment:
    """What an unrestricted caller sees: everything but the SearchParameters that the server keeps for itself."""
    kept = Not(IdIn(caller.own))

    def restriction(type: str) -> Clause | None:
        return kept if type == PARAMETER else None

    contents = contents_of(environment, caller)
    limited = caller._replace(restriction=restriction)
    seen.index = VisibleIndex(environment.index, restriction, contents)
    seen.store = VisibleStore(environment.store, environment.index, limited, contents)
    return _view_of(environment, seen)


def _view_of(environment: Environment, seen: Environment) -> Environment:
    seen.whole = environment
    outdated = environment.outdated  # the search parameters in force are those of the whole store
    seen.outdated = outdated and (lambda inside: outdated(getattr(inside, "whole", inside)))
    return seen


async def deleted_version(environment: Environment, type: str, id: str, number: int) -> StoredVersion | None:
    """The version before a deletion, where the caller whose view it is could see it as things are now; None else."""
    store: Any = environment.store
    if isinstance(store, VisibleReads):
        return await store.deleted_version(type, id, number)
    return await store.read_version(type, id, number)


class VisibleReads:
    """The `ResourceReads` port over versions of the current resources that may be seen."""

    def __init__(self, reads: ResourceReads, index: SearchIndex, caller: Caller, contents: Contents) -> None:
        assert caller.restriction is not None
        self._reads = reads
        self._index = index
        self._restriction: Restriction = caller.restriction
        self._reading: Restriction = caller.reading or caller.restriction
        self._caller = caller
        self._masks: Masks | None = caller.masks
        self._contents = contents

    def _masked(self, version: StoredVersion | None, *, old: bool = False) -> StoredVersion | None:
        return self._masks.shown(version, old=old) if self._masks and version is not None else version

    async def _shown(self, versions: Iterable[StoredVersion], limits: Restriction | None = None) -> list[StoredVersion]:
        """Of versions of resources that may be seen as they are now, those that may be seen as they were then."""
        shown = []
        for version in await self._contents.shown(list(versions), self._seen_keys):
            limit = self._contents.apart(version.type, (limits or self._reading)(version.type))
            if version.deleted or (limit is None and self._masks is None):
                shown.append(version)
                continue
            newest = await self._reads.read(version.type, version.id)
            current = newest is not None and newest.version == version.version
            if current or self._contents.meets(version, limit):
                shown.append(self._masks.shown(version, old=not current) if self._masks else version)
        return shown

    async def _seen(self, type: str, ids: Iterable[str]) -> set[str]:
        """Those of these ids of one type that may be read."""
        return await self._within(type, ids, self._reading(type))

    async def _within(self, type: str, ids: Iterable[str], limit: Clause | None) -> set[str]:
        wanted = tuple(dict.fromkeys(ids))
        if limit is not None and wanted:
            page = await self._index.search(Query((type,), All((IdIn(wanted), limit)), count=len(wanted)))
            wanted = tuple([version.id for version in page.matches])
        if not self._contents.concern(type):
            return set(wanted)
        found = [each for each in await self._reads.read_many([(type, id) for id in wanted]) if each is not None]
        shown = await self._contents.shown(found, self._seen_keys)
        return set(wanted) - ({each.id for each in found} - {each.id for each in shown})

    async def _seen_keys(
        self, keys: Iterable[tuple[str, str]], further: Restriction | None = None
    ) -> set[tuple[str, str]]:
        by_type: dict[str, list[str]] = {}
        for type, id in keys:
            by_type.setdefault(type, []).append(id)
        seen: set[tuple[str, str]] = set()
        for type, ids in by_type.items():
            left = await self._seen(type, ids)
            if further is not None:
                left = await self._within(type, left, further(type))
            seen |= {(type, id) for id in left}
        return seen

    async def _found_keys(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these keys that a search may give."""
        by_type: dict[str, list[str]] = {}
        for type, id in keys:
            by_type.setdefault(type, []).append(id)
        found: set[tuple[str, str]] = set()
        for type, ids in by_type.items():
            found |= {(type, id) for id in await self._within(type, ids, self._restriction(type))}
        return found

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version where it may be seen."""
        version = await self._reads.read(type, id)
        return self._masked(version) if version is not None and await self._seen(type, (id,)) else None

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each that may be seen."""
        found = await self._reads.read_many(keys)
        seen = await self._seen_keys((version.type, version.id) for version in found if version is not None)
        return [self._masked(version) if version and (version.type, version.id) in seen else None for version in found]

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That version of a resource that may be seen, as it is now and as it was then."""
        found = await self._reads.read_version(type, id, version)
        if found is None or not await self._seen(type, (id,)):
            return None
        return next(iter(await self._shown((found,))), None)

    async def deleted_version(self, type: str, id: str, number: int) -> StoredVersion | None:
        """That version of a resource that is deleted, where what it holds shows that it may be seen."""
        newest = await self._reads.read(type, id)
        if newest is not None and not newest.deleted:
            return await self.read_version(type, id, number)
        found = await self._reads.read_version(type, id, number)
        if found is None or found.deleted or self._contents.concern(type):
            return None
        return self._masked(found, old=True) if self._contents.meets(found, self._reading(type)) else None

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """Those of the resources with this reference that may be seen."""
        found = await self._reads.mentions(reference)
        seen = await self._seen_keys(found)
        return [key for key in found if key in seen]

    async def history(
        self,
        type: str = "",
        id: str = "",
        *,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        among: Sequence[tuple[str, str, str]] | None = None,
        cursor: str = "",
        count: int = 20,
    ) -> HistoryPage:
        """Versions of what may be seen; a page may have fewer than there would be room for.

        The history of an instance is read, that of a type or of the system is searched: so SMART's scopes have it.
        """
        if id and not await self._seen(type, (id,)):
            return HistoryPage([], "", 0)
        for _ in range(EMPTY_PAGES):
            page = await self._reads.history(type, id, since=since, at=at, among=among, cursor=cursor, count=count)
            if id:
                versions = await self._shown(page.versions)
                whole = len(versions) == len(page.versions)
                return HistoryPage(versions, page.next, page.total if whole else None, page.renewed)
            seen = await self._found_keys((version.type, version.id) for version in page.versions)
            versions = await self._shown((v for v in page.versions if (v.type, v.id) in seen), self._restriction)
            cursor = page.next
            if versions or not cursor:
                break
        return HistoryPage(versions, cursor, None, page.renewed)


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
        limit = self._writing(interaction, type)
        if write.method == "PATCH" and not await self._within(type, ids, self._reading(type)):
            raise error("forbidden", f"A patch shows what it changes, and you may not read {type}/{write.id}.")
        taken = head is not None and write.version != head.version + 1  # of a resource that its deletion hides
        if head is not None and not head.deleted:
            taken = ids[0] not in await self._within(type, ids, limit)
        if taken:
            raise error("forbidden", f"{type}/{write.id} is in use, and not for you to change; use another id.")
        if self._masks is not None:
            write = self._masks.kept(write, head)
        if self._caller.kept is not None:
            self._caller.kept.require(interaction, write, head)
        stored = await self.whole.put(write)
        if not stored.deleted and not await self._within(type, ids, limit):
            raise error("forbidden", f"You may not write a {type} with this content: it would not be yours to write.")
        return self._masks.shown(stored) if self._masks else stored

    def _all_of(self, type: str) -> bool:
        """Whether every resource of a type is the caller's, to do anything with it."""
        if self._contents.concern(type) or self._reading(type) is not None:
            return False
        return all(self._writing(each, type) is None for each in "cud")

    def _writing(self, interaction: str, type: str) -> Clause | None:
        writing = self._caller.writing
        return writing(interaction, type) if writing is not None else self._reading(type)

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
