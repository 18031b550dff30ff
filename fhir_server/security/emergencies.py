"""Emergencies: who has broken the glass, why, and until when; every worker knows them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from fhir_server.core.ports import Clock
from fhir_server.security.private_file import opening

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


class Emergencies(Protocol):
    """Those of one server."""

    async def now(self, user: str, client: str) -> Emergency | None:
        """The emergency of a user in an application that goes on."""
        ...

    async def begin(self, emergency: Emergency) -> bool:
        """Keeps a new one; False where one of this user in this application goes on already."""
        ...

    async def keep(self, emergency: Emergency) -> None:
        """Replaces what is kept of one."""
        ...

    async def forget(self, emergency: Emergency) -> None:
        """Takes back one that could not be told."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


class SqliteEmergencies:
    """In one file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        with opening(path) as self._connection:
            self._connection.execute(TABLE)
        self._clock = clock

    async def now(self, user: str, client: str) -> Emergency | None:
        """The emergency of a user in an application that goes on."""
        row = self._connection.execute(
            "SELECT document FROM emergency WHERE user = ? AND client = ? AND until > ?", (user, client, self._clock())
        ).fetchone()
        return msgspec.json.decode(row[0], type=Emergency) if row else None

    async def begin(self, emergency: Emergency) -> bool:
        """Keeps a new one; False where another worker has begun one meanwhile."""
        user, client = emergency.user, emergency.client
        rows = self._connection.execute(
            "INSERT INTO emergency SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM emergency WHERE user = ? AND "
            "client = ? AND until > ?)",
            (
                emergency.id,
                user,
                client,
                emergency.until,
                msgspec.json.encode(emergency),
                user,
                client,
                emergency.begun,
            ),
        )
        return rows.rowcount == 1

    async def keep(self, emergency: Emergency) -> None:
        """Replaces what is kept of one."""
        self._connection.execute(
            "UPDATE emergency SET document = ? WHERE id = ?", (msgspec.json.encode(emergency), emergency.id)
        )

    async def forget(self, emergency: Emergency) -> None:
        """Takes back one that could not be told."""
        self._connection.execute("DELETE FROM emergency WHERE id = ?", (emergency.id,))

    async def close(self) -> None:
        """Closes the file."""
        self._connection.close()
