"""Is MongoDB's side whole? Every resource has its versions, its place in the feed, its keys and its content."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson import ObjectId
from gridfs.errors import NoFile

from fhir_server.codec.json import decode
from fhir_server.core.mongodb import answering
from fhir_server.core.ports import Finding
from fhir_server.storage.mongo.documents import version_of
from fhir_server.storage.mongo.positions import VOID
from fhir_server.storage.mongo.store import MongoStore

UNDER_WAY = timedelta(hours=1)
PAGE = 500  # resources whose places in the feed and older versions are looked up together


class MongoCheck:
    """Looks through all collections beside live traffic; with repair, puts right what can be."""

    def __init__(self, store: MongoStore) -> None:
        self._store = store

    async def run(self, repair: bool = False) -> list[Finding]:
        """Everything that is not as it should be, [] for a whole store."""
        found: list[Finding] = []
        with answering():
            page: list[Mapping[str, Any]] = []
            async for document in self._store.database.resources.find().sort("_id", 1):
                page.append(document)
                if len(page) == PAGE:
                    found += [finding async for finding in self._page(page, repair)]
                    page = []
            found += [finding async for finding in self._page(page, repair)]
            found += [finding async for finding in self._gaps()]
            found += [finding async for finding in self._left_files(repair)]
        return found

    async def _page(self, page: list[Mapping[str, Any]], repair: bool) -> AsyncIterator[Finding]:
        database = self._store.database
        places = database.feed.find({"_id": {"$in": [document["seq"] for document in page]}})
        feed = {entry["_id"]: entry async for entry in places}
        older: dict[str, set[int]] = {}
        async for entry in database.history.find(
            {"key": {"$in": [document["_id"] for document in page]}}, {"key": 1, "version": 1}
        ):
            older.setdefault(entry["key"], set()).add(int(entry["version"]))
        for document in page:
            key, version = document["_id"], int(document["version"])
            problem = self._misplaced(document, feed.get(document["seq"]), older.get(key, set()))
            if problem:
                current = await database.resources.find_one({"_id": key}, {"version": 1})
                if current is not None and current["version"] == version:  # else it has changed while it was looked at
                    yield Finding(key, problem, False)
                continue
            async for finding in self._content(document, repair):
                yield finding

    @staticmethod
    def _misplaced(document: Mapping[str, Any], entry: Mapping[str, Any] | None, older: set[int]) -> str:
        key, version = document["_id"], int(document["version"])
        if entry is None or entry["m"] == VOID or (f"{entry['t']}/{entry['i']}", entry["v"]) != (key, version):
            return f"version {version} is missing from the feed at position {document['seq']}"
        missing = sorted(set(range(1, version)) - older)
        return f"its versions {', '.join(map(str, missing[:5]))} are missing" if missing else ""

    async def _content(self, document: Mapping[str, Any], repair: bool) -> AsyncIterator[Finding]:
        key = document["_id"]
        try:
            body = await self._store.content.body(document)
            resource = decode(body) if body else None
        except (NoFile, msgspec.MsgspecError, ValueError, TypeError) as problem:
            yield Finding(key, f"its content can't be read: {type(problem).__name__}", False)
            return
        if resource is None:
            return
        version = version_of(document, body)
        meta = resource.get("meta", {})
        if (resource.get("id"), meta.get("versionId")) != (version.id, str(version.version)):
            yield Finding(key, "its content is that of another version", False)
            return
        keys = self._store.keys_of(version, resource)
        if keys != document["keys"]:
            if repair:
                where = {"_id": key, "version": document["version"]}
                await self._store.database.resources.update_one(where, {"$set": {"keys": keys}})
            yield Finding(key, "its keys are not those of its content", repair)

    async def _gaps(self) -> AsyncIterator[Finding]:
        """Places of the feed whose version is nowhere."""
        head = await self._store.head()
        count = await self._store.database.feed.count_documents({"_id": {"$gt": 0, "$lte": head}})
        if count != head:
            yield Finding("the feed", f"{head - count} positions up to {head} are missing", False)

    async def _left_files(self, repair: bool) -> AsyncIterator[Finding]:
        """Files that nothing refers to: a write that never came about has left them."""
        database = self._store.database
        settled = ObjectId.from_datetime(datetime.now(UTC) - UNDER_WAY)  # those of writes under way are left alone
        files = database.database["content.files"].find({"_id": {"$lt": settled}}, {"_id": 1})
        before = [file["_id"] async for file in files]
        if not before:
            return
        used = set()
        for collection in (database.resources, database.history):
            async for document in collection.find({"content": {"$exists": True}}, {"content.file": 1}):
                used.add(document["content"]["file"])
        left = [file for file in before if file not in used]
        if left:
            if repair:
                await self._store.content.forget(left)
            yield Finding("content", f"{len(left)} files belong to no version", repair)
