"""Emergencies of all machines in MongoDB."""

from __future__ import annotations

from typing import Any

import msgspec
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from fhir_server.core.ports import Clock
from fhir_server.security.emergencies import Emergency
from fhir_server.security.encryption.sealing import Sealing
from fhir_server.security.store.mongo.documents import Document, told
from fhir_server.security.store.port import digest


class MongoEmergencies:
    """`Emergencies` of all machines: one document for each user in an application."""

    def __init__(self, database: AsyncDatabase[Any], sealing: Sealing, clock: Clock) -> None:
        self._kept = database["security_emergency"]
        self._sealing = sealing
        self._clock = clock

    def _document(self, emergency: Emergency) -> Document:
        sealed = self._sealing.seal(msgspec.json.encode(emergency), f"emergency {emergency.id}")
        return {"id": emergency.id, "until": emergency.until, "document": sealed}

    async def now(self, user: str, client: str) -> Emergency | None:
        """The emergency of a user in an application that goes on."""
        async with told():
            found = await self._kept.find_one({"_id": digest(f"{user}\n{client}"), "until": {"$gt": self._clock()}})
        if found is None:
            return None
        opened = self._sealing.open(bytes(found["document"]), f"emergency {found['id']}")
        return msgspec.json.decode(opened, type=Emergency)

    async def begin(self, emergency: Emergency) -> bool:
        """Keeps a new one; False where one of this user in this application goes on already."""
        over = {"_id": digest(f"{emergency.user}\n{emergency.client}"), "until": {"$lte": emergency.begun}}
        try:
            async with told():
                await self._kept.replace_one(over, self._document(emergency), upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def keep(self, emergency: Emergency) -> None:
        """Replaces what is kept of one."""
        async with told():
            await self._kept.update_one({"id": emergency.id}, {"$set": self._document(emergency)})

    async def forget(self, emergency: Emergency) -> None:
        """Takes back one that could not be told."""
        async with told():
            await self._kept.delete_one({"id": emergency.id})

    async def close(self) -> None:
        """Nothing: the database is another's."""
