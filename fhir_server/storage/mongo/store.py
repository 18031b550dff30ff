"""The distributed `ResourceStore` and `ChangeFeed`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.mongodb import answering
from fhir_server.core.ports import Change, Clock, SearchIndex, Transaction
from fhir_server.core.query import Clause
from fhir_server.storage.changes.pressure import Pressure
from fhir_server.storage.matching import matcher_of
from fhir_server.storage.mongo.commits import Commits
from fhir_server.storage.mongo.consumers import Consumers
from fhir_server.storage.mongo.content import Content
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.feed import MongoFeed
from fhir_server.storage.mongo.feeders import MongoFeeders
from fhir_server.storage.mongo.flush import Flush
from fhir_server.storage.mongo.keys import Identifies, candidates, keys_of
from fhir_server.storage.mongo.looking import Looking
from fhir_server.storage.mongo.newest import Newest
from fhir_server.storage.mongo.positions import Positions
from fhir_server.storage.mongo.reads import MongoReads
from fhir_server.storage.mongo.schema import prepare
from fhir_server.storage.mongo.transaction import Extract, MongoTransaction, Surroundings

T = TypeVar("T")


class MongoStore(MongoReads):
    """Resources, history and feed in one MongoDB database; any number of processes may share it.

    extract: search values of a resource; identifies: which fields have keys; index, set later where it needs the store:
    what answers criteria that keys don't. exact: reads that see every commit at once, whatever the settings say of
    others; standby: whether this process feeds consumers only where no other does; machine: whose notes are written.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        extract: Extract,
        identifies: Identifies,
        *,
        standby: bool = False,
        machine: str = "",
    ) -> None:
        self.database = database
        self.content = Content(database.database)
        super().__init__(*database.lagging, self.content)
        self.positions = Positions(database)
        self.feed = MongoFeed(database, self.positions)
        self.consumers = Consumers(database)
        self.feeders = MongoFeeders(database, standby)
        self._looking = Looking(database)
        self._newest = Newest(database.resources)
        self._clock = clock
        self._extract = extract
        self._identifies = identifies
        self._machine = machine
        self.exact = MongoReads(database.resources, database.history, self.content)
        self.use(None)

    async def start(self) -> None:
        """Makes collections, indexes and migrations where they are missing; refuses a layout that it doesn't know."""
        await prepare(self.database)
        await self.feed.start()

    def use(self, index: SearchIndex | None, pressure: Pressure | None = None) -> None:
        """What answers criteria that keys don't, and whether what is stored is indexed in time."""
        around = Surroundings(
            self.database,
            self.content,
            self.exact,
            self._clock,
            self._extract,
            self._identifies,
            self._newest,
            self._looking,
            index,
        )
        flush = Flush(self.database, self.positions, self.content, self._machine)
        self._commits = Commits(around, flush, pressure or Pressure())

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in one transaction; see the port."""
        return await self._commits.run(work)

    async def commit_here(self, work: Callable[[MongoTransaction], Awaitable[T]]) -> T:
        """The same for work that knows this backend."""
        return await self._commits.run(work)

    async def one_by_keys(self, type: str, where: Clause) -> list[StoredVersion] | None:
        """What the clause holds for now, one or none, found by an identifier, url or id.

        None where those don't tell, or there are more.
        """
        matcher = matcher_of(where)
        near = candidates(type, where, self._identifies)
        if matcher is None or near is None or near.size != 1:
            return None
        if near.keys:
            documents = await self._looking.near((type, near.identifying)) if near.identifying else None
            if documents is None:
                return None
            with answering():
                versions = [await self.exact.version(document) for document in documents if "resource" in document]
        else:
            version = await self.exact.read(type, next(iter(near.ids)))
            versions = [version] if version is not None and not version.deleted else []
        found = [version for version in versions if matcher(version, self._extract(decode(version.body)))]
        return found if len(found) < 2 else None

    def keys_of(self, version: StoredVersion, resource: dict[str, Any]) -> list[str]:
        """The keys that a current version should have."""
        return keys_of(version.type, version.body, self._extract(resource), self._identifies)

    async def close(self) -> None:
        """Finishes what is under way and closes the connections."""
        await self._commits.close()
        await self._newest.close()
        await self._looking.close()
        await self.exact.close()
        await super().close()
        await self.database.close()

    # ------------------------------------------------------------------ the feed
    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Changes past a position, oldest first."""
        return await self.feed.changes(after, limit)

    async def changes_of(self, types: Collection[str], after: int, limit: int = 1000) -> tuple[list[Change], int]:
        """See the port."""
        changes = await self.feed.changes(after, limit)
        return [change for change in changes if change.type in types], changes[-1].seq if changes else after

    async def head(self) -> int:
        """The position of the newest change."""
        return await self.feed.head()

    async def newest(self) -> int:
        """The position of the newest change; some before it may be on their way."""
        return await self.feed.newest()

    async def settled(self, moment: int) -> None:
        """See the port: what has taken positions by now is waited for, what takes them later runs anew."""
        with answering():
            await self.positions.close(moment // 1000 * 1000)
        await self.feed.head()

    async def position(self, consumer: str) -> int:
        """Where a consumer has got to."""
        return await self.consumers.position(consumer)

    async def advance(self, consumer: str, position: int) -> None:
        """Keeps a consumer's position."""
        await self.consumers.advance(consumer, position)

    async def lease(self, consumer: str, owner: str, seconds: float) -> bool:
        """Whether owner has this consumer's work to itself for so long."""
        return await self.consumers.lease(consumer, owner, seconds)

    async def consumers_named(self, prefix: str) -> list[str]:
        """The consumers whose names begin so."""
        return await self.consumers.consumers_named(prefix)

    async def forget(self, consumers: Collection[str]) -> None:
        """Forgets positions and leases of consumers that are no more."""
        await self.consumers.forget(consumers)

    async def want(self, consumer: str, position: int) -> None:
        """Somebody waits until this consumer has got so far."""
        await self.consumers.want(consumer, position)

    async def wanted(self, consumer: str) -> int:
        """The position that somebody waits for, or has waited for."""
        return await self.consumers.wanted(consumer)

    async def holder(self, consumer: str) -> str:
        """The owner that has, or was the last to have, this consumer's work to itself."""
        return await self.consumers.holder(consumer)
