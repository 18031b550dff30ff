"""Reading versions (`ResourceReads`) from resources and history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.lookups import Lookups
from fhir_server.core.mongodb import answering
from fhir_server.core.ports import HistoryPage
from fhir_server.storage.mongo.content import Content
from fhir_server.storage.mongo.database import Documents
from fhir_server.storage.mongo.documents import version_of

SHOWN = {"keys": 0}


class MongoReads:
    """The `ResourceReads` port over the two collections, which may be read from a secondary."""

    immediate = False

    def __init__(self, resources: Documents, history: Documents, content: Content) -> None:
        self._resources = resources
        self._history = history
        self._content = content
        self._current: Lookups[str, Mapping[str, Any]] = Lookups(self._named)
        self._floors: dict[str, tuple[int, int]] = {}

    async def _named(self, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        with answering():
            return await named(self._resources, keys, SHOWN)

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        document = await self._current(f"{type}/{id}")
        with answering():
            return await self.version(document) if document else None

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each, by one query."""
        wanted = [f"{type}/{id}" for type, id in keys]
        with answering():
            documents = await self._resources.find({"_id": {"$in": list(set(wanted))}}, SHOWN).to_list()
            found = {document["_id"]: await self.version(document) for document in documents}
        return [found.get(key) for key in wanted]

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That very version, be it the newest or not."""
        key = f"{type}/{id}"
        with answering():
            document = await self._resources.find_one({"_id": key, "version": version}, SHOWN)
            if document is None:
                document = await self._history.find_one({"_id": f"{key}/{version}"}, SHOWN)
            return await self.version(document) if document else None

    async def read_versions(self, keys: Iterable[tuple[str, str, int]]) -> list[StoredVersion | None]:
        """Each of these versions, by one query of the older ones and one of the newest for those that are left."""
        wanted = list(keys)
        names = [f"{type}/{id}/{version}" for type, id, version in wanted]
        with answering():
            documents = await self._history.find({"_id": {"$in": list(set(names))}}, SHOWN).to_list()
            found = {document["_id"]: await self.version(document) for document in documents}
        left = [(type, id) for name, (type, id, _) in zip(names, wanted, strict=True) if name not in found]
        newest = await self.read_many(left) if left else []
        found.update({f"{each.type}/{each.id}/{each.version}": each for each in newest if each is not None})
        return [found.get(name) for name in names]

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """Resources some version of which has this reference."""
        found: dict[tuple[str, str], None] = {}
        with answering():
            async for document in self._resources.find({"keys": reference}, {"_id": 1}):
                type, _, id = document["_id"].partition("/")
                found[(type, id)] = None
            async for document in self._history.find({"keys": reference}, {"key": 1}):
                type, _, id = document["key"].partition("/")
                found[(type, id)] = None
        return list(found)

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
        """Versions newest first; the cursor is the position of the last one given.

        The newest versions are read before the older ones: one that is replaced between is seen twice, never missed.
        """
        newest: dict[str, Any] = {}
        older: dict[str, Any] = {}
        if id:
            newest["_id"] = older["key"] = f"{type}/{id}"
        elif type:
            newest["type"] = older["type"] = type
        span: dict[str, int] = {}
        if since is not None:
            span["$gte"] = since
        if at is not None:
            span["$lte"] = at[1]
            older["replaced"] = {"$gt": at[0]}
        if span:
            newest["updated"] = older["updated"] = span
        if among is not None:
            newest["$or"], older["$or"] = _among(among)
        past: dict[str, Any] = {}
        if cursor:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
                raise error("value", "This _cursor was not given by this server; start again without it.")
            past = {"seq": {"$lt": min(int(cursor), 2**63 - 1)}}
        with answering():
            if count and not (id or span or cursor or among):
                documents = await self._front(type, newest, older, count + 1)
            else:
                documents = await self._newest_first({**newest, **past}, {**older, **past}, count + 1) if count else []
            versions = [await self.version(document) for document in documents[:count]]
            more = len(documents) > count
            if count and not (more or cursor):
                total = len(versions)
            else:
                total = await self._total(newest, older) if id else None
            renewed = await self._renewed(versions)
        return HistoryPage(versions, str(versions[-1].seq) if more else "", total, renewed)

    async def _renewed(self, versions: Sequence[StoredVersion]) -> frozenset[int]:
        """Those that were put where a deletion had been; one whose predecessor is not among them is looked up."""
        before = {
            f"{put.type}/{put.id}/{put.version - 1}": put.seq
            for put in versions
            if put.method == "PUT" and put.version > 1
        }
        deleted = {f"{v.type}/{v.id}/{v.version}": v.deleted for v in versions} if before else {}
        unknown = [name for name in before if name not in deleted]
        if unknown:
            asked = {"_id": {"$in": unknown}, "method": "DELETE"}
            deleted |= {each["_id"]: True for each in await self._history.find(asked, {"_id": 1}).to_list()}
        return frozenset(seq for name, seq in before.items() if deleted.get(name))

    async def _front(
        self, type: str, newest: Mapping[str, Any], older: Mapping[str, Any], limit: int
    ) -> list[Mapping[str, Any]]:
        """The newest of a type, or of all, past where as many were found before: most of what is read is then given."""
        most, floor = self._floors.get(type, (0, 0))
        documents: list[Mapping[str, Any]] = []
        if limit <= most:
            past = {"seq": {"$gte": floor}}
            documents = await self._newest_first({**newest, **past}, {**older, **past}, limit)
        if len(documents) < limit:
            documents = await self._newest_first(newest, older, limit)
        if len(documents) == limit:
            self._floors[type] = limit, int(documents[-1]["seq"])
        return documents

    async def _newest_first(
        self, newest: Mapping[str, Any], older: Mapping[str, Any], limit: int
    ) -> list[Mapping[str, Any]]:
        found: dict[int, Mapping[str, Any]] = {}
        for collection, where in ((self._resources, newest), (self._history, older)):
            for document in await collection.find(where, SHOWN).sort("seq", -1).limit(limit).to_list():
                found.setdefault(int(document["seq"]), document)
                if "_id" in where and document["version"] == 1:
                    return [document]  # the newest of one resource is its first
        return [found[seq] for seq in sorted(found, reverse=True)[:limit]]

    async def _total(self, newest: Mapping[str, Any], older: Mapping[str, Any]) -> int:
        return await self._resources.count_documents(newest) + await self._history.count_documents(older)

    async def version(self, document: Mapping[str, Any]) -> StoredVersion:
        """A document of resources or history as the version that it holds."""
        return version_of(document, await self._content.body(document))

    async def close(self) -> None:
        """Ends what is under way."""
        await self._current.close()


async def named(collection: Documents, keys: Sequence[str], shown: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The documents with these _ids, those that there are."""
    if len(keys) == 1:
        document = await collection.find_one({"_id": keys[0]}, shown)
        return {} if document is None else {keys[0]: document}
    documents = await collection.find({"_id": {"$in": sorted(keys)}}, shown).to_list()
    return {document["_id"]: document for document in documents}


def _among(keys: Sequence[tuple[str, str, str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Conditions on resources and on history, one of which must hold, for these (type, id, version)."""
    any_version = [f"{type}/{id}" for type, id, version in keys if not version]
    newest: list[dict[str, Any]] = [{"_id": {"$in": any_version}}]
    older: list[dict[str, Any]] = [{"key": {"$in": any_version}}]
    for type, id, version in keys:
        if version.isascii() and version.isdigit() and len(version) < 16:
            newest.append({"_id": f"{type}/{id}", "version": int(version)})
            older.append({"_id": f"{type}/{id}/{int(version)}"})
    return newest, older
