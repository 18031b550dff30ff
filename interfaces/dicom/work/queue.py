"""Jobs in the index: claimed for a while, tried again after growing pauses, kept for people to see where they fail."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, NamedTuple

from interfaces.dicom.archive.archive import Archive

LEASE = 120_000_000  # microseconds after which a job of a process that ended is taken by another
PAUSES = (1, 5, 15, 60, 300, 900)  # seconds before it is tried again
ATTEMPTS = 12


class Job(NamedTuple):
    """One job: its kind, what it is about, and how often it was tried."""

    pk: int
    kind: str
    key: str
    round: int
    attempts: int
    payload: dict[str, Any]


def claim(archive: Archive) -> Job | None:
    """The next job that is due, for this process alone."""
    moment = archive.clock()
    due = archive.reading.execute(
        "SELECT 1 FROM job WHERE (state = 'waiting' AND due <= ?) OR (state = 'running' AND leased < ?) LIMIT 1",
        (moment, moment),
    ).fetchone()
    if due is None:
        return None

    def work(connection: sqlite3.Connection) -> Job | None:
        row = connection.execute(
            "UPDATE job SET state = 'running', leased = ? WHERE pk = (SELECT pk FROM job WHERE (state = 'waiting' AND"
            " due <= ?) OR (state = 'running' AND leased < ?) ORDER BY due LIMIT 1)"
            " RETURNING pk, kind, key, round, attempts, payload",
            (moment + LEASE, moment, moment),
        ).fetchall()
        if not row:
            return None
        pk, kind, key, round, attempts, payload = row[0]
        return Job(pk, kind, key, round, attempts, json.loads(payload))

    return archive.write(work)


def done(archive: Archive, job: Job) -> None:
    """Takes a job off the list, unless it was asked for again meanwhile."""

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM job WHERE pk = ? AND round = ?", (job.pk, job.round))
        connection.execute("UPDATE job SET state = 'waiting' WHERE pk = ? AND state = 'running'", (job.pk,))

    archive.write(work)


def failed(archive: Archive, job: Job, problem: str, *, transient: bool) -> bool:
    """Puts a job off; False once it is given up: a transient failure never is."""
    attempts = job.attempts + 1
    pause = PAUSES[min(attempts, len(PAUSES)) - 1] * 1_000_000
    given_up = attempts >= ATTEMPTS and not transient
    archive.write(
        lambda connection: connection.execute(
            "UPDATE job SET state = ?, attempts = ?, due = ?, problem = ? WHERE pk = ?",
            ("failed" if given_up else "waiting", attempts, archive.clock() + pause, problem[:500], job.pk),
        )
    )
    return not given_up


def again(archive: Archive, pk: int) -> bool:
    """Has a job tried at once, one that was given up too; False where there is none."""
    moment = archive.clock()
    return bool(
        archive.write(
            lambda connection: (
                connection.execute(
                    "UPDATE job SET state = 'waiting', attempts = 0, due = ? WHERE pk = ? AND state <> 'running'",
                    (moment, pk),
                ).rowcount
            )
        )
    )


def listed(archive: Archive) -> list[dict[str, Any]]:
    """Every job that is not done."""
    rows = archive.reading.execute(
        "SELECT pk, kind, key, state, attempts, due, problem FROM job ORDER BY due LIMIT 500"
    )
    return [dict(row) for row in rows]
