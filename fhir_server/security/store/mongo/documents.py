"""Documents of MongoDB that are sealed, by collection and id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_server.core.mongodb import storage_error
from fhir_server.core.ports import Clock
from fhir_server.security.encryption.sealing import Sealing

T = TypeVar("T")
Document = dict[str, Any]


@asynccontextmanager
async def told() -> AsyncIterator[None]:
    """Turns what PyMongo raises inside into answers, but for DuplicateKeyError."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as problem:
        raise storage_error(problem, "The store of users and grants") from problem


class Documents:
    """Of a database, which is another's to close; good: until when a token counts as good without being asked about."""

    def __init__(self, database: AsyncDatabase[Any], sealing: Sealing, clock: Clock) -> None:
        self._sealing = sealing
        self._database = database
        self._good: dict[tuple[str, str], float] = {}
        self.clock = clock

    def _of(self, kind: str) -> Any:
        """The collection of a kind."""
        return self._database[f"security_{kind}"]

    def _sealed(self, kind: str, id: str, document: Any) -> bytes:
        return self._sealing.seal(msgspec.json.encode(document), f"{kind} {id}")

    def _opened(self, kind: str, type: type[T], found: Document) -> T:
        return msgspec.json.decode(self._sealing.open(bytes(found["document"]), f"{kind} {found['_id']}"), type=type)

    async def _get(self, kind: str, type: type[T], **wanted: Any) -> T | None:
        async with told():
            found = await self._of(kind).find_one(wanted)
        return self._opened(kind, type, found) if found else None

    async def _all(self, kind: str, type: type[T], sort: str, **wanted: Any) -> list[T]:
        async with told():
            return [self._opened(kind, type, each) async for each in self._of(kind).find(wanted).sort(sort, ASCENDING)]

    async def _put(self, kind: str, id: str, document: Any, **fields: Any) -> None:
        async with told():
            new = {**fields, "document": self._sealed(kind, id, document)}
            await self._of(kind).replace_one({"_id": id}, new, upsert=True)

    async def _tidy(self, kind: str, before: int) -> None:
        """Removes what ended before a moment."""
        async with told():
            await self._of(kind).delete_many({"expires": {"$lt": before}})
