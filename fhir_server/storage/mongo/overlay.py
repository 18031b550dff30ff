"""Reads inside a work: what is committed, and what the work itself has put."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import HistoryPage
from fhir_server.storage.mongo.changeset import ChangeSet
from fhir_server.storage.mongo.reads import MongoReads


class OwnReads:
    """The `ResourceReads` port over a change set and the store below it."""

    def __init__(self, below: MongoReads, changes: ChangeSet) -> None:
        self._below = below
        self._changes = changes

    def _own(self, key: str) -> list[StoredVersion]:
        return [pending.version for pending in self._changes.writes.get(key, ())]

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version."""
        key = f"{type}/{id}"
        own = self._own(key)
        if own:
            return own[-1]
        return None if key in self._changes.erasures else await self._below.read(type, id)

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each."""
        wanted = list(keys)
        own = self._changes.writes.keys() | self._changes.erasures.keys()
        below = [key for key in wanted if f"{key[0]}/{key[1]}" not in own]
        found = dict(zip(below, await self._below.read_many(below), strict=True)) if below else {}
        return [found[key] if key in found else await self.read(*key) for key in wanted]

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That very version."""
        key = f"{type}/{id}"
        for own in self._own(key):
            if own.version == version:
                return own
        return None if key in self._changes.erasures else await self._below.read_version(type, id, version)

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """Resources some version of which has this reference."""
        found = dict.fromkeys(await self._below.mentions(reference))
        for versions in self._changes.writes.values():
            for pending in versions:
                if reference in pending.mentions:
                    found[(pending.version.type, pending.version.id)] = None
        erased = self._changes.erasures
        return [(type, id) for type, id in found if f"{type}/{id}" not in erased]

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
        """Versions newest first: the work's own, which have the last positions, before all others."""
        before = int(cursor) if cursor.isdigit() else None
        own = [
            pending.version
            for pending in self._changes.pending()
            if (not type or pending.version.type == type)
            and (not id or pending.version.id == id)
            and (since is None or pending.version.updated >= since)
            and (at is None or pending.version.updated <= at[1])
            and (among is None or _is_among(pending.version, among))
        ]
        left = [version for version in own if before is None or version.seq < before]
        left.sort(key=lambda version: version.seq, reverse=True)
        shown = left[:count]
        left_over = count - len(shown)
        below = await self._below.history(type, id, since=since, at=at, among=among, cursor=cursor, count=left_over)
        total = None if below.total is None else below.total + len(own)
        versions = shown + below.versions
        following = below.next
        if len(left) > len(shown) or (not following and len(shown) == count and not below.versions and count):
            following = str(shown[-1].seq)
        renewed = {version.seq for version in shown if await self._follows_a_deletion(version)}
        return HistoryPage(versions, following, total, below.renewed | renewed)

    async def _follows_a_deletion(self, version: StoredVersion) -> bool:
        if version.method != "PUT" or version.version == 1:
            return False
        before = await self.read_version(version.type, version.id, version.version - 1)
        return before is not None and before.deleted


def _is_among(version: StoredVersion, keys: Sequence[tuple[str, str, str]]) -> bool:
    return any(
        (type, id) == (version.type, version.id) and number in ("", str(version.version)) for type, id, number in keys
    )
