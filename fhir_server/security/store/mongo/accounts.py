"""`AccountStore` in MongoDB: one collection a kind, every document sealed, shared by all machines.

Only what is looked up or counted is in the open: ids, digests, names, times, scopes. Writes are acknowledged by the
majority and reads see what a majority has, so what one machine has answered holds for the next request at any other;
but for what `good` found, which counts for HOLDS.
"""

from __future__ import annotations

from pymongo import ASCENDING, IndexModel

from fhir_server.security.store.mongo.documents import told
from fhir_server.security.store.mongo.grants import Grants
from fhir_server.security.store.mongo.people import People
from fhir_server.security.store.mongo.waiting import Waiting
from fhir_server.security.store.port import OFFLINE_LIFE

INDEXES = {
    "user": ["name"],
    "session": ["user", "sid", "expires"],
    "code": ["expires"],
    "refresh": ["expires"],
    "family": ["user", "client", "until"],
    "revoked_token": ["expires"],
    "launch": ["expires"],
    "pending": ["expires"],
    "replay": ["expires"],
    "asked": ["minute"],
    "place": ["user", "expires"],
}
UNIQUE = ("name",)


class MongoAccounts(People, Grants, Waiting):
    """Users, clients and grants of a database, which is another's to close."""

    async def start(self) -> None:
        """Makes indexes where they are missing; many machines may do so at once."""
        async with told():
            for kind, fields in INDEXES.items():
                models = [IndexModel([(field, ASCENDING)], unique=field in UNIQUE) for field in fields]
                await self._of(kind).create_indexes(models)
            still = {"$set": {"until": self.clock() + OFFLINE_LIFE}}  # what an older program began may give so long
            await self._of("family").update_many({"until": None}, still)

    async def close(self) -> None:
        """Nothing: the database is another's."""
