"""The transitive closure of a hierarchy, so that subsumption is one look-up however deep it is."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator

from fhir_server.core.errors import error
from terminology.store.schema import SYSTEM_BITS

CHUNK = 20_000


def id_range(system: int) -> tuple[int, int]:
    """The first and the last id that concepts of the code system can have."""
    return system << SYSTEM_BITS, ((system + 1) << SYSTEM_BITS) - 1


def resolve_parents(connection: sqlite3.Connection, system: int) -> int:
    """Turns the parents that are known by code into edges; returns how many named a code that isn't there."""
    first, last = id_range(system)
    connection.execute(
        "INSERT OR IGNORE INTO parents SELECT n.child, c.id FROM named_parents n "
        "CROSS JOIN codes k ON k.system = ? AND k.code = n.parent "
        "CROSS JOIN concepts c ON c.id = k.id AND c.code = n.parent "
        "WHERE n.child BETWEEN ? AND ?",
        (system, first, last),
    )
    named = connection.execute("SELECT count(*) FROM named_parents WHERE child BETWEEN ? AND ?", (first, last))
    made = connection.execute("SELECT count(*) FROM parents WHERE child BETWEEN ? AND ?", (first, last))
    missing = named.fetchone()[0] - made.fetchone()[0]
    connection.execute("DELETE FROM named_parents WHERE child BETWEEN ? AND ?", (first, last))
    return max(missing, 0)


def ancestor_lists(edges: dict[int, list[int]], name: dict[int, str] | None = None) -> Iterator[tuple[int, array]]:
    """(concept, its ancestors without itself, sorted) for every concept that has parents.

    edges: child -> parents. FhirError unprocessable where the hierarchy runs in a circle.
    """
    done: dict[int, array] = {}
    for start in edges:
        if start in done:
            continue
        path = [start]
        open_path = {start}
        while path:
            concept = path[-1]
            waiting = [p for p in edges[concept] if p in edges and p not in done]
            if waiting:
                if waiting[0] in open_path:
                    code = (name or {}).get(waiting[0], str(waiting[0]))
                    raise error("unprocessable", f"The hierarchy runs in a circle through the concept '{code}'.")
                path.append(waiting[0])
                open_path.add(waiting[0])
                continue
            found: set[int] = set(edges[concept])
            for parent in edges[concept]:
                found.update(done.get(parent, ()))
            done[concept] = array("q", sorted(found))
            open_path.discard(path.pop())
            yield concept, done[concept]


def compute(connection: sqlite3.Connection, system: int) -> Iterator[int]:
    """Fills ancestors and descendants of a system anew, yielding the rows written so far after each chunk.

    A system without a hierarchy gets none.
    """
    first, last = id_range(system)
    for table in ("ancestors", "descendants"):
        connection.execute(f"DELETE FROM {table} WHERE concept BETWEEN ? AND ?", (first, last))
    edges: dict[int, list[int]] = {}
    query = "SELECT child, parent FROM parents WHERE child BETWEEN ? AND ?"
    for child, parent in connection.execute(query, (first, last)):
        edges.setdefault(child, []).append(parent)
    hierarchical = bool(edges)
    connection.execute("UPDATE code_systems SET hierarchical = ? WHERE id = ?", (hierarchical, system))
    if not hierarchical:
        return
    connection.execute(
        "INSERT INTO ancestors SELECT id, id FROM concepts WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
    )
    written = 0
    rows: list[tuple[int, int]] = []
    for concept, ancestors in ancestor_lists(edges, _Codes(connection)):
        rows.extend((concept, ancestor) for ancestor in ancestors)
        if len(rows) >= CHUNK:
            connection.executemany("INSERT INTO ancestors VALUES (?, ?)", rows)
            written += len(rows)
            rows.clear()
            yield written
    connection.executemany("INSERT INTO ancestors VALUES (?, ?)", rows)
    written += len(rows)
    yield written
    highest = connection.execute("SELECT max(concept) FROM ancestors WHERE concept <= ?", (last,)).fetchone()[0]
    for start in range(first, highest + 1, CHUNK):
        connection.execute(
            "INSERT INTO descendants SELECT ancestor, concept FROM ancestors WHERE concept BETWEEN ? AND ? "
            "ORDER BY ancestor, concept",
            (start, start + CHUNK - 1),
        )
        yield written


class _Codes(dict):
    """Codes by id, looked up only for the message that needs one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def get(self, key: int, default: str = "") -> str:
        row = self._connection.execute("SELECT code FROM concepts WHERE id = ?", (key,)).fetchone()
        return row[0] if row else default
