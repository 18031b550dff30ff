"""Connecting to MongoDB: the client, and what a deployment must have before a server starts on it.

The URL says the rest: hosts, replicaSet, tls…, authSource, maxPoolSize, timeouts
(https://www.mongodb.com/docs/manual/reference/connection-string/).
"""

from __future__ import annotations

from typing import Any

from pymongo import AsyncMongoClient, MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest, Primary, PrimaryPreferred, SecondaryPreferred
from pymongo.write_concern import WriteConcern

from fhir_server.core.errors import FhirError, error
from fhir_server.storage.mongo.documents import RAW

OLDEST_WIRE = 17  # MongoDB 6.0
MAJORITY = WriteConcern("majority")
AT_ONCE = WriteConcern(1)  # for what may be lost with the primary that took it
OPTIONS = {
    "appName": "ultimate-hms",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 60_000,
    "maxPoolSize": 50,  # connections of one process to one member
}
PREFERENCES = {
    "primary": Primary(),
    "primaryPreferred": PrimaryPreferred(),
    "secondaryPreferred": SecondaryPreferred(),
    "nearest": Nearest(),
}
REPLICA_SET = (
    "A standalone mongod has no transactions. Make it a replica set of one: start it with --replSet rs0, run "
    "mongosh --eval 'rs.initiate()' once, and name it in the URL: mongodb://host:27017/?replicaSet=rs0. For more than "
    "one machine see docs/how-to/distributed.md."
)

Documents = AsyncCollection[Any]


class Database:
    """The collections of one database; writes and reads by majority.

    lagging: `resources` and `history` for reads that may come from a secondary, as the settings allow it.
    """

    def __init__(self, client: AsyncMongoClient[Any], name: str, preference: str = "primary") -> None:
        self.client = client
        self.database: AsyncDatabase[Any] = client.get_database(
            name, write_concern=MAJORITY, read_concern=ReadConcern("majority")
        )
        self.resources: Documents = self.database["resources"]
        self.history: Documents = self.database["history"]
        self.feed: Documents = self.database["feed"]
        self.notes: Documents = self.database["notes"]
        self.criteria: Documents = self.database["criteria"]
        self.counters: Documents = self.database["counters"]
        self.consumers: Documents = self.database["consumers"]
        self.meta: Documents = self.database["meta"]
        self.raw_resources: Documents = self.resources.with_options(codec_options=RAW)
        read_from = PREFERENCES[preference]
        self.lagging = (
            self.resources.with_options(read_preference=read_from),
            self.history.with_options(read_preference=read_from),
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self.client.close()


async def connect(url: str, name: str, preference: str = "primary") -> Database:
    """Connects and makes sure that this is a MongoDB 6 or later with transactions.

    FhirError "value" for a URL that is none, "unavailable" where nothing answers, it can't be logged in to, it is too
    old or a standalone.
    """
    try:
        client: AsyncMongoClient[Any] = AsyncMongoClient(url, **_unsaid(url))
    except (PyMongoError, ValueError, TypeError) as problem:
        raise error("value", f"mongodb_url can't be used: {problem}.") from problem
    try:
        await _require_fit(client)
    except BaseException:
        await client.close()
        raise
    return Database(client, name, preference)


def connect_in_threads(url: str) -> MongoClient[Any]:
    """A client for what is read in threads; it connects with the first use."""
    return MongoClient(url, **_unsaid(url))


def _unsaid(url: str) -> dict[str, Any]:
    """The options that the URL does not set itself."""
    return {name: value for name, value in OPTIONS.items() if f"{name.lower()}=" not in url.lower()}


async def _require_fit(client: AsyncMongoClient[Any]) -> None:
    try:
        hello = await client.admin.command("hello")
        await client.admin.command("ping")
    except OperationFailure as problem:
        reason = str((problem.details or {}).get("errmsg", problem.code)).rstrip(".")
        raise error(
            "unavailable",
            f"MongoDB refuses the login of mongodb_url: {reason}. Look at its user, password and authSource.",
        ) from problem
    except (ConnectionFailure, ConfigurationError) as problem:
        raise _unreachable(problem) from problem
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise error("unavailable", REPLICA_SET)
    if hello.get("maxWireVersion", 0) < OLDEST_WIRE:
        raise error("unavailable", "This MongoDB is older than 6.0; this program needs 6.0 or later.")


def _unreachable(problem: Exception) -> FhirError:
    reason = str(problem).partition(", Timeout:")[0].partition(" (configured")[0]
    return error(
        "unavailable",
        f"No MongoDB answers at mongodb_url: {reason}. Is it started, and do replicaSet, tls and the names of its "
        "members in the URL fit it?",
        headers={"Retry-After": "5"},
    )
