"""Users, clients, signing keys and sign-ins in MongoDB."""

from __future__ import annotations

from collections.abc import Callable

from pymongo.errors import DuplicateKeyError

from fhir_server.core.errors import error
from fhir_server.security.model import Client, Session, User
from fhir_server.security.store.mongo.documents import Document, Documents, told
from fhir_server.security.store.port import SigningKey, digest, gone, typed


class People(Documents):
    """That part of an `AccountStore`."""

    # ------------------------------------------------------------------ users and clients
    async def user(self, id: str) -> User | None:
        """A user by id."""
        return await self._get("user", User, _id=id)

    async def user_named(self, name: str) -> User | None:
        """A user by the name that signs in, whatever its case."""
        return await self._get("user", User, name=typed(name))

    async def users(self) -> list[User]:
        """All users by name."""
        return await self._all("user", User, "name")

    async def put_user(self, user: User) -> None:
        """Keeps a user; FhirError "conflict" where another has the name."""
        try:
            await self._put("user", user.id, user, name=typed(user.name))
        except DuplicateKeyError:
            raise _taken(user) from None

    async def change_user(self, id: str, change: Callable[[User], User]) -> User:
        """What change makes of a user as it stands, kept."""
        users = self._of("user")
        try:
            async with told():
                while (found := await users.find_one({"_id": id})) is not None:
                    user = change(self._opened("user", User, found))
                    new = {"name": typed(user.name), "document": self._sealed("user", id, user)}
                    done = await users.update_one({"_id": id, "document": found["document"]}, {"$set": new})
                    if done.matched_count:
                        return user
        except DuplicateKeyError:
            raise _taken(user) from None
        raise gone()

    async def remove_user(self, id: str) -> None:
        """Removes a user; first of all what was given to it, so that nothing of it is good without the user."""
        async with told():
            await self._of("family").update_many({"user": id}, {"$set": {"revoked": True}})
            await self._of("session").delete_many({"user": id})
            await self._of("place").delete_many({"user": id})
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
        async with told():
            await self._of("family").update_many({"client": id}, {"$set": {"revoked": True}})
            await self._of("client").delete_one({"_id": id})
        self._good.clear()

    # ------------------------------------------------------------------ signing keys
    async def signing_keys(self) -> list[SigningKey]:
        """Every key, newest first."""
        async with told():
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
        async with told():
            await self._of("session").update_one(
                {"_id": id}, {"$set": {"document": self._sealed("session", id, session)}}
            )

    async def session(self, secret: str) -> Session | None:
        """The sign-in of a browser that goes on."""
        return await self._get("session", Session, _id=digest(secret), expires={"$gt": self.clock()})

    async def session_goes_on(self, user: str, id: str) -> bool:
        """Whether the user's sign-in with this id has not ended."""
        return await self._get("session", Session, user=user, sid=id, expires={"$gt": self.clock()}) is not None

    async def sessions(self, user: str) -> list[Session]:
        """A user's sign-ins that go on."""
        return await self._all("session", Session, "_id", user=user, expires={"$gt": self.clock()})

    async def end_session(self, user: str, id: str) -> None:
        """Ends a user's sign-in."""
        async with told():
            await self._of("session").delete_one({"user": user, "sid": id})

    # ------------------------------------------------------------------ where users have signed in
    async def put_place(self, user: str, place: str, until: int) -> None:
        """Keeps, as a digest, that a user has signed in at a place."""
        await self._tidy("place", self.clock())
        kept = {"user": user, "expires": until}
        async with told():
            await self._of("place").replace_one({"_id": digest(f"{user} {place}")}, kept, upsert=True)

    async def knows_place(self, user: str, place: str) -> bool:
        """Whether a user has signed in at a place, and that counts still."""
        wanted = {"_id": digest(f"{user} {place}"), "expires": {"$gt": self.clock()}}
        async with told():
            return await self._of("place").find_one(wanted) is not None

    async def forget_places(self, user: str) -> None:
        """Forgets where a user has signed in."""
        async with told():
            await self._of("place").delete_many({"user": user})


def _taken(user: User) -> Exception:
    return error("conflict", f"There is a user {user.name} already.")
