"""Emergencies: who has broken the glass, why, and until when. Workers share them by a file in the data folder."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.core.write_ahead import use_write_ahead_log

FILE_NAME = "emergencies.sqlite"
TABLE = """CREATE TABLE IF NOT EXISTS emergency (id TEXT PRIMARY KEY, user TEXT NOT NULL, client TEXT NOT NULL,
    until INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID"""


class Emergency(msgspec.Struct, frozen=True, kw_only=True):
    """One emergency of a user in an application; times in microseconds since 1970 UTC; task: the review's Task/id."""

    id: str
    user: str
    client: str
    fhir_user: str
    reason: str
    begun: int
    until: int
    task: str = ""


class Emergencies:
    """One file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            path.chmod(0o600)
            use_write_ahead_log(self._connection)
            self._connection.execute(TABLE)
        except (OSError, sqlite3.Error) as problem:
            raise error("unavailable", f"{path} can't be used: {problem}. Name another data folder.") from problem
        self._clock = clock

    def now(self, user: str, client: str) -> Emergency | None:
        """The emergency of a user in an application that goes on."""
        row = self._connection.execute(
            "SELECT document FROM emergency WHERE user = ? AND client = ? AND until > ?", (user, client, self._clock())
        ).fetchone()
        return msgspec.json.decode(row[0], type=Emergency) if row else None

    def begin(self, user: str, client: str, fhir_user: str, reason: str, minutes: int) -> Emergency | None:
        """A new emergency; None where another worker has begun one meanwhile."""
        begun = self._clock()
        made = Emergency(
            id=secrets.token_hex(8), user=user, client=client, fhir_user=fhir_user, reason=reason, begun=begun,
            until=begun + minutes * 60_000_000,
        )  # fmt: skip
        rows = self._connection.execute(
            "INSERT INTO emergency SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM emergency WHERE user = ? AND "
            "client = ? AND until > ?)",
            (made.id, user, client, made.until, msgspec.json.encode(made), user, client, begun),
        )
        return made if rows.rowcount else None

    def keep(self, emergency: Emergency) -> None:
        """Replaces what is kept of one."""
        self._connection.execute(
            "UPDATE emergency SET document = ? WHERE id = ?", (msgspec.json.encode(emergency), emergency.id)
        )

    def forget(self, emergency: Emergency) -> None:
        """Takes back one that could not be told."""
        self._connection.execute("DELETE FROM emergency WHERE id = ?", (emergency.id,))

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()
