"""What waits for an answer, what may be used once only, and how often somebody tried, in MongoDB."""

from __future__ import annotations

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.security.store.mongo.documents import Document, Documents, told
from fhir_server.security.store.port import FORGOTTEN, digest


class Waiting(Documents):
    """That part of an `AccountStore`."""

    # ------------------------------------------------------------------ launch context, and what waits for an answer
    async def put_launch(self, id: str, context: Document, expires: int) -> None:
        """Keeps what an EHR says of the app that it launches."""
        await self._tidy("launch", self.clock())
        await self._put("launch", digest(id), context, expires=expires)

    async def launch(self, id: str) -> Document | None:
        """A launch that is still good."""
        return await self._get("launch", dict, _id=digest(id), expires={"$gt": self.clock()})

    async def put_pending(self, kind: str, secret: str, document: Document, expires: int) -> None:
        """Keeps what a question was about, until it is answered."""
        await self._tidy("pending", self.clock())
        await self._put("pending", digest(f"{kind}:{secret}"), document, expires=expires)

    async def take_pending(self, kind: str, secret: str) -> Document | None:
        """What the question was about, once and in time."""
        async with told():
            found = await self._of("pending").find_one_and_delete({"_id": digest(f"{kind}:{secret}")})
        return self._opened("pending", dict, found) if found and found["expires"] > self.clock() else None

    # ------------------------------------------------------------------ once only, and not too often
    async def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether this identifier of an issuer was never seen before, by any machine."""
        await self._tidy("replay", self.clock())
        try:
            async with told():
                await self._of("replay").insert_one({"_id": digest(f"{issuer}\n{jti}"), "expires": expires})
        except DuplicateKeyError:
            return False
        return True

    async def locked_until(self, subject: str) -> int:
        """Until when a subject has to wait, 0 for one that need not."""
        async with told():
            found = await self._of("attempts").find_one({"_id": digest(subject), "until": {"$gt": self.clock()}})
        return int((found or {}).get("until", 0))

    async def count_failure(self, subject: str) -> int:
        """Counts one more failed attempt of a subject; how many there are by now."""
        now = self.clock()
        change = {"$inc": {"failed": 1}, "$max": {"until": now}}
        async with told():
            await self._of("attempts").delete_many({"until": {"$lt": now - FORGOTTEN}})
            found = await self._of("attempts").find_one_and_update(
                {"_id": digest(subject)}, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        return int(found["failed"])

    async def lock(self, subject: str, until: int) -> None:
        """Has a subject wait."""
        async with told():
            await self._of("attempts").update_one({"_id": digest(subject)}, {"$max": {"until": until}})

    async def forget_failures(self, subject: str) -> None:
        """Begins to count anew."""
        async with told():
            await self._of("attempts").delete_one({"_id": digest(subject)})

    async def count_asked(self, subject: str, minute: int) -> int:
        """Counts one more request of a subject in a minute; how many there were at all machines."""
        key = {"_id": digest(f"{subject} {minute}"), "minute": minute}
        async with told():
            found = await self._of("asked").find_one_and_update(
                key, {"$inc": {"count": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            if found["count"] == 1:
                await self._of("asked").delete_many({"minute": {"$lt": minute}})
        return int(found["count"])
