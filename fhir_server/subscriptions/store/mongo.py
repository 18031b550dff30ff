"""`SubscriptionStore` in MongoDB, for all machines."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any

import msgspec
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from fhir_server.core.mongodb import answering
from fhir_server.subscriptions.store.port import SECRET, BindingToken, Maker, State, family_of


class MongoSubscriptions:
    """See the port: a document `{_id, maker, state}` for each."""

    def __init__(self, database: AsyncDatabase[Any]) -> None:
        self._kept = database["subscriptions"]
        self._tokens = database["subscription_tokens"]
        self._secrets = database["subscription_secrets"]

    async def _found(self, id: str, part: str) -> bytes | None:
        with answering():
            found = await self._kept.find_one({"_id": id}, {part: 1})
        return bytes(found[part]) if found and part in found else None

    async def _keep(self, id: str, part: str, document: bytes) -> None:
        with answering():
            await self._kept.update_one({"_id": id}, {"$set": {part: document}}, upsert=True)

    async def secret(self) -> bytes:
        """See the port."""
        with answering():
            while (found := await self._secrets.find_one({"_id": "headers"})) is None:
                with contextlib.suppress(DuplicateKeyError):  # another machine was quicker
                    await self._secrets.insert_one({"_id": "headers", "document": secrets.token_bytes(SECRET)})
        return bytes(found["document"])

    async def maker(self, id: str) -> Maker | None:
        """See the port."""
        found = await self._found(id, "maker")
        return msgspec.json.decode(found, type=Maker) if found else None

    async def keep_maker(self, id: str, maker: Maker) -> None:
        """See the port."""
        await self._keep(id, "maker", msgspec.json.encode(maker))

    async def families(self) -> set[str]:
        """See the port."""
        with answering():
            makers = self._kept.find({"maker": {"$exists": True}}, {"maker": 1})
            found = {family_of(msgspec.json.decode(bytes(each["maker"]), type=Maker)) async for each in makers}
            tokens = self._tokens.find({}, {"document": 1})
            return found | {
                family_of(msgspec.json.decode(bytes(each["document"]), type=BindingToken)) async for each in tokens
            }

    async def state(self, id: str) -> State | None:
        """See the port."""
        found = await self._found(id, "state")
        return msgspec.json.decode(found, type=State) if found else None

    async def states(self) -> list[State]:
        """See the port."""
        with answering():
            kept = self._kept.find({"state": {"$exists": True}}, {"state": 1}).sort("_id", 1)
            return [msgspec.json.decode(bytes(each["state"]), type=State) async for each in kept]

    async def keep_state(self, state: State) -> None:
        """See the port."""
        await self._keep(state.id, "state", msgspec.json.encode(state))

    async def keep_token(self, digest: str, token: BindingToken, now: int) -> None:
        """See the port."""
        document = {"_id": digest, "expires": token.expires, "document": msgspec.json.encode(token)}
        with answering():
            await self._tokens.delete_many({"expires": {"$lte": now}})
            await self._tokens.insert_one(document)

    async def token(self, digest: str, now: int) -> BindingToken | None:
        """See the port."""
        with answering():
            found = await self._tokens.find_one({"_id": digest, "expires": {"$gt": now}})
        return msgspec.json.decode(bytes(found["document"]), type=BindingToken) if found else None

    async def forget(self, id: str) -> None:
        """See the port."""
        with answering():
            await self._kept.delete_one({"_id": id})

    async def close(self) -> None:
        """Nothing: the database is another's."""
