"""`AccountStore` in MongoDB: one collection a kind, every document sealed, shared by all machines.

Only what is looked up or counted is in the open: ids, digests, names, times, scopes. Writes are acknowledged by the
majority and reads see what a majority has, so what one machine has answered holds for the next request at any other;
but for what `good` found, which counts for HOLDS.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.security.emergencies import Emergency
from fhir_server.security.encryption.sealing import Sealing
from fhir_server.security.model import Client, Code, Refresh, Session, User
from fhir_server.security.store.port import Family, SigningKey, digest

HOLDS = 1.0  # seconds for which a token that was found good is not asked about again: so late a revocation may count
MOST_KEPT = 10_000
CODE_KEPT = 3_600_000_000  # microseconds after its end in which a code that is shown again revokes what came of it
INDEXES = {
    "user": ["name"],
    "session": ["user", "sid", "expires"],
    "code": ["expires"],
    "refresh": ["expires"],
    "family": ["user", "client"],
    "revoked_token": ["expires"],
    "launch": ["expires"],
    "pending": ["expires"],
    "replay": ["expires"],
    "asked": ["minute"],
}
UNIQUE = ("name",)

T = TypeVar("T")
Document = dict[str, Any]


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """Turns what PyMongo raises inside into answers, but for DuplicateKeyError."""
    try:
        yield
    except DuplicateKeyError:
        raise
    except PyMongoError as problem:
        raise error(
            "unavailable", "Users and grants can't be looked up now; try again.", headers={"Retry-After": "5"}
        ) from problem


class MongoAccounts:
    """Users, clients and grants of a database, which is another's to close."""

    def __init__(self, database: AsyncDatabase[Any], sealing: Sealing, clock: Clock) -> None:
        self._sealing = sealing
        self._database = database
        self._good: dict[tuple[str, str], float] = {}
        self.clock = clock

    def _of(self, kind: str) -> Any:
        """The collection of a kind."""
        return self._database[f"security_{kind}"]

    async def start(self) -> None:
        """Makes indexes where they are missing; many machines may do so at once."""
        async with _told():
            for kind, fields in INDEXES.items():
                models = [IndexModel([(field, ASCENDING)], unique=field in UNIQUE) for field in fields]
                await self._of(kind).create_indexes(models)

    async def close(self) -> None:
        """Nothing: the database is another's."""

    # ------------------------------------------------------------------ documents
    def _sealed(self, kind: str, id: str, document: Any) -> bytes:
        return self._sealing.seal(msgspec.json.encode(document), f"{kind} {id}")

    def _opened(self, kind: str, type: type[T], found: Document) -> T:
        return msgspec.json.decode(self._sealing.open(bytes(found["document"]), f"{kind} {found['_id']}"), type=type)

    async def _get(self, kind: str, type: type[T], **wanted: Any) -> T | None:
        async with _told():
            found = await self._of(kind).find_one(wanted)
        return self._opened(kind, type, found) if found else None

    async def _all(self, kind: str, type: type[T], sort: str, **wanted: Any) -> list[T]:
        async with _told():
            return [self._opened(kind, type, each) async for each in self._of(kind).find(wanted).sort(sort, ASCENDING)]

    async def _put(self, kind: str, id: str, document: Any, **fields: Any) -> None:
        async with _told():
            new = {**fields, "document": self._sealed(kind, id, document)}
            await self._of(kind).replace_one({"_id": id}, new, upsert=True)

    async def _tidy(self, kind: str, before: int) -> None:
        """Removes what ended before a moment."""
        async with _told():
            await self._of(kind).delete_many({"expires": {"$lt": before}})

    # ------------------------------------------------------------------ users and clients
    async def user(self, id: str) -> User | None:
        """A user by id."""
        return await self._get("user", User, _id=id)

    async def user_named(self, name: str) -> User | None:
        """A user by the name that signs in, whatever its case."""
        return await self._get("user", User, name=name.casefold())

    async def users(self) -> list[User]:
        """All users by name."""
        return await self._all("user", User, "name")

    async def put_user(self, user: User) -> None:
        """Keeps a user; FhirError "conflict" where another has the name."""
        try:
            await self._put("user", user.id, user, name=user.name.casefold())
        except DuplicateKeyError:
            raise error("conflict", f"There is a user {user.name} already.") from None

    async def remove_user(self, id: str) -> None:
        """Removes a user; first of all what was given to it, so that nothing of it is good without the user."""
        async with _told():
            await self._of("family").update_many({"user": id}, {"$set": {"revoked": True}})
            await self._of("session").delete_many({"user": id})
            await self._of("user").delete_one({"_id": id})
        self._good.clear()

    async def client(self, id: str) -> Client | None:
        """A client by id."""
        return await self._get("client", Client, _id=id)

    async def clients(self) -> list[Client]:
        """All clients by id."""
        return await self._all("client", Client, "_id")

    async def put_client(self, client: Client) -> None:
        """Keeps a client."""
        await self._put("client", client.id, client)

    async def remove_client(self, id: str) -> None:
        """Removes a client; first of all what was given to it."""
        async with _told():
            await self._of("family").update_many({"client": id}, {"$set": {"revoked": True}})
            await self._of("client").delete_one({"_id": id})
        self._good.clear()

    # ------------------------------------------------------------------ signing keys
    async def signing_keys(self) -> list[SigningKey]:
        """Every key, newest first."""
        async with _told():
            found = [each async for each in self._of("signing_key").find()]
        keys = [
            SigningKey(each["_id"], each["algorithm"], each["begun"], self._opened("signing_key", dict, each))
            for each in found
        ]
        return sorted(keys, key=lambda key: (-key.begun, key.kid))

    async def add_signing_key(self, kid: str, algorithm: str, jwk: Document) -> None:
        """Keeps a key, which is the newest from now on."""
        await self._put("signing_key", kid, jwk, algorithm=algorithm, begun=self.clock())

    # ------------------------------------------------------------------ sessions
    async def put_session(self, secret: str, session: Session) -> None:
        """Keeps a sign-in under the secret that the browser has."""
        await self._tidy("session", self.clock())
        fields = {"user": session.user, "sid": session.id, "expires": session.expires}
        await self._put("session", digest(secret), session, **fields)

    async def saw_session(self, secret: str, session: Session) -> None:
        """Keeps what changed of a sign-in that goes on; one that was ended meanwhile stays so."""
        id = digest(secret)
        async with _told():
            await self._of("session").update_one(
                {"_id": id}, {"$set": {"document": self._sealed("session", id, session)}}
            )

    async def session(self, secret: str) -> Session | None:
        """The sign-in of a browser that goes on."""
        return await self._get("session", Session, _id=digest(secret), expires={"$gt": self.clock()})

    async def session_goes_on(self, id: str) -> bool:
        """Whether the sign-in with this id has not ended."""
        return await self._get("session", Session, sid=id, expires={"$gt": self.clock()}) is not None

    async def sessions(self, user: str) -> list[Session]:
        """A user's sign-ins that go on."""
        return await self._all("session", Session, "_id", user=user, expires={"$gt": self.clock()})

    async def end_session(self, user: str, id: str) -> None:
        """Ends a user's sign-in."""
        async with _told():
            await self._of("session").delete_one({"user": user, "sid": id})

    # ------------------------------------------------------------------ codes and refresh tokens
    async def begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        """Begins what a client gets; nothing where it was begun before."""
        begun = {"user": user, "client": client, "scope": scope, "begun": self.clock(), "revoked": False}
        async with _told():
            await self._of("family").update_one({"_id": family}, {"$setOnInsert": begun}, upsert=True)

    async def put_code(self, secret: str, code: Code) -> None:
        """Keeps an authorization code and begins its family."""
        await self._tidy("code", self.clock() - CODE_KEPT)
        grant = code.grant
        await self.begin_family(grant.family, grant.user, grant.client, grant.scope)
        await self._put("code", digest(secret), code, family=grant.family, expires=code.expires, used=False)

    async def take_code(self, secret: str) -> Code | None:
        """The code, the first time that it is shown in time; a second time revokes all that came of it."""
        return await self._take("code", Code, secret)

    async def put_refresh(self, secret: str, refresh: Refresh) -> None:
        """Keeps a refresh token."""
        await self._tidy("refresh", self.clock())
        fields = {"family": refresh.grant.family, "expires": refresh.expires, "used": False}
        await self._put("refresh", digest(secret), refresh, **fields)

    async def take_refresh(self, secret: str) -> Refresh | None:
        """The refresh token, the first time that it is shown in time; a second time revokes its family."""
        return await self._take("refresh", Refresh, secret)

    async def _take(self, kind: str, type: type[T], secret: str) -> T | None:
        id = digest(secret)
        async with _told():
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
        async with _told():
            await self._of("family").update_one({"_id": family}, {"$set": {"revoked": True}})
        self._good.clear()

    async def revoke_token(self, jti: str, expires: int) -> None:
        """Ends one access token."""
        await self._tidy("revoked_token", self.clock())
        async with _told():
            await self._of("revoked_token").replace_one({"_id": jti}, {"expires": expires}, upsert=True)
        self._good.clear()

    async def good(self, family: str, jti: str) -> bool:
        """Whether neither an access token nor its family has been revoked; asked for each request."""
        key, now = (family, jti), time.monotonic()
        if self._good.get(key, 0.0) > now:
            return True
        if len(self._good) >= MOST_KEPT:
            self._good.clear()
        begun, revoked = await asyncio.gather(self._begun(family), self._token_revoked(jti))
        if begun and not revoked:
            self._good[key] = now + HOLDS
        return begun and not revoked

    async def _begun(self, family: str) -> bool:
        async with _told():
            found = await self._of("family").find_one({"_id": family}, {"revoked": 1})
        return found is not None and not found["revoked"]

    async def _token_revoked(self, jti: str) -> bool:
        async with _told():
            return await self._of("revoked_token").find_one({"_id": jti}, {"_id": 1}) is not None

    async def families(self, user: str) -> list[Family]:
        """What a user has let clients do and has not revoked, newest first."""
        async with _told():
            found = [each async for each in self._of("family").find({"user": user, "revoked": False})]
        families = [Family(each["_id"], each["client"], each["scope"], each["begun"]) for each in found]
        return sorted(families, key=lambda family: -family.begun)

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
        async with _told():
            found = await self._of("pending").find_one_and_delete({"_id": digest(f"{kind}:{secret}")})
        return self._opened("pending", dict, found) if found and found["expires"] > self.clock() else None

    # ------------------------------------------------------------------ once only, and not too often
    async def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether this identifier of an issuer was never seen before, by any machine."""
        await self._tidy("replay", self.clock())
        try:
            async with _told():
                await self._of("replay").insert_one({"_id": digest(f"{issuer}\n{jti}"), "expires": expires})
        except DuplicateKeyError:
            return False
        return True

    async def locked_until(self, subject: str) -> int:
        """Until when a subject has to wait, 0 for one that need not."""
        async with _told():
            found = await self._of("attempts").find_one({"_id": digest(subject)})
        return int((found or {}).get("until", 0))

    async def count_failure(self, subject: str) -> int:
        """Counts one more failed attempt of a subject; how many there are by now."""
        async with _told():
            found = await self._of("attempts").find_one_and_update(
                {"_id": digest(subject)}, {"$inc": {"failed": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
        return int(found["failed"])

    async def lock(self, subject: str, until: int) -> None:
        """Has a subject wait."""
        async with _told():
            await self._of("attempts").update_one({"_id": digest(subject)}, {"$max": {"until": until}})

    async def forget_failures(self, subject: str) -> None:
        """Begins to count anew."""
        async with _told():
            await self._of("attempts").delete_one({"_id": digest(subject)})

    async def count_asked(self, subject: str, minute: int) -> int:
        """Counts one more request of a subject in a minute; how many there were at all machines."""
        key = {"_id": digest(f"{subject} {minute}"), "minute": minute}
        async with _told():
            found = await self._of("asked").find_one_and_update(
                key, {"$inc": {"count": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            if found["count"] == 1:
                await self._of("asked").delete_many({"minute": {"$lt": minute}})
        return int(found["count"])


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
        async with _told():
            found = await self._kept.find_one({"_id": digest(f"{user}\n{client}"), "until": {"$gt": self._clock()}})
        if found is None:
            return None
        opened = self._sealing.open(bytes(found["document"]), f"emergency {found['id']}")
        return msgspec.json.decode(opened, type=Emergency)

    async def begin(self, emergency: Emergency) -> bool:
        """Keeps a new one; False where one of this user in this application goes on already."""
        over = {"_id": digest(f"{emergency.user}\n{emergency.client}"), "until": {"$lte": emergency.begun}}
        try:
            async with _told():
                await self._kept.replace_one(over, self._document(emergency), upsert=True)
        except DuplicateKeyError:
            return False
        return True

    async def keep(self, emergency: Emergency) -> None:
        """Replaces what is kept of one."""
        async with _told():
            await self._kept.update_one({"id": emergency.id}, {"$set": self._document(emergency)})

    async def forget(self, emergency: Emergency) -> None:
        """Takes back one that could not be told."""
        async with _told():
            await self._kept.delete_one({"id": emergency.id})

    async def close(self) -> None:
        """Nothing: the database is another's."""
