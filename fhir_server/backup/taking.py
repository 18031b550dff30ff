"""A backup of the embedded store beside a running server: a whole copy first, then what has changed since."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.api import FhirServer
from fhir_server.backup.folder import BESIDE, BackupFolder, Base, Beside, Manifest, Segment, content
from fhir_server.bootstrap import opened_audit
from fhir_server.core.errors import error
from fhir_server.core.ports import Change
from fhir_server.core.settings import Settings
from fhir_server.security.audit import FILE_NAME as AUDIT_FILE
from fhir_server.storage.sqlite.database import FILE_NAME
from fhir_server.storage.sqlite.schema import INDEX_TABLES

PAGE = 1000  # changes read at once
SEGMENT = 100_000  # changes in one file
NOTHING = msgspec.Raw(b"null")
NEVER = ("keys.sqlite", ".part", "-wal", "-shm", "-journal", ".lock", ".tmp")


class Line(msgspec.Struct):
    """A change in a backup; body null for a deletion, an erasure, and a version that was erased later."""

    seq: int
    type: str
    id: str
    version: int
    method: str
    updated: int
    body: msgspec.Raw = NOTHING


class Taken(NamedTuple):
    """What one backup wrote: a whole copy or not, how many changes, the position that it reaches."""

    whole: bool
    changes: int
    until: int


async def back_up(server: FhirServer, folder: BackupFolder, *, whole: bool = False) -> Taken:
    """Adds what the folder lacks. whole: also a copy of the whole store, so that a restore has fewer changes to apply.

    Two backups into one folder come one after the other. A folder that holds another store's backup is refused with
    FhirError "value".
    """
    async with folder.alone() as manifest:
        return await _back_up(server, folder, manifest, whole)


async def _back_up(server: FhirServer, folder: BackupFolder, manifest: Manifest, whole: bool) -> Taken:
    feed = server.environment.feed
    if manifest.until and not await feed.position(manifest.consumer):
        raise error(
            "value",
            f"{folder.path} holds the backup of another store, or of this one before a restore; name a new folder.",
        )
    begun, whole = manifest.until, whole or not manifest.bases
    if manifest.bases:
        async for segment in _segments(server, folder, begun):
            manifest.segments.append(segment)
    if whole:
        sealed = bool(server.settings.encryption_keys)
        base = await asyncio.to_thread(_base, server.settings.data / FILE_NAME, folder, sealed)
        manifest.bases.append(base)
    if (server.settings.data / AUDIT_FILE).exists():
        await asyncio.to_thread(_take_in_events, server.settings)
    await asyncio.to_thread(_beside, server.settings.data, folder, manifest)
    if manifest.until > begun:  # before it is written down: the store must know every backup that there is
        await feed.advance(manifest.consumer, manifest.until)
    folder.write(manifest)
    await asyncio.to_thread(folder.forget, manifest)
    return Taken(whole, sum(segment.changes for segment in manifest.segments if segment.after >= begun), manifest.until)


def _base(path: Path, folder: BackupFolder, sealed: bool) -> Base:
    """A whole copy; of an encrypted store without the search index, which is not: a restore makes it anew."""
    with folder.room() as room:
        copy = room / FILE_NAME
        copy_database(path, copy)
        if sealed:
            with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
                for table in (*INDEX_TABLES, "narrative", "term", "unit", "system"):
                    connection.execute(f"DELETE FROM {table}")
                connection.execute("VACUUM")
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            newest = connection.execute("SELECT seq, updated FROM version ORDER BY seq DESC LIMIT 1").fetchone()
        head, updated = newest or (0, 0)
        name = f"base-{head:012}-{secrets.token_hex(2)}.sqlite.zst"
        return Base(name, head, updated, folder.pack(name, content(copy)))


def copy_database(path: Path, copy: Path) -> None:
    """A consistent copy of an SQLite file that others write to meanwhile."""
    with (
        contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


async def _segments(server: FhirServer, folder: BackupFolder, after: int) -> AsyncIterator[Segment]:
    while True:
        changes: list[Change] = []
        lines: list[bytes] = []
        while len(changes) < SEGMENT:
            page = await server.changes(changes[-1].seq if changes else after, PAGE)
            for change in page:
                lines.append(msgspec.json.encode(await _line(server, change)) + b"\n")
            changes += page
            if len(page) < PAGE:
                break
        if not changes:
            return
        name, until = f"changes-{changes[0].seq:012}.ndjson.zst", changes[-1].seq
        sha256 = await asyncio.to_thread(folder.pack, name, iter(lines))
        yield Segment(name, after, until, len(changes), changes[-1].updated, sha256)
        after = until


def _as_json(body: bytes) -> msgspec.Raw:
    """A body as it is, one that is sealed as base64."""
    return msgspec.Raw(body if body.startswith(b"{") else b'"' + base64.b64encode(body) + b'"')


async def _line(server: FhirServer, change: Change) -> Line:
    version = None
    if change.version:
        store: Any = server.environment.store
        read = getattr(store, "sealed", store.read_version)  # an encrypted store's backup is encrypted, too
        version = await read(change.type, change.id, change.version)
    body = _as_json(version.body) if version and version.body else NOTHING
    return Line(change.seq, change.type, change.id, change.version, change.method, change.updated, body)


def _take_in_events(settings: Settings) -> None:
    """So that the events of all that the backup has are in its copy of the audit log."""
    with opened_audit(settings) as log:
        log.take_in()


def _beside(data: Path, folder: BackupFolder, manifest: Manifest) -> None:
    """Copies of what is new or has changed; each under a name of its own, so that those which the written manifest
    names stay as they are until the next one is.

    What is gone from the data folder, such as an export with something of an erased record, is in the backup no more.
    """
    known = {each.path: each for each in manifest.beside}
    there: list[Beside] = []
    for path in _others(data):
        name = path.relative_to(data).as_posix()
        changed = max(_changed(path), _changed(path.with_name(path.name + "-wal")))
        if name not in known or known[name].changed != changed:
            copy = f"{name}.{secrets.token_hex(4)}.zst"
            try:
                known[name] = Beside(name, changed, _copy(path, folder, f"{BESIDE}/{copy}"), copy)
            except FileNotFoundError:  # gone since the folder was looked through
                continue
        there.append(known[name])
    manifest.beside = there


def _changed(path: Path) -> int:
    """When a file was changed, in nanoseconds; 0 where it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _copy(path: Path, folder: BackupFolder, name: str) -> str:
    if not _is_database(path):
        return folder.pack(name, content(path))
    with folder.room() as room:
        copy_database(path, room / path.name)
        return folder.pack(name, content(room / path.name))


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _others(data: Path) -> Iterator[Path]:
    for path in sorted(data.rglob("*")):
        if path.is_file() and path != data / FILE_NAME and not path.name.endswith(NEVER):
            yield path
