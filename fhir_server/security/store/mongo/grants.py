"""Codes, refresh tokens and what was revoked of them in MongoDB."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import TypeVar

from fhir_server.security.model import Code, Refresh
from fhir_server.security.store.mongo.documents import Documents, told
from fhir_server.security.store.port import ACCESS_LIFE, Family, digest

HOLDS = 1.0  # seconds for which a token that was found good is not asked about again: so late a revocation may count
MOST_KEPT = 10_000
CODE_KEPT = 3_600_000_000  # microseconds after its end in which a code that is shown again revokes what came of it

T = TypeVar("T")


class Grants(Documents):
    """That part of an `AccountStore`."""

    # ------------------------------------------------------------------ codes and refresh tokens
    async def begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        """Begins what a client gets; nothing where it was begun before."""
        now = self.clock()
        begun = {"user": user, "client": client, "scope": scope, "begun": now, "until": now, "revoked": False}
        async with told():
            await self._of("family").update_one({"_id": family}, {"$setOnInsert": begun}, upsert=True)

    async def put_code(self, secret: str, code: Code) -> None:
        """Keeps an authorization code and begins its family."""
        await self._tidy("code", self.clock() - CODE_KEPT)
        grant = code.grant
        await self.begin_family(grant.family, grant.user, grant.client, grant.scope)
        await self._gives_until(grant.family, code.expires)
        await self._put("code", digest(secret), code, family=grant.family, expires=code.expires, used=False)

    async def _gives_until(self, family: str, until: int) -> None:
        async with told():
            await self._of("family").update_one({"_id": family}, {"$max": {"until": until}})

    async def take_code(self, secret: str) -> Code | None:
        """The code, the first time that it is shown in time; a second time revokes all that came of it."""
        return await self._take("code", Code, secret)

    async def put_refresh(self, secret: str, refresh: Refresh) -> None:
        """Keeps a refresh token."""
        await self._tidy("refresh", self.clock())
        fields = {"family": refresh.grant.family, "expires": refresh.expires, "used": False}
        await self._gives_until(refresh.grant.family, refresh.expires)
        await self._put("refresh", digest(secret), refresh, **fields)

    async def take_refresh(self, secret: str) -> Refresh | None:
        """The refresh token, the first time that it is shown in time; a second time revokes its family."""
        return await self._take("refresh", Refresh, secret)

    async def _take(self, kind: str, type: type[T], secret: str) -> T | None:
        id = digest(secret)
        async with told():
            taken = await self._of(kind).find_one_and_update({"_id": id, "used": False}, {"$set": {"used": True}})
            if taken is None:
                shown_again = await self._of(kind).find_one({"_id": id}, {"family": 1})
                if shown_again:
                    await self.revoke_family(shown_again["family"])
                return None
            family = await self._of("family").find_one({"_id": taken["family"]}, {"revoked": 1})
        if family is None or family["revoked"] or taken["expires"] < self.clock():
            return None
        return self._opened(kind, type, taken)

    async def refresh_token(self, secret: str) -> Refresh | None:
        """The refresh token if it is good, left as it is."""
        wanted = {"_id": digest(secret), "used": False, "expires": {"$gt": self.clock()}}
        refresh = await self._get("refresh", Refresh, **wanted)
        return refresh if refresh and await self._begun(refresh.grant.family) else None

    async def client_of_refresh(self, secret: str) -> str:
        """The client that a refresh token was given to, used or not; "" for one that is not known."""
        found = await self._get("refresh", Refresh, _id=digest(secret))
        return found.grant.client if found else ""

    # ------------------------------------------------------------------ revocation
    async def revoke_family(self, family: str) -> None:
        """Ends every token of one authorization."""
        async with told():
            await self._of("family").update_one({"_id": family}, {"$set": {"revoked": True}})
        self._good.clear()

    async def revoke_token(self, jti: str, expires: int) -> None:
        """Ends one access token."""
        await self._tidy("revoked_token", self.clock())
        async with told():
            await self._of("revoked_token").replace_one({"_id": jti}, {"expires": expires}, upsert=True)
        self._good.clear()

    async def good(self, family: str, jti: str) -> bool:
        """Whether neither an access token nor its family has been revoked; asked for each request."""
        if self.known_good(family, jti):
            return True
        key, now = (family, jti), time.monotonic()
        if len(self._good) >= MOST_KEPT:
            self._good.clear()
        begun, revoked = await asyncio.gather(self._begun(family), self._token_revoked(jti))
        if begun and not revoked:
            self._good[key] = now + HOLDS
        return begun and not revoked

    def known_good(self, family: str, jti: str) -> bool:
        """Whether `good` said so a moment ago; answers at once."""
        return self._good.get((family, jti), 0.0) > time.monotonic()

    async def _begun(self, family: str) -> bool:
        async with told():
            found = await self._of("family").find_one({"_id": family}, {"revoked": 1})
        return found is not None and not found["revoked"]

    async def _token_revoked(self, jti: str) -> bool:
        async with told():
            return await self._of("revoked_token").find_one({"_id": jti}, {"_id": 1}) is not None

    async def families(self, user: str) -> list[Family]:
        """What a user has let clients do and has not revoked, newest first."""
        async with told():
            found = [each async for each in self._of("family").find({"user": user, "revoked": False})]
        families = [Family(each["_id"], each["client"], each["scope"], each["begun"]) for each in found]
        return sorted(families, key=lambda family: -family.begun)

    async def forget_families(self, named: Collection[str]) -> None:
        """Forgets those of which nothing can count any more, but for those that are spoken of elsewhere."""
        over = {"until": {"$lt": self.clock() - ACCESS_LIFE}, "_id": {"$nin": list(named)}}
        async with told():
            await self._of("family").delete_many(over)
