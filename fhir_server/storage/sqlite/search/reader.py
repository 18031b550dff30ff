"""Statements under a limit of time, and rough counts that are remembered for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from time import monotonic
from typing import NamedTuple, TypeVar

from fhir_server.core.errors import FhirError, error
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.search.sql import LISTED, Sql

T = TypeVar("T")

STEPS = 1000  # steps of SQLite's machine between two looks at the limits: about a twentieth of a millisecond
ATTEMPT = 60  # looks after which an attempt at a quick way is given up: some milliseconds
REMEMBERED = 5_000  # rough counts and attempts
REMEMBERED_SECONDS = 20.0
NEVER = float("inf")
TOO_COMPLEX = ("parser stack overflow", "Expression tree is too large", "too many")


class OutOfTime(Exception):
    """The statements did not finish within their limit."""


class Limit(NamedTuple):
    """What a work may take: seconds, and looks, which unlike seconds do not pass while others have the processor.

    waited_for: others wait for it, so that it must not even begin what certainly takes long.
    """

    seconds: float
    looks: float = NEVER
    waited_for: bool = False


class Experience:
    """What the readers of one store have found out lately, by which a way to search is chosen.

    rows: how many a SELECT has, and the bound up to which they were counted; live: current resources by type; long:
    attempts that were given up.
    """

    def __init__(self) -> None:
        self.rows: dict[Sql, tuple[int, int]] = {}
        self.live: dict[int, int] = {}
        self.long: set[Sql] = set()
        self._since = 0.0

    def forget_old(self, now: float) -> None:
        """Begins anew where it is old or much."""
        if now - self._since > REMEMBERED_SECONDS or len(self.rows) + len(self.long) > REMEMBERED:
            self.rows.clear()
            self.live.clear()
            self.long.clear()
            self._since = now


def too_complex() -> FhirError:
    """What to answer where SQLite or Python can't nest any deeper."""
    return error("too-costly", "This search is nested too deeply or has too many parts; split it into several.")


class Reader:
    """One connection with its dictionaries. Not for two threads at once.

    state: the header of the log's index (log_index.log_state), where that is known; experience: of others of the store.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: Dictionaries,
        state: Callable[[], bytes] | None = None,
        experience: Experience | None = None,
    ) -> None:
        self.execute = connection.execute
        self.known = known
        self._connection = connection
        self._state = state
        self._followed = b""  # the state before the dictionaries were followed
        self._deadline = NEVER
        self._looks = NEVER
        self._tries = NEVER
        self._waited_for = False
        self.experience = experience or Experience()
        connection.set_progress_handler(self._look, STEPS)

    def within(self, limit: Limit, work: Callable[[], T]) -> T:
        """What work returns, all of its statements over one state of the store; OutOfTime past the limit."""
        alone = not self._connection.in_transaction
        state = self._state() if alone and self._state is not None else b""
        now = monotonic()
        self.experience.forget_old(now)
        if alone:
            self.execute("BEGIN")  # before the limit counts: an interrupted one would be no transaction to end
        self._deadline = now + limit.seconds
        self._looks = limit.looks
        self._waited_for = limit.waited_for
        try:
            if alone:  # inside a write transaction nobody else can move it
                self.known.follow()
                self._followed = state
            return work()
        except sqlite3.OperationalError as problem:  # a look into a dictionary can be what is interrupted
            if problem.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise OutOfTime from None
            raise
        finally:
            self._deadline = self._looks = NEVER
            if alone:
                self.execute("COMMIT")

    def unmoved(self, work: Callable[[], T]) -> T | None:
        """What work returns where nobody has committed since the dictionaries were followed, nor does meanwhile; else
        None. Its statements need no transaction then. Not inside one."""
        state = self._state
        if state is None or state() != self._followed:
            return None
        found = work()
        return found if state() == self._followed else None

    def leave(self) -> None:
        """Before the connection is closed: the log's index is in memory no longer."""
        self._state = None

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def rows(self, sql: Sql) -> list[tuple]:
        """All rows."""
        try:
            return self.execute(sql.text, sql.bound).fetchall()
        except sqlite3.OperationalError as problem:
            if problem.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise OutOfTime from None
            if problem.sqlite_errorcode == sqlite3.SQLITE_ERROR and str(problem).startswith(TOO_COMPLEX):
                raise too_complex() from None
            raise

    def takes_long(self) -> None:
        """Says that what comes next takes long: OutOfTime where others wait for it."""
        if self._waited_for:
            raise OutOfTime

    def types(self, names: Sequence[str]) -> dict[str, int]:
        """The integers of those of these types that the store has seen."""
        if len(names) > LISTED:
            wanted = set(names)
            return {name: type_id for name, type_id in self.rows(Sql("SELECT name, type FROM type")) if name in wanted}
        found = {name: self.known.find_type(name) for name in names}
        return {name: type_id for name, type_id in found.items() if type_id is not None}

    def attempt(self, sql: Sql) -> list[tuple] | None:
        """All rows, or None where that takes more than some milliseconds, or did so lately."""
        if sql in self.experience.long:
            return None
        self._tries = ATTEMPT
        try:
            return self.rows(sql)
        except OutOfTime:
            if self._tries >= 0 or self._looks < 0:
                raise
            self.experience.long.add(sql)
            return None
        finally:
            self._tries = NEVER

    def rough_count(self, select: Sql, bound: int) -> int:
        """How many rows a SELECT has, at most bound; may be some seconds old, so only good to choose a way."""
        known = self.experience.rows.get(select)
        if known is not None and (known[0] < known[1] or known[1] >= bound):
            return min(known[0], bound)
        counted = self.rows(Sql(f"SELECT count(*) FROM ({select.text} LIMIT ?)", (*select.bound, bound)))[0][0]
        self.experience.rows[select] = (counted, bound)
        return counted

    def rough_live(self, types: tuple[int, ...]) -> int:
        """How many current resources there are of these types; may be some seconds old."""
        live = self.experience.live
        if not live:
            live.update(self.execute("SELECT type, live FROM type").fetchall())
        return sum([live.get(type_id, 0) for type_id in types])

    def _look(self) -> bool:
        self._looks -= 1
        self._tries -= 1
        return self._tries < 0 or self._looks < 0 or monotonic() > self._deadline
