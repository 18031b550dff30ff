"""The store itself: a SQLite file that all processes of the server share, or a database in memory."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.file_transaction import transaction
from fhir_server.core.write_ahead import use_write_ahead_log
from terminology.model import Record, SystemInfo
from terminology.packs.pack import canonical_parts
from terminology.regex import compiled
from terminology.store import schema, text, writer
from terminology.store.code_system import StoredSystem
from terminology.store.resource import map_ends, parents_of, records_of, system_info

FILE_NAME = "terminology.db"
_PRAGMAS = ("synchronous = NORMAL", "cache_size = -32000", "mmap_size = 1073741824")
_SYSTEM = (
    "SELECT id, url, version, name, content, case_sensitive, supplements, hierarchical, count, resource, preferred"
)
_decode_resource = msgspec.json.Decoder(float_hook=Decimal)

Json = dict[str, Any]


def _connect(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", timeout=60, isolation_level=None, check_same_thread=False)
    if path:
        use_write_ahead_log(connection)
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    connection.create_function("matches", 2, lambda pattern, text: compiled(pattern).matches(text), deterministic=True)
    return connection


class Store:
    """Code systems concept by concept; value sets, concept maps and small things whole.

    path None: in memory. Each thread has a connection of its own to a file, and all share the one to memory.
    late_texts: index the texts of a code system only when they are first searched.
    """

    def __init__(self, path: Path | None = None, late_texts: bool = False) -> None:
        self._path = path
        self._late_texts = late_texts
        self._without_texts: set[int] = set()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.RLock()
        self._memory = None if path else _connect(None)
        self._systems: dict[str, list[StoredSystem]] = {}
        self._seen = -1
        if path:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        schema.create(self.connection)

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of the calling thread."""
        if self._memory is not None:
            return self._memory
        try:
            return self._local.connection
        except AttributeError:
            connection = self._local.connection = _connect(self._path)
            self._opened.append(connection)
            return connection

    def close(self) -> None:
        """Closes all connections."""
        for connection in [*self._opened, *([self._memory] if self._memory else [])]:
            connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written inside takes effect, or nothing where it raises."""
        with self._lock:
            connection = self.connection
            with transaction(connection):
                yield connection

    @contextlib.contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """FhirError too-costly where queries inside take longer than this, all in all."""
        deadline = time.monotonic() + seconds
        connection = self.connection
        connection.set_progress_handler(lambda: time.monotonic() > deadline, 20_000)
        try:
            yield
        except sqlite3.OperationalError as failure:
            if "interrupted" not in str(failure):
                raise
            raise error("too-costly", f"This takes more than {seconds:g} seconds; ask for less.") from None
        finally:
            connection.set_progress_handler(None, 0)

    def generation(self) -> int:
        """A number that grows with every change; what was derived from the store before is outdated after."""
        found = self.connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()[0]
        if found != self._seen:
            self._systems = {}
            self._seen = found
        return found

    def put(self, resource: Json) -> None:
        """Stores a CodeSystem, ValueSet or ConceptMap with a url, in place of one with the same url and version."""
        type, url, version = resource["resourceType"], resource["url"], resource.get("version", "")
        if type == "CodeSystem":
            self.put_system(system_info(resource), records_of(resource), parents_of(resource))
            return
        with self.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?)", (type, url, version, writer.encoded(resource))
            )
            if type == "ConceptMap":
                connection.execute("DELETE FROM map_ends WHERE url = ? AND version = ?", (url, version))
                connection.executemany(
                    "INSERT INTO map_ends VALUES (?, ?, ?)", [(end, url, version) for end in map_ends(resource)]
                )
            writer.changed(connection)

    def put_system(self, info: SystemInfo, records: Iterable[Record], parents: Iterable[tuple[str, str]] = ()) -> None:
        """Stores a whole code system; parents: more of (code, code of its parent)."""
        with self.transaction() as connection:
            system = writer.write_system(connection, info, records, parents, not self._late_texts)
            if self._late_texts:
                self._without_texts.add(system)

    def ensure_texts(self, system: int) -> None:
        """Indexes the texts of a system that was stored without."""
        if system in self._without_texts:
            with self.transaction() as connection:
                if system in self._without_texts:
                    text.index_all(connection, system)
                    self._without_texts.discard(system)

    def remove(self, type: str, url: str, version: str = "") -> bool:
        """Removes a resource; whether there was one."""
        with self.transaction() as connection:
            if type == "CodeSystem":
                rows = connection.execute(
                    "SELECT id FROM code_systems WHERE url = ? AND version = ? AND ready", (url, version)
                ).fetchall()
                for (id,) in rows:
                    writer.remove_system(connection, id, 0 if id in self._without_texts else None)
                return bool(rows)
            if type == "ConceptMap":
                connection.execute("DELETE FROM map_ends WHERE url = ? AND version = ?", (url, version))
            found = connection.execute(
                "DELETE FROM resources WHERE type = ? AND url = ? AND version = ?", (type, url, version)
            )
            writer.changed(connection)
            return found.rowcount > 0

    def systems(self, url: str) -> list[StoredSystem]:
        """The versions of a code system that are here, the one to use where none is asked for first."""
        known = self._systems.get(url)
        if known is None:
            rows = self.connection.execute(
                f"{_SYSTEM} FROM code_systems WHERE url = ? AND ready AND content <> 'supplement'", (url,)
            ).fetchall()
            rows.sort(key=lambda row: (row[10], version_key(row[2])), reverse=True)
            known = self._systems[url] = [self._system(row) for row in rows]
        return known

    def _system(self, row: tuple[Any, ...]) -> StoredSystem:
        id, url, version, name, content, case_sensitive, supplements, hierarchical, count, resource, _ = row
        info = SystemInfo(
            url, version, name, content, bool(case_sensitive), supplements, _decode_resource.decode(resource)
        )
        return StoredSystem(self, id, info, bool(hierarchical), count)

    def supplements(self, url: str) -> list[StoredSystem]:
        """The supplements to a code system, whatever version of it they name."""
        key = f"supplements {url}"
        known = self._systems.get(key)
        if known is None:
            rows = self.connection.execute(
                f"{_SYSTEM} FROM code_systems WHERE content = 'supplement' AND ready"
            ).fetchall()
            known = [self._system(row) for row in rows if canonical_parts(row[6])[0] == url]
            self._systems[key] = known
        return known

    def has_supplement(self, url: str, version: str = "") -> bool:
        """Whether there is a supplement with this URL; version "" for any."""
        query = "SELECT 1 FROM code_systems WHERE url = ?1 AND ?2 IN ('', version) AND content = 'supplement' AND ready"
        return self.connection.execute(query, (url, version)).fetchone() is not None

    def all_systems(self) -> list[StoredSystem]:
        """Every code system, by url."""
        rows = self.connection.execute(f"{_SYSTEM} FROM code_systems WHERE ready ORDER BY url, version").fetchall()
        return [self._system(row) for row in rows]

    def resource(self, type: str, url: str, version: str = "") -> Json | None:
        """A ValueSet or ConceptMap; version "" for the newest."""
        rows = self.connection.execute(
            "SELECT version, body FROM resources WHERE type = ? AND url = ?", (type, url)
        ).fetchall()
        found = [row for row in rows if row[0] == version or not version]
        if not found:
            return None
        return _decode_resource.decode(max(found, key=lambda row: version_key(row[0]))[1])

    def maps(self, end: str) -> list[tuple[str, str]]:
        """(url, version) of the concept maps with this value set or code system as source or target."""
        return self.connection.execute("SELECT url, version FROM map_ends WHERE end = ?", (end,)).fetchall()

    def prefer(self, url: str, version: str) -> bool:
        """Makes a version the one that is used where none is asked for; whether it is here."""
        with self.transaction() as connection:
            connection.execute("UPDATE code_systems SET preferred = 0 WHERE url = ?", (url,))
            found = connection.execute(
                "UPDATE code_systems SET preferred = 1 WHERE url = ? AND version = ? AND ready", (url, version)
            )
            writer.changed(connection)
            return found.rowcount > 0


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts versions by their numbers: 2.9 before 2.10, 1.0.0 after 1.0.0-draft."""
    parts = version.replace("-", ".-").replace("/", ".").split(".")
    return (*((1, int(p), "") if p.isdecimal() else (-1, 0, p) for p in parts), (0, 0, ""))
