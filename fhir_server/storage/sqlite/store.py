"""The embedded `ResourceStore` and `ChangeFeed`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import TypeVar

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Change, Clock, Transaction
from fhir_server.storage.sqlite.current import HEAD, Current
from fhir_server.storage.sqlite.database import connect, prepare
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.log_index import log_state
from fhir_server.storage.sqlite.reads import SqliteReads
from fhir_server.storage.sqlite.schema import METHODS
from fhir_server.storage.sqlite.transaction import SqliteTransaction
from fhir_server.storage.sqlite.writer import IndexOf, Writer

KEPT = 4  # of the memory for the file's pages, a fourth as much again is for versions that were read lately

T = TypeVar("T")


class SqliteStore(SqliteReads):
    """Resources and feed in one file; reads run on the event loop's own connection."""

    def __init__(
        self, path: Path, clock: Clock, index_of: IndexOf, *, cache_mb: int = 32, synchronous: str = "FULL"
    ) -> None:
        prepare(path)
        self.path = path
        self.reader = connect(path, cache_mb=cache_mb, read_only=True)
        super().__init__(self.reader, Dictionaries(self.reader))
        self._clock = clock
        self._execute(HEAD)  # from now on SQLite has the log's index in memory
        state = log_state(path)
        self._current = Current(self._execute, state, cache_mb * 2**20 // KEPT) if state is not None else None
        self.index = index_of(self.reader, self.known)
        self._writer = Writer(path, connect(path, cache_mb=cache_mb, synchronous=synchronous), index_of, clock)

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        current = self._current
        if current is None:
            return await super().read(type, id)
        version = current.get(type, id)
        if version is None:
            version = await super().read(type, id)
            if version is not None:
                current.keep(version)
        return version

    async def commit(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Runs work in one transaction; see the port."""
        return await self._writer.run(work)

    async def commit_here(self, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """The same for work that knows this backend."""
        return await self._writer.run(work)

    async def close(self) -> None:
        """Finishes writing and closes the file."""
        await self._writer.close()
        await self.index.close()
        self._current = None
        self.reader.close()

    # ------------------------------------------------------------------ the feed
    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Changes past a position, oldest first."""
        rows = self._execute(
            "SELECT v.seq, t.name, r.id, v.version, v.method, v.updated FROM version v "
            "CROSS JOIN resource r ON r.rid = v.rid CROSS JOIN type t ON t.type = v.type "
            "WHERE v.seq > ? ORDER BY v.seq LIMIT ?",
            (after, limit),
        )
        return [Change(seq, type, id, max(version, 0), METHODS[m], at) for seq, type, id, version, m, at in rows]

    async def changes_of(self, types: Collection[str], after: int, limit: int = 1000) -> tuple[list[Change], int]:
        """See the port; what is of other types is not looked at."""
        head = self._execute(HEAD).fetchone()[0]
        found: list[Change] = []
        for name in types:
            rows = self._execute(
                "SELECT v.seq, r.id, v.version, v.method, v.updated FROM version v CROSS JOIN resource r "
                "ON r.rid = v.rid WHERE v.type = ? AND v.seq > ? AND v.seq <= ? ORDER BY v.seq LIMIT ?",
                (self.known.find_type(name), after, head, limit),
            )
            found += [Change(seq, name, id, max(version, 0), METHODS[m], at) for seq, id, version, m, at in rows]
        found.sort(key=lambda change: change.seq)
        position = found[limit - 1].seq if len(found) >= limit else head
        return found[:limit], max(position, after)

    async def head(self) -> int:
        """The position of the newest change."""
        return self._execute(HEAD).fetchone()[0]

    async def newest(self) -> int:
        """The same: nothing appears behind it."""
        return await self.head()

    async def settled(self, moment: int) -> None:
        """See the port, for a moment that has come: what runs after this turn to write has a later one."""

        async def nothing(_: SqliteTransaction) -> None: ...

        await self.commit_here(nothing)

    async def position(self, consumer: str) -> int:
        """Where a consumer has got to."""
        row = self._execute("SELECT position FROM consumer WHERE name = ?", (consumer,)).fetchone()
        return row[0] if row else 0

    async def advance(self, consumer: str, position: int) -> None:
        """Keeps a consumer's position."""

        async def work(transaction: SqliteTransaction) -> None:
            transaction.advance(consumer, position)

        await self.commit_here(work)

    async def lease(self, consumer: str, owner: str, seconds: float) -> bool:
        """Whether owner has this consumer's work to itself for so long."""

        async def work(transaction: SqliteTransaction) -> bool:
            return transaction.lease(consumer, owner, self._clock() + int(seconds * 1_000_000))

        return await self.commit_here(work)

    async def consumers_named(self, prefix: str) -> list[str]:
        """The consumers whose names begin so."""
        rows = self._execute(
            "SELECT name FROM consumer WHERE substr(name, 1, ?1) = ?2 UNION "
            "SELECT substr(name, 7) FROM meta WHERE substr(name, 1, 6 + ?1) = 'lease:' || ?2",
            (len(prefix), prefix),
        )
        return [row[0] for row in rows]

    async def forget(self, consumers: Collection[str]) -> None:
        """Forgets positions and leases of consumers that are no more."""

        async def work(transaction: SqliteTransaction) -> None:
            for consumer in consumers:
                transaction.execute("DELETE FROM consumer WHERE name = ?", (consumer,))
                transaction.execute("DELETE FROM meta WHERE name = ?", (f"lease:{consumer}",))

        await self.commit_here(work)

    async def holder(self, consumer: str) -> str:
        """The owner that has, or was the last to have, this consumer's work to itself."""
        row = self._execute("SELECT value FROM meta WHERE name = ?", (f"lease:{consumer}",)).fetchone()
        return row[0].rpartition(" ")[0] if row else ""
