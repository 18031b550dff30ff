"""Text filters: all words of the filter begin words of the code, the display or a designation."""

from __future__ import annotations

import re
import sqlite3

from fhir_server.core.folding import unaccented
from terminology.store.closure import id_range

CHUNK = 10_000

# One expression makes the indexed text and, to take it out again, the very same one.
_TEXT = (
    "c.code || ' ' || c.display || coalesce((SELECT ' ' || group_concat(d.value, ' ') FROM designations d "
    "WHERE d.concept = c.id), '')"
)


def index_chunk(connection: sqlite3.Connection, system: int, after: int = 0) -> int:
    """Indexes the texts of the next concepts past an id; returns the id reached, 0 when all are done."""
    first, last = id_range(system)
    start = max(first, after + 1)
    end = connection.execute(
        "SELECT max(id) FROM (SELECT id FROM concepts WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?)",
        (start, last, CHUNK),
    ).fetchone()[0]
    if end is None:
        return 0
    connection.execute(
        f"INSERT INTO texts (rowid, text) SELECT c.id, {_TEXT} FROM concepts c "
        "WHERE c.id BETWEEN ? AND ? ORDER BY c.id",
        (start, end),
    )
    return end


def index_all(connection: sqlite3.Connection, system: int) -> None:
    """Indexes all texts of a system."""
    reached = index_chunk(connection, system)
    while reached:
        reached = index_chunk(connection, system, reached)


def remove(connection: sqlite3.Connection, system: int, up_to: int) -> None:
    """Takes the texts of a system's concepts up to an id out of the index."""
    connection.execute(
        f"INSERT INTO texts (texts, rowid, text) SELECT 'delete', c.id, {_TEXT} FROM concepts c "
        "WHERE c.id BETWEEN ? AND ?",
        (id_range(system)[0], up_to),
    )


def match_expression(text: str) -> str:
    """The FTS5 expression of a text filter; "" where the filter has no letter or digit in it."""
    words = [word.replace('"', " ").strip() for word in text.split()]
    return " ".join(f'"{word}" *' for word in words if any(c.isalnum() for c in word))


_TOKEN = re.compile(r"[^\W_]+")


def matches(text: str, *fields: str) -> bool:
    """The same rule for texts that are in no index."""
    wanted = [words for word in text.split() if (words := _TOKEN.findall(unaccented(word)))]
    found = _TOKEN.findall(unaccented(" ".join(fields)))
    return bool(wanted) and all(_phrase(words, found) for words in wanted)


def _phrase(words: list[str], found: list[str]) -> bool:
    length = len(words)
    return any(
        found[i : i + length - 1] == words[:-1] and found[i + length - 1].startswith(words[-1])
        for i in range(len(found) - length + 1)
    )
