"""What waits for an answer, and what is counted, in the file."""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.security.store.port import FORGOTTEN, digest
from fhir_server.security.store.sqlite.documents import Documents


class Waiting(Documents):
    """See `AccountStore`."""

    # ------------------------------------------------------------------ launch context
    async def put_launch(self, id: str, context: dict[str, Any], expires: int) -> None:
        """Keeps what an EHR says of the app that it launches."""
        self._execute("DELETE FROM launch WHERE expires < ?", (self.clock(),))
        self._execute("INSERT INTO launch VALUES (?, ?, ?)", (digest(id), expires, msgspec.json.encode(context)))

    async def launch(self, id: str) -> dict[str, Any] | None:
        """A launch that is still good."""
        return self._document(
            dict, "SELECT document FROM launch WHERE id = ? AND expires > ?", digest(id), self.clock()
        )

    # ------------------------------------------------------------------ what waits for an answer
    async def put_pending(self, kind: str, secret: str, document: dict[str, Any], expires: int) -> None:
        """Keeps what a question was about, until it is answered."""
        self._execute("DELETE FROM pending WHERE expires < ?", (self.clock(),))
        key = digest(f"{kind}:{secret}")
        self._execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (key, expires, msgspec.json.encode(document)))

    async def take_pending(self, kind: str, secret: str) -> dict[str, Any] | None:
        """What the question was about, once and in time."""
        row = self._execute(
            "DELETE FROM pending WHERE id = ? RETURNING expires, document", (digest(f"{kind}:{secret}"),)
        ).fetchone()
        return msgspec.json.decode(row[1]) if row and row[0] > self.clock() else None

    # ------------------------------------------------------------------ once only, and not too often
    async def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether this identifier of an issuer was never seen before, by any worker."""
        self._execute("DELETE FROM replay WHERE expires < ?", (self.clock(),))
        inserted = self._execute("INSERT OR IGNORE INTO replay VALUES (?, ?, ?)", (issuer, jti, expires))
        return inserted.rowcount == 1

    async def locked_until(self, subject: str) -> int:
        """Until when a subject has to wait, 0 for one that need not."""
        row = self._execute(
            "SELECT until FROM attempts WHERE subject = ? AND until > ?", (digest(subject), self.clock())
        ).fetchone()
        return row[0] if row else 0

    async def count_failure(self, subject: str) -> int:
        """Counts one more failed attempt of a subject; how many there are by now."""
        now = self.clock()
        self._execute("DELETE FROM attempts WHERE until < ?", (now - FORGOTTEN,))
        row = self._row(
            "INSERT INTO attempts VALUES (?, 1, ?) ON CONFLICT (subject) DO UPDATE SET failed = failed + 1, "
            "until = max(until, excluded.until) RETURNING failed",
            (digest(subject), now),
        )
        return row[0]

    async def lock(self, subject: str, until: int) -> None:
        """Has a subject wait."""
        self._execute("UPDATE attempts SET until = ? WHERE subject = ?", (until, digest(subject)))

    async def forget_failures(self, subject: str) -> None:
        """Begins to count anew."""
        self._execute("DELETE FROM attempts WHERE subject = ?", (digest(subject),))

    async def count_asked(self, subject: str, minute: int) -> int:
        """Counts one more request of a subject in a minute; how many there were at all workers."""
        row = self._row(
            "INSERT INTO asked VALUES (?, ?, 1) ON CONFLICT (subject) DO UPDATE SET "
            "count = CASE WHEN minute < excluded.minute THEN 1 ELSE count + 1 END, minute = excluded.minute "
            "RETURNING count",
            (subject, minute),
        )
        if row[0] == 1:
            self._execute("DELETE FROM asked WHERE minute < ?", (minute,))
        return row[0]
