"""Each thing that changes messages, as a function of a connection inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from interfaces.hl7v2.messages.message import (
    FAILED,
    IGNORED,
    OPEN,
    RECEIVED,
    TRANSLATING,
    WAITING,
    Arrival,
    Message,
    Outcome,
    lanes_of,
)
from interfaces.hl7v2.messages.port import Kept, Novelty
from interfaces.hl7v2.messages.sqlite.lanes import count, enter, forget
from interfaces.hl7v2.messages.sqlite.rows import MESSAGE, joined, message, step
from interfaces.hl7v2.messages.sqlite.schema import REVISIONS


def keep(
    connection: Connection, arrival: Arrival, content: bytes, digest: bytes, owner: str, refuse_other: str, now: int
) -> Kept:
    """See MessageStore.keep; content: the bytes as they are kept, which may be sealed."""
    same = connection.execute(
        f"SELECT {MESSAGE} FROM message WHERE sender = ? AND control = ? AND digest = ?",
        (arrival.sender, arrival.control, digest),
    ).fetchone()
    if same is not None:
        count(connection, arrival.sender, "duplicate")
        return Kept(message(same), "duplicate", False)
    novelty: Novelty = "new"
    state, reason = arrival.state, arrival.reason
    if (
        arrival.control
        and connection.execute(
            "SELECT 1 FROM message WHERE sender = ? AND control = ? LIMIT 1", (arrival.sender, arrival.control)
        ).fetchone()
    ):
        novelty = "other"
        if refuse_other and state == RECEIVED:
            state, reason = FAILED, refuse_other
    count(connection, arrival.sender, novelty)
    lanes = lanes_of(arrival.patients, arrival.sender)
    claimed = state == RECEIVED and not any(
        connection.execute("SELECT 1 FROM queue WHERE lane = ? LIMIT 1", (lane,)).fetchone() for lane in lanes
    )
    if claimed:
        state = TRANSLATING
    steps = step(arrival.received, RECEIVED, "") + "\n"
    if state not in OPEN:
        steps += step(now, state, reason) + "\n"
    id = connection.execute(
        "INSERT INTO message (sender, control, digest, source, kind, version, batch, patients, size, received, state, "
        "changed, reason, owner, alarm, code, steps, answer) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (arrival.sender, arrival.control, digest, arrival.source, arrival.kind, arrival.version, arrival.batch,
         joined(arrival.patients), len(arrival.raw), arrival.received, state, now, reason,
         owner if claimed else "", novelty == "other", arrival.code, steps, arrival.answer),
    ).lastrowid  # fmt: skip
    assert id is not None
    connection.execute("INSERT INTO body VALUES (?, ?)", (id * REVISIONS, content))
    connection.executemany("INSERT INTO patient VALUES (?, ?)", [(number, id) for number in arrival.patients])
    if state in OPEN:
        enter(connection, id, lanes)
    kept = Message(
        id, arrival.source, arrival.sender, arrival.control, arrival.kind, arrival.version, digest.hex(),
        arrival.patients, len(arrival.raw), arrival.received, state, now, reason, batch=arrival.batch,
        alarm=novelty == "other", code=arrival.code, answer=arrival.answer,
    )  # fmt: skip
    return Kept(kept, novelty, claimed)


def reopen(
    connection: Connection, id: int, raw: bytes | None, reason: str, patients: tuple[str, ...], now: int
) -> bool:
    """See MessageStore.reopen."""
    row = connection.execute(f"SELECT {MESSAGE} FROM message WHERE id = ?", (id,)).fetchone()
    if row is None or not (old := message(row)).settled or old.erased:
        return False
    forget(connection, old)
    revision = old.revision
    if raw is not None:
        highest = connection.execute(
            "SELECT max(key) FROM body WHERE key BETWEEN ? AND ?", (id * REVISIONS, (id + 1) * REVISIONS - 1)
        ).fetchone()[0]
        revision = highest - id * REVISIONS + 1
        if revision == REVISIONS:
            return False
        connection.execute("INSERT INTO body VALUES (?, ?)", (id * REVISIONS + revision, raw))
        connection.executemany("INSERT OR IGNORE INTO patient VALUES (?, ?)", [(number, id) for number in patients])
    else:
        patients = old.patients
    connection.execute(
        "UPDATE message SET state = ?, changed = ?, reason = ?, owner = '', attempt = attempt + 1, revision = ?, "
        "patients = ?, steps = steps || ? WHERE id = ?",
        (RECEIVED, now, reason, revision, joined(patients), step(now, RECEIVED, reason) + "\n", id),
    )
    enter(connection, id, lanes_of(patients, old.sender))
    return True


def dismiss(connection: Connection, id: int, reason: str, now: int) -> bool:
    """See MessageStore.dismiss."""
    row = connection.execute(f"SELECT {MESSAGE} FROM message WHERE id = ?", (id,)).fetchone()
    if row is None or (found := message(row)).state not in (FAILED, WAITING):
        return False
    forget(connection, found)
    connection.execute(
        "UPDATE message SET state = ?, changed = ?, reason = ?, steps = steps || ? WHERE id = ?",
        (IGNORED, now, reason, step(now, IGNORED, reason) + "\n", id),
    )
    return True


def expire(connection: Connection, given: Message, outcome: Outcome, now: int) -> None:
    """See MessageStore.expire."""
    forget(connection, given)
    connection.execute(
        "UPDATE message SET state = ?, changed = ?, reason = ?, steps = steps || ? WHERE id = ? AND state = ?",
        (outcome.state, now, outcome.reason, step(now, outcome.state, outcome.reason) + "\n", given.id, WAITING),
    )


def purge(connection: Connection, before: int, states: Sequence[str], limit: int) -> int:
    """See MessageStore.purge."""
    marks = ",".join("?" * len(states))
    ids = connection.execute(
        f"SELECT id, patients FROM message WHERE state IN ({marks}) AND changed < ? LIMIT ?", (*states, before, limit)
    ).fetchall()
    for id, patients in ids:
        connection.execute("DELETE FROM message WHERE id = ?", (id,))
        connection.execute("DELETE FROM body WHERE key BETWEEN ? AND ?", (id * REVISIONS, (id + 1) * REVISIONS - 1))
        connection.executemany(
            "DELETE FROM patient WHERE number = ? AND message = ?", [(number, id) for number in patients.split("\n")]
        )
    return len(ids)


def lease(connection: Connection, name: str, owner: str, now: int, until: int) -> bool:
    """See MessageStore.lease."""
    row = connection.execute("SELECT owner, until FROM lease WHERE name = ?", (name,)).fetchone()
    if row is not None and row[0] != owner and row[1] > now:
        return False
    connection.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", (name, owner, until))
    return True
