"""Letters, the messages to destinations, in the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import ERASED
from interfaces.hl7v2.messages.port import Letter, Tally
from interfaces.hl7v2.messages.sqlite import erasing
from interfaces.hl7v2.messages.sqlite.journal import Journal
from interfaces.hl7v2.messages.sqlite.rows import LETTER, letter
from interfaces.hl7v2.messages.sqlite.sealing import Sealing

Read = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]


class SqliteLetters:
    """The part of the store that destinations need."""

    def __init__(self, journal: Journal, read: Read, sealing: Sealing, clock: Clock) -> None:
        self._clock = clock
        self._seals = sealing
        self._journal = journal
        self._look = read

    async def post(self, consumer: str, position: int, letters: Sequence[Letter]) -> None:
        """See the port."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR IGNORE INTO letter (destination, key, kind, control, body, state, made, changed, reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(x.destination, x.key, x.kind, x.control, self._seals.sealed(x.body), x.state, x.made, x.changed,
                  x.reason)
                 for x in letters],
            )  # fmt: skip
            if consumer:
                connection.execute(
                    "INSERT INTO position VALUES (?, ?) ON CONFLICT DO UPDATE SET position = max(position, ?)",
                    (consumer, position, position),
                )

        await self._journal.run(work)

    async def position(self, consumer: str) -> int:
        """See the port."""
        sql = "SELECT position FROM position WHERE consumer = ?"
        row = await self._look(lambda c: c.execute(sql, (consumer,)).fetchone())
        return row[0] if row else -1

    async def next_letter(self, destination: str) -> Letter | None:
        """See the port."""
        sql = (
            f"SELECT {LETTER} FROM letter WHERE id = (SELECT min(id) FROM letter "
            "WHERE destination = ? AND state IN ('queued', 'sent', 'held'))"
        )
        row = await self._look(lambda c: c.execute(sql, (destination,)).fetchone())
        return self._seals.letter(letter(row)) if row else None

    async def letter(self, id: int) -> Letter | None:
        """See the port."""
        row = await self._look(lambda c: c.execute(f"SELECT {LETTER} FROM letter WHERE id = ?", (id,)).fetchone())
        return self._seals.letter(letter(row)) if row else None

    async def letters(self, destination: str = "", state: str = "", before: int = 0, limit: int = 50) -> list[Letter]:
        """See the port."""
        sql = (
            f"SELECT {LETTER} FROM letter WHERE (? = '' OR destination = ?) AND (? = '' OR state = ?) "
            "AND (? = 0 OR id < ?) ORDER BY id DESC LIMIT ?"
        )
        values = (destination, destination, state, state, before, before, limit)
        return [
            self._seals.letter(letter(row)) for row in await self._look(lambda c: c.execute(sql, values).fetchall())
        ]

    async def mark(self, id: int, state: str, reason: str, answer: bytes, now: int, tried: int = 0) -> None:
        """See the port."""
        sql = (
            "UPDATE letter SET state = ?, reason = ?, answer = ?, changed = ?, tries = tries + ? "
            "WHERE id = ? AND reason <> ?"
        )
        sealed = self._seals.sealed(answer)
        await self._journal.run(lambda c: c.execute(sql, (state, reason, sealed, now, tried, id, ERASED)).rowcount)

    async def erase_letters(self, made_of: Collection[str]) -> int:
        """See the port."""
        now = self._clock()
        return await self._journal.run(lambda c: erasing.erase_letters(c, made_of, now))

    async def letter_tallies(self) -> list[Tally]:
        """See the port."""
        sql = "SELECT destination, state, count(*), min(made) FROM letter GROUP BY destination, state"
        return [Tally(*row) for row in await self._look(lambda c: c.execute(sql).fetchall())]
