"""Writing code systems into the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from fhir_server.core.errors import error
from terminology.model import Designation, Property, Record, SystemInfo
from terminology.store import closure, text
from terminology.store.closure import id_range
from terminology.store.schema import SYSTEM_BITS

BATCH = 2000
_encode = msgspec.json.Encoder(decimal_format="number").encode


def encoded(value: Any) -> bytes:
    """JSON bytes of a resource or a value, decimals with their digits."""
    return _encode(value)


def value_text(value: Any) -> str:
    """A property's value as the store keeps and compares it: true, 12, a code, or the JSON of a Coding."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return encoded(value).decode() if isinstance(value, dict) else str(value)


def open_system(connection: sqlite3.Connection, info: SystemInfo) -> int:
    """A new, empty code system that nobody sees before it is ready; returns its id."""
    row = connection.execute(
        "INSERT INTO code_systems (url, version, name, content, case_sensitive, supplements, ready, resource) "
        "VALUES (?, ?, ?, ?, ?, ?, 0, ?) RETURNING id",
        (
            info.url, info.version, info.name, info.content, info.case_sensitive, info.supplements,
            encoded(dict(info.resource)),
        ),
    ).fetchone()  # fmt: skip
    return row[0]


class SystemWriter:
    """Adds concepts, and what belongs to them, to a code system that is being filled.

    Rows that name a code which isn't there are left out and counted in `missing`.
    """

    def __init__(self, connection: sqlite3.Connection, system: int) -> None:
        self._connection = connection
        self.system = system
        first, last = id_range(system)
        highest = connection.execute("SELECT max(id) FROM concepts WHERE id BETWEEN ? AND ?", (first, last))
        self._next = (highest.fetchone()[0] or first) + 1
        self._last = last
        self._names: dict[tuple[str, str], int] = {}
        self.missing = 0

    def add(self, records: Iterable[Record]) -> None:
        """Adds concepts with all that the records hold."""
        concepts, codes, designations, properties, parents = [], [], [], [], []
        for record in records:
            id, self._next = self._next, self._next + 1
            if id > self._last:
                raise error("too-large", f"A code system may have {1 << SYSTEM_BITS} concepts here, this one has more.")
            concepts.append((id, record.code, record.display, record.definition, record.flags))
            codes.append((self.system, record.code, id))
            designations += [_designation(id, i, d) for i, d in enumerate(record.designations)]
            properties += [self._property(id, p) for p in record.properties]
            parents += [(id, parent) for parent in record.parents]
        self._connection.executemany("INSERT INTO concepts VALUES (?, ?, ?, ?, ?)", concepts)
        self._connection.executemany("INSERT INTO codes VALUES (?, ?, ?)", codes)
        self._connection.executemany("INSERT INTO designations VALUES (?, ?, ?, ?, ?)", designations)
        self._connection.executemany("INSERT OR IGNORE INTO properties VALUES (?, ?, ?)", properties)
        self._connection.executemany("INSERT OR IGNORE INTO named_parents VALUES (?, ?)", parents)

    def add_designations(self, rows: Iterable[tuple[str, Designation]]) -> None:
        """Adds designations to concepts that are there already, by code."""
        for code, designation in rows:
            if (id := self._id(code)) is not None:
                place = self._connection.execute(
                    "SELECT coalesce(max(place), -1) + 1 FROM designations WHERE concept = ?", (id,)
                ).fetchone()[0]
                self._connection.execute(
                    "INSERT INTO designations VALUES (?, ?, ?, ?, ?)", _designation(id, place, designation)
                )

    def add_properties(self, rows: Iterable[tuple[str, Property]]) -> None:
        """Adds properties to concepts that are there already, by code."""
        found = [self._property(id, p) for code, p in rows if (id := self._id(code)) is not None]
        self._connection.executemany("INSERT OR IGNORE INTO properties VALUES (?, ?, ?)", found)

    def add_parents(self, rows: Iterable[tuple[str, str]]) -> None:
        """Adds (code, code of its parent)."""
        found = [(id, parent) for code, parent in rows if (id := self._id(code)) is not None]
        self._connection.executemany("INSERT OR IGNORE INTO named_parents VALUES (?, ?)", found)

    def add_attributes(self, rows: Iterable[tuple[str, int, str, str]]) -> None:
        """Adds relationships: (code, group, code of the type, code of the value)."""
        for code, group, type, value in rows:
            ids = self._id(code), self._id(type), self._id(value)
            if None not in ids:
                self._connection.execute(
                    "INSERT OR IGNORE INTO attributes VALUES (?, ?, ?, ?)", (ids[0], group, ids[1], ids[2])
                )

    def set_texts(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Sets (code, display, definition); "" leaves what is there."""
        for code, display, definition in rows:
            if (id := self._id(code)) is not None:
                self._connection.execute(
                    "UPDATE concepts SET display = CASE ?1 WHEN '' THEN display ELSE ?1 END, "
                    "definition = CASE ?2 WHEN '' THEN definition ELSE ?2 END WHERE id = ?3",
                    (display, definition, id),
                )

    def _id(self, code: str) -> int | None:
        row = self._connection.execute(
            "SELECT c.id FROM codes k CROSS JOIN concepts c ON c.id = k.id "
            "WHERE k.system = ? AND k.code = ? AND c.code = ?",
            (self.system, code, code),
        ).fetchone()
        if row is None:
            self.missing += 1
            return None
        return row[0]

    def _property(self, id: int, property: Property) -> tuple[int, int, str]:
        key = (property.code, property.type)
        name = self._names.get(key)
        if name is None:
            arguments = (self.system, *key)
            self._connection.execute(
                "INSERT OR IGNORE INTO property_names (system, code, type) VALUES (?, ?, ?)", arguments
            )
            query = "SELECT id FROM property_names WHERE system = ? AND code = ? AND type = ?"
            name = self._names[key] = self._connection.execute(query, arguments).fetchone()[0]
        return id, name, value_text(property.value)


def _designation(id: int, place: int, designation: Designation) -> tuple[int, int, str, str, str]:
    use = encoded(dict(designation.use)).decode() if designation.use else ""
    return id, place, designation.language, use, designation.value


def activate(connection: sqlite3.Connection, system: int) -> None:
    """Makes a filled code system visible, in place of one with the same url and version."""
    first, last = id_range(system)
    for (old,) in connection.execute(
        "SELECT o.id FROM code_systems o JOIN code_systems n ON n.url = o.url AND n.version = o.version "
        "WHERE n.id = ? AND o.id <> n.id AND o.ready",
        (system,),
    ).fetchall():
        remove_system(connection, old)
    connection.execute(
        "UPDATE code_systems SET ready = 1, count = (SELECT count(*) FROM concepts WHERE id BETWEEN ? AND ?) "
        "WHERE id = ?",
        (first, last, system),
    )
    changed(connection)


def changed(connection: sqlite3.Connection) -> None:
    """Lets every process see that what it has kept in memory may be outdated."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")


