"""Order: which message may be applied, whose it is, and what follows when it is settled.

A message takes the lanes of its patients' numbers from its arrival until it is settled, and may be applied when it is
the first in each. The oldest message of all is always first everywhere, so nothing waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from sqlite3 import Connection

import msgspec

from interfaces.hl7v2.messages.message import DONE, RECEIVED, TRANSLATING, WAITING, Message, Outcome
from interfaces.hl7v2.messages.owners import ended
from interfaces.hl7v2.messages.sqlite.rows import MESSAGE, joined, message, step


def enter(connection: Connection, id: int, lanes: Iterable[int]) -> None:
    """Takes the lanes."""
    connection.executemany("INSERT OR IGNORE INTO queue VALUES (?, ?)", [(lane, id) for lane in lanes])


def leave(connection: Connection, id: int, lanes: Iterable[int]) -> None:
    """Frees the lanes."""
    connection.executemany("DELETE FROM queue WHERE lane = ? AND message = ?", [(lane, id) for lane in lanes])


def first(connection: Connection, lane: int) -> int | None:
    """The first message of a lane."""
    return connection.execute("SELECT min(message) FROM queue WHERE lane = ?", (lane,)).fetchone()[0]


def held(connection: Connection) -> list[int]:
    """The lanes that messages are in; each is found behind the one before, as a lane may have very many."""
    rows = connection.execute(
        "WITH RECURSIVE held(lane) AS (SELECT min(lane) FROM queue UNION ALL SELECT "
        "(SELECT min(queue.lane) FROM queue WHERE queue.lane > held.lane) FROM held WHERE held.lane IS NOT NULL) "
        "SELECT lane FROM held WHERE lane IS NOT NULL"
    )
    return [lane for (lane,) in rows]


def take(connection: Connection, owner: str, lanes: Iterable[int], now: int, limit: int) -> list[Message]:
    """What is first in all its lanes, among the first of these lanes, and nobody's, becomes the owner's."""
    taken: list[Message] = []
    seen: set[int] = set()
    for lane in lanes:
        id = first(connection, lane)
        if id is None or id in seen or len(taken) == limit:
            continue
        seen.add(id)
        row = connection.execute(f"SELECT {MESSAGE} FROM message WHERE id = ? AND state = ?", (id, RECEIVED)).fetchone()
        if row is None:
            continue
        found = message(row)
        if all(first(connection, other) == id for other in found.lanes):
            connection.execute(
                "UPDATE message SET state = ?, changed = ?, owner = ? WHERE id = ?", (TRANSLATING, now, owner, id)
            )
            taken.append(msgspec.structs.replace(found, state=TRANSLATING, changed=now))
    return taken


def settle(connection: Connection, given: Message, owner: str, outcome: Outcome, now: int, limit: int) -> list[Message]:
    """Puts a message into its new state and takes what may follow; nothing where it is not the owner's any more."""
    steps = step(given.changed, TRANSLATING, "") + "\n" + step(now, outcome.state, outcome.reason) + "\n"
    changed = connection.execute(
        "UPDATE message SET state = ?, changed = ?, reason = ?, owner = '', code = ?, links = ?, answer = ?, "
        "steps = steps || ? WHERE id = ? AND owner = ?",
        (
            outcome.state,
            now,
            outcome.reason,
            outcome.code,
            joined(outcome.links),
            outcome.answer,
            steps,
            given.id,
            owner,
        ),
    )
    if not changed.rowcount:
        return []
    count(connection, given.sender, outcome.state)
    leave(connection, given.id, given.lanes)
    lanes = set(given.lanes)
    if outcome.state == WAITING:
        numbers = [(number, given.id) for number in given.patients]
        connection.executemany("INSERT OR IGNORE INTO waiting VALUES (?, ?)", numbers)
    elif outcome.state == DONE and outcome.releases:
        lanes |= release(connection, outcome.releases, now)
    return take(connection, owner, sorted(lanes), now, limit)


def release(connection: Connection, numbers: Iterable[str], now: int) -> set[int]:
    """Gives the messages that wait for these numbers another try; the lanes that they take."""
    lanes: set[int] = set()
    for number in numbers:
        waiting = connection.execute("SELECT message FROM waiting WHERE number = ?", (number,)).fetchall()
        for (id,) in waiting:
            row = connection.execute(f"SELECT {MESSAGE} FROM message WHERE id = ?", (id,)).fetchone()
            if row is not None:
                found = message(row)
                forget(connection, found)
                enter(connection, id, found.lanes)
                lanes |= set(found.lanes)
                connection.execute(
                    "UPDATE message SET state = ?, changed = ?, reason = '', steps = steps || ? WHERE id = ?",
                    (RECEIVED, now, step(now, RECEIVED, f"its patient {number} came") + "\n", id),
                )
    return lanes


def forget(connection: Connection, given: Message) -> None:
    """It waits for no patient any more."""
    connection.executemany(
        "DELETE FROM waiting WHERE number = ? AND message = ?", [(number, given.id) for number in given.patients]
    )


def count(connection: Connection, sender: str, what: str) -> None:
    """One more."""
    connection.execute(
        "INSERT INTO counter VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (sender, what)
    )


def alive(connection: Connection, owner: str, until: int, connections: Mapping[str, int]) -> None:
    """The owner lives until then and has these connections open."""
    connection.execute("INSERT OR REPLACE INTO worker VALUES (?, ?)", (owner, until))
    rows = [(owner, listener, count) for listener, count in connections.items()]
    connection.executemany("INSERT OR REPLACE INTO connection VALUES (?, ?, ?)", rows)


def connections(connection: Connection, now: int, but: str) -> dict[str, int]:
    """What the living but one have open, by listener."""
    return dict(
        connection.execute(
            "SELECT c.listener, sum(c.open) FROM worker w JOIN connection c ON c.owner = w.name "
            "WHERE w.until >= ? AND w.name <> ? GROUP BY c.listener",
            (now, but),
        ).fetchall()
    )


def free(connection: Connection, owner: str) -> None:
    """What this owner has is nobody's."""
    connection.execute("DELETE FROM worker WHERE name = ?", (owner,))
    connection.execute("DELETE FROM connection WHERE owner = ?", (owner,))
    connection.execute("DELETE FROM lease WHERE owner = ?", (owner,))
    connection.execute(
        "UPDATE message SET state = ?, owner = '' WHERE state = ? AND owner = ?", (RECEIVED, TRANSLATING, owner)
    )


def free_dead(connection: Connection, now: int) -> None:
    """What owners have who are dead: their process ended on this machine, or they said nothing for too long."""
    for name, until in connection.execute("SELECT name, until FROM worker").fetchall():
        if until < now or ended(name):
            free(connection, name)
