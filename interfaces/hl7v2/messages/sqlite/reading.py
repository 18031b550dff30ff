"""Each question about messages, as a function of a connection."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

from interfaces.hl7v2.messages.message import OPEN, Message
from interfaces.hl7v2.messages.port import Counter, Tally, Wanted
from interfaces.hl7v2.messages.sqlite.rows import MESSAGE, message
from interfaces.hl7v2.messages.sqlite.schema import REVISIONS


def load(connection: Connection, id: int) -> Message | None:
    """See MessageStore.load."""
    row = connection.execute(f"SELECT {MESSAGE} FROM message WHERE id = ?", (id,)).fetchone()
    return message(row) if row else None


def raw(connection: Connection, id: int, revision: int) -> bytes:
    """See MessageStore.raw."""
    if revision < 0:
        found = connection.execute("SELECT revision FROM message WHERE id = ?", (id,)).fetchone()
        revision = found[0] if found else 0
    row = connection.execute("SELECT content FROM body WHERE key = ?", (id * REVISIONS + revision,)).fetchone()
    return bytes(row[0]) if row else b""


def find(connection: Connection, wanted: Wanted) -> list[Message]:
    """See MessageStore.find."""
    conditions: list[str] = []
    values: list[Any] = []
    for condition, value in (
        ("state = ?", wanted.state),
        ("sender = ?", wanted.sender),
        ("id IN (SELECT message FROM patient WHERE number = ?)", wanted.patient),
        ("received >= ?", wanted.since),
        ("received < ?", wanted.until),
        ("id < ?", wanted.before),
        ("id > ?", wanted.after),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    if wanted.kind:
        conditions.append("kind LIKE ? ESCAPE '\\'")
        values.append(_like(wanted.kind) + "%")
    if wanted.text:
        conditions.append("(control LIKE ? ESCAPE '\\' OR reason LIKE ? ESCAPE '\\' OR kind LIKE ? ESCAPE '\\')")
        values += [f"%{_like(wanted.text)}%"] * 3
    if wanted.alarm:
        conditions.append("alarm = 1")
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    order = "ASC" if wanted.oldest_first else "DESC"
    sql = f"SELECT {MESSAGE} FROM message {where}ORDER BY id {order} LIMIT ?"
    return [message(row) for row in connection.execute(sql, (*values, wanted.limit))]


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def settled(connection: Connection, ids: Sequence[int]) -> list[Message]:
    """See MessageStore.settled."""
    marks = ",".join("?" * len(ids))
    sql = f"SELECT {MESSAGE} FROM message WHERE id IN ({marks}) AND state NOT IN (?, ?)"
    return [message(row) for row in connection.execute(sql, (*ids, *OPEN))]


def counters(connection: Connection) -> list[Counter]:
    """See MessageStore.counters."""
    return [Counter(*row) for row in connection.execute("SELECT sender, what, count FROM counter")]


def tallies(connection: Connection) -> list[Tally]:
    """See MessageStore.tallies."""
    sql = (
        "SELECT g.sender, g.state, g.n, m.received FROM (SELECT sender, state, count(*) AS n, min(id) AS id "
        "FROM message INDEXED BY message_state GROUP BY state, sender) g JOIN message m ON m.id = g.id"
    )
    return [Tally(*row) for row in connection.execute(sql)]
