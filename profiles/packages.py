"""FHIR packages, installed from files into one SQLite store and read from it resource by resource.

Only conformance resources (those with a url) are kept. `url|version` names one; a url alone names the newest.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from fhir_server.codec import json as codec
from fhir_server.core.errors import error
from fhir_server.core.write_ahead import use_write_ahead_log
from profiles.archive import Manifest, read_package

Json = dict[str, Any]
Receiver = Callable[[Json], object]

FILE_NAME = "packages.sqlite"
FHIR_VERSION = "4.0"
TERMINOLOGY = ("CodeSystem", "ValueSet", "ConceptMap")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS package (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, manifest BLOB NOT NULL, UNIQUE (name, version)
);
CREATE TABLE IF NOT EXISTS conformance (
    package INTEGER NOT NULL REFERENCES package (id) ON DELETE CASCADE,
    type TEXT NOT NULL, url TEXT NOT NULL, version TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (url, type, version, package)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS conformance_package ON conformance (package);
"""


class Package(NamedTuple):
    """An installed package: resources counts what was kept, missing names dependencies that are not installed."""

    name: str
    version: str
    title: str
    resources: int
    missing: tuple[str, ...]


class PackageStore:
    """The installed packages of a data folder; path None keeps them in memory. Safe to use from several threads."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA foreign_keys = ON")
        if path is not None:
            use_write_ahead_log(self._connection)
            self._connection.execute("PRAGMA busy_timeout = 30000")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def generation(self) -> int:
        """A number that changes with every installation and removal, in any process."""
        with self._lock:
            return self._connection.execute("PRAGMA user_version").fetchone()[0]

    def install(self, source: Path | bytes, receiver: Receiver | None = None) -> Package:
        """Installs a package, in place of the same name and version; receiver gets each terminology resource.

        FhirError malformed, too-large or unprocessable, with nothing kept, where it can't be used.
        """
        manifest, files = read_package(source)
        if manifest.fhir_versions and not any(version.startswith(FHIR_VERSION) for version in manifest.fhir_versions):
            versions = ", ".join(manifest.fhir_versions)
            raise error("unprocessable", f"{manifest.name} is for FHIR {versions}; this server speaks 4.0.1.")
        rows, terminology = [], []
        pack = zstandard.ZstdCompressor(level=6).compress
        for file, content in files:
            resource = _conformance(file, content)
            if resource is not None:
                key = resource["resourceType"], resource["url"], str(resource.get("version", manifest.version))
                rows.append((*key, str(resource.get("name", "")), pack(content)))
                if receiver is not None and key[0] in TERMINOLOGY:
                    terminology.append(resource)
        if not rows:
            raise error("unprocessable", f"The package {manifest.name} has no conformance resources.")
        for resource in terminology:
            receiver(resource)  # type: ignore[misc]
        self._write(manifest, rows)
        return next(p for p in self.installed() if (p.name, p.version) == (manifest.name, manifest.version))

    def _write(self, manifest: Manifest, rows: list[tuple[Any, ...]]) -> None:
        with self._lock, self._transaction() as connection:
            connection.execute("DELETE FROM package WHERE name = ? AND version = ?", (manifest.name, manifest.version))
            cursor = connection.execute(
                "INSERT INTO package (name, version, manifest) VALUES (?, ?, ?)",
                (manifest.name, manifest.version, msgspec.msgpack.encode(manifest._asdict())),
            )
            connection.executemany(
                "INSERT OR REPLACE INTO conformance (package, type, url, version, name, body) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(cursor.lastrowid, *row) for row in rows],
            )

    def remove(self, name: str, version: str = "") -> int:
        """Removes a package, all its versions where none is named. Returns how many were there."""
        with self._lock, self._transaction() as connection:
            where, values = ("name = ? AND version = ?", (name, version)) if version else ("name = ?", (name,))
            return connection.execute(f"DELETE FROM package WHERE {where}", values).rowcount

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection)

    def installed(self) -> list[Package]:
        """What is installed, by name and version."""
        with self._lock:
            found = self._connection.execute(
                "SELECT name, version, manifest, (SELECT count(*) FROM conformance WHERE package = package.id) "
                "FROM package ORDER BY name, version"
            ).fetchall()
        names = {name for name, *_ in found}
        packages = []
        for name, version, packed, count in found:
            manifest = msgspec.msgpack.decode(packed)
            needed = (f"{n}#{v}" for n, v in manifest["dependencies"].items() if n not in names and n not in SHIPPED)
            packages.append(Package(name, version, manifest["title"], count, tuple(needed)))
        return packages

    def find(self, type: str, canonical: str) -> Json | None:
        """The resource behind a canonical URL, `url` or `url|version`; None where no package has it."""
        url, _, version = canonical.partition("|")
        try:
            with self._lock:
                found = self._connection.execute(
                    "SELECT version, body FROM conformance WHERE url = ? AND type = ?", (url, type)
                ).fetchall()
        except UnicodeEncodeError:  # half of a surrogate pair is in no URL that could be installed
            return None
        if version:
            found = [row for row in found if row[0] == version or row[0].startswith(version + ".")]
        if not found:
            return None
        _, body = max(found, key=lambda row: version_key(row[0]))
        return codec.parse(zstandard.decompress(body))

    def kinds(self, url: str) -> list[str]:
        """The types of the resources that packages have by this canonical URL, in any version."""
        try:
            with self._lock:
                found = self._connection.execute(
                    "SELECT DISTINCT type FROM conformance WHERE url = ?", (url,)
                ).fetchall()
        except UnicodeEncodeError:  # as in find()
            return []
        return [type for (type,) in found]

    def brought(self, name: str, version: str, types: Sequence[str]) -> list[Json]:
        """The resources of these types that a package brought; [] where it is not installed."""
        marks = ", ".join("?" * len(types))
        query = (
            "SELECT body FROM conformance JOIN package ON package.id = conformance.package "
            f"WHERE package.name = ? AND package.version = ? AND type IN ({marks})"
        )
        with self._lock:
            found = self._connection.execute(query, (name, version, *types)).fetchall()
        return [codec.parse(zstandard.decompress(body)) for (body,) in found]

    def urls(self, type: str) -> Iterator[tuple[str, str, str]]:
        """(url, version, name) of every installed resource of a type."""
        with self._lock:
            query = "SELECT url, version, name FROM conformance WHERE type = ? ORDER BY url, version"
            found = self._connection.execute(query, (type,)).fetchall()
        yield from found

    def resources(self, type: str) -> Iterator[Json]:
        """Every installed resource of a type, read one by one."""
        for url, version, _ in self.urls(type):
            found = self.find(type, f"{url}|{version}")
            if found is not None:
                yield found


SHIPPED = frozenset({"hl7.fhir.r4.core", "hl7.terminology.r4"})  # packages whose content comes with the server


class _Transaction:
    """A write transaction that counts up the generation."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> sqlite3.Connection:
        self._connection.execute("BEGIN IMMEDIATE")
        return self._connection

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            if self._connection.in_transaction:  # a full disk has SQLite undo it by itself
                self._connection.execute("ROLLBACK")
            return
        [(generation,)] = self._connection.execute("PRAGMA user_version").fetchall()
        self._connection.execute(f"PRAGMA user_version = {int(generation) + 1}")
        self._connection.execute("COMMIT")


def _conformance(file: str, content: bytes) -> Json | None:
    """The resource in a file, None where it is none that has a url."""
    try:
        resource = codec.parse(content)
    except Exception as broken:
        raise error("malformed", f"{file[:100]} in the package is no JSON: {broken}") from None
    if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
        return None
    url = resource.get("url")
    return resource if isinstance(url, str) and url else None


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which versions sort: numbers as numbers, a release after its previews."""
    release, _, preview = version.partition("-")
    parts = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"\.", release)]
    return (*parts, (2, 0, "") if not preview else (0, 0, preview))