def remove_system(connection: sqlite3.Connection, system: int, texts_up_to: int | None = None) -> None:
    """Removes a code system and all its concepts; texts_up_to: the last concept whose text was indexed."""
    first, last = id_range(system)
    text.remove(connection, system, last if texts_up_to is None else texts_up_to)
    for table, column in _OWNED.items():
        connection.execute(f"DELETE FROM {table} WHERE {column} BETWEEN ? AND ?", (first, last))
    for table, column in (("codes", "system"), ("property_names", "system"), ("code_systems", "id")):
        connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (system,))
    changed(connection)


_OWNED = {
    "designations": "concept", "properties": "concept", "parents": "child", "named_parents": "child",
    "ancestors": "concept", "descendants": "concept", "attributes": "concept", "concepts": "id",
}  # fmt: skip


def finish(connection: sqlite3.Connection, system: int, texts: bool = True) -> None:
    """Hierarchy, closure and text index of a filled system, then makes it visible; for small ones, in one go."""
    closure.resolve_parents(connection, system)
    for _ in closure.compute(connection, system):
        pass
    if texts:
        text.index_all(connection, system)
    activate(connection, system)


def write_system(
    connection: sqlite3.Connection,
    info: SystemInfo,
    records: Iterable[Record],
    parents: Iterable[tuple[str, str]] = (),
    texts: bool = True,
) -> int:
    """A whole code system in the caller's transaction; returns its id.

    parents: more of (code, code of its parent); texts: whether to index them now.
    """
    system = open_system(connection, info)
    writer = SystemWriter(connection, system)
    for batch in batches(records):
        writer.add(batch)
    writer.add_parents(parents)
    finish(connection, system, texts)
    return system


def batches(records: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    """The items in lists of a size."""
    batch: list[Any] = []
    for record in records:
        batch.append(record)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
