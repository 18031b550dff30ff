"""Versions as a restricted caller reads them: the `ResourceReads` port, narrowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fhir_server.core.keys import StoredVersion, ids_by_type
from fhir_server.core.ports import Caller, HistoryPage, ResourceReads, SearchIndex
from fhir_server.core.query import All, Clause, IdIn, Query
from fhir_server.interactions.access.contents import Contents
from fhir_server.interactions.access.masks import Masks
from fhir_server.interactions.access.restriction import Restriction

EMPTY_PAGES = 20  # pages of history without anything to see that are passed over for one answer


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
        seen: set[tuple[str, str]] = set()
        for type, ids in ids_by_type(keys).items():
            left = await self._seen(type, ids)
            if further is not None:
                left = await self._within(type, left, further(type))
            seen |= {(type, id) for id in left}
        return seen

    async def _found_keys(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these keys that a search may give."""
        found: set[tuple[str, str]] = set()
        for type, ids in ids_by_type(keys).items():
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
