"""Erasure of messages and letters, each as a function of a connection inside a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from sqlite3 import Connection

import msgspec

from interfaces.hl7v2.messages.message import DONE, ERASED, IGNORED, TRANSLATING, Message
from interfaces.hl7v2.messages.sqlite.lanes import forget, leave
from interfaces.hl7v2.messages.sqlite.rows import MESSAGE, message, step
from interfaces.hl7v2.messages.sqlite.schema import REVISIONS

MADE_OF = "CASE instr(key, '/_history/') WHEN 0 THEN key ELSE substr(key, 1, instr(key, '/_history/') - 1) END"


def erase(connection: Connection, patient: str, ids: Sequence[int], now: int) -> list[Message]:
    """See MessageStore.erase."""
    rows = connection.execute(
        f"SELECT {MESSAGE} FROM message WHERE state <> ? AND reason <> ? AND (id IN (SELECT value FROM json_each(?)) "
        "OR instr(char(10) || links, char(10) || ? || '/_history/'))",
        (TRANSLATING, ERASED, msgspec.json.encode(ids).decode(), patient),
    ).fetchall()
    connection.execute("PRAGMA secure_delete = ON")
    erased = [message(row) for row in rows]
    for each in erased:
        _erase(connection, each, now)
    return erased


def _erase(connection: Connection, found: Message, now: int) -> None:
    """Leaves its row, and of its states when they were."""
    forget(connection, found)
    leave(connection, found.id, found.lanes)
    low = found.id * REVISIONS
    connection.execute("DELETE FROM body WHERE key BETWEEN ? AND ?", (low, low + REVISIONS - 1))
    connection.execute("DELETE FROM patient WHERE message = ?", (found.id,))
    state = found.state if found.state == DONE else IGNORED
    steps = [(each.at, each.state, "") for each in found.steps] + [(now, state, ERASED)]
    connection.execute(
        "UPDATE message SET patients = '', answer = x'', links = '', steps = ?, state = ?, reason = ?, changed = ?, "
        "owner = '' WHERE id = ?",
        ("".join(step(*each) + "\n" for each in steps), state, ERASED, now, found.id),
    )


def erase_letters(connection: Connection, made_of: Collection[str], now: int) -> int:
    """See MessageStore.erase_letters."""
    connection.execute("PRAGMA secure_delete = ON")
    return connection.execute(
        "UPDATE letter SET state = 'dropped', body = x'', answer = x'', reason = ?, changed = ? "
        f"WHERE reason <> ? AND {MADE_OF} IN (SELECT value FROM json_each(?))",
        (ERASED, now, ERASED, msgspec.json.encode(list(made_of)).decode()),
    ).rowcount
