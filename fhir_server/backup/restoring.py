"""The way back: a whole copy unpacked, and the changes after it applied again up to a moment."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from fhir_server.api import FhirServer
from fhir_server.backup.folder import BackupFolder, Base, Manifest, Segment, write_file
from fhir_server.backup.taking import NOTHING, Line
from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.core.flushing import flush
from fhir_server.core.keys import instant
from fhir_server.core.ports import Transaction, Write
from fhir_server.storage.sqlite.database import FILE_NAME, RESTORING

GROUP = 500  # changes in one commit


class Restored(NamedTuple):
    """What a restore did: changes applied on top of the whole copy, and the time of the last one in microseconds."""

    changes: int
    updated: int


async def restore(
    folder: BackupFolder, data: Path, start: Callable[[], Awaitable[FhirServer]], at: int | None = None
) -> Restored:
    """Makes a data folder as the store was at a moment, in microseconds; None for the latest that the backup has.

    start opens a server on the new data folder, which is half restored then. FhirError "value" where data holds a store
    already, where the moment is before the backup begins, and where a file that is needed is damaged. Where it fails it
    leaves no store; what one that was killed has left is marked as half a store, and made anew.
    """
    manifest = folder.read()
    base = _base(manifest, folder, at)
    _require_new(data)
    needed = [segment for segment in manifest.segments if _is_needed(segment, manifest, base.head, at)]
    await asyncio.to_thread(_require_whole, folder, needed)  # first: half of a restore would look like a store
    mark = data / RESTORING
    with _marked(mark):
        try:
            _remove_store(data)
            await asyncio.to_thread(_unpack, folder, manifest, base, data)
            done = await _brought_on(manifest, base, _lines(folder, needed, base.head, at), start)
        except BaseException:
            _remove_store(data)
            mark.unlink(missing_ok=True)
            raise
        mark.unlink()
        flush(data)
    return done


def _require_new(data: Path) -> None:
    if (data / FILE_NAME).exists() and not (data / RESTORING).exists():
        raise error("value", f"There is a store in {data.resolve()} already; restore into a new folder.")


def _marked(mark: Path) -> IO[bytes]:
    """Marks a folder, made where it is missing, as half a store of this restore alone, for as long as the file is open.

    FhirError "unavailable" while another restore makes it, or where it can't be written.
    """
    data = mark.parent
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):  # another's, which runs or was killed
            os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _require_new_behind(mark)
        held = mark.open("rb")
    except FileNotFoundError:  # the other one has ended just now
        raise _taken(data) from None
    except OSError as problem:
        raise error("unavailable", f"{data} can't be written: {problem.strerror}.") from problem
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(held.fileno()), mark.stat()):
            flush(data)
            return held
    except (BlockingIOError, FileNotFoundError):
        pass
    held.close()
    raise _taken(data)


def _require_new_behind(mark: Path) -> None:
    """For a mark that was made just now: a store that another restore finished meanwhile is not made anew."""
    if (mark.parent / FILE_NAME).exists():
        mark.unlink()
        _require_new(mark.parent)


def _taken(data: Path) -> FhirError:
    return error("unavailable", f"Another restore makes {data.resolve()}; wait for it, or name another folder.")


def _remove_store(data: Path) -> None:
    for left in data.glob(f"{FILE_NAME}*"):
        if left.name != RESTORING:
            left.unlink()


async def _brought_on(
    manifest: Manifest, base: Base, lines: Iterator[Line], start: Callable[[], Awaitable[FhirServer]]
) -> Restored:
    server = await start()
    try:
        done = await _apply(server, lines, Restored(0, base.updated))
        await server.environment.feed.advance(manifest.consumer, 0)
        if server.settings.encryption_keys:
            await server.reindex()  # an encrypted store's copy has no index
    finally:
        await server.close()
    return done


def _base(manifest: Manifest, folder: BackupFolder, at: int | None) -> Base:
    if not manifest.bases:
        raise error("not-found", f"There is no backup in {folder.path.resolve()}.")
    usable = [base for base in manifest.bases if at is None or base.updated <= at]
    if not usable:
        earliest = instant(min(base.updated for base in manifest.bases))
        raise error("value", f"The backup begins at {earliest}; it can't restore an earlier moment.")
    return usable[-1]


def _unpack(folder: BackupFolder, manifest: Manifest, base: Base, data: Path) -> None:
    for file in manifest.beside:
        write_file(data / file.path, folder.unpack(file.copy, file.sha256))
    write_file(data / FILE_NAME, folder.unpack(base.name, base.sha256))


def _is_needed(segment: Segment, manifest: Manifest, after: int, at: int | None) -> bool:
    """Whether it has changes after a position and up to a moment."""
    if segment.until <= after:
        return False
    before = [each.updated for each in manifest.segments if each.until <= segment.after]
    return at is None or not before or before[-1] <= at


def _require_whole(folder: BackupFolder, segments: Sequence[Segment]) -> None:
    for segment in segments:
        folder.require_whole(segment.name, segment.sha256)


def _lines(folder: BackupFolder, segments: Sequence[Segment], after: int, at: int | None) -> Iterator[Line]:
    for segment in segments:
        content = b"".join(folder.unpack(segment.name, segment.sha256))
        for text in content.splitlines():
            line = msgspec.json.decode(text, type=Line)
            if at is not None and line.updated > at:
                return
            if line.seq > after:
                yield line


async def _apply(server: FhirServer, lines: Iterator[Line], done: Restored) -> Restored:
    async for group in _groups(lines):

        async def work(transaction: Transaction, group: list[Line] = group) -> None:
            for line in group:
                await _put(server, transaction, line)

        await server.environment.store.commit(work)
        done = Restored(done.changes + len(group), group[-1].updated)
    return done


async def _put(server: FhirServer, transaction: Transaction, line: Line) -> None:
    if line.method == "ERASE":
        await transaction.erase(line.type, line.id)
        return
    body = b"" if line.body == NOTHING else _opened(server, bytes(line.body))
    values = []
    if body:
        searching = await server.environment.searching_in(transaction)
        values = searching.extract(decode(body))
    await transaction.put(Write(line.type, line.id, line.version, line.updated, line.method, body, values))


def _opened(server: FhirServer, body: bytes) -> bytes:
    """A body that came sealed, b"" where its key is destroyed; FhirError "value" without keys."""
    if not body.startswith(b'"'):
        return body
    keys = getattr(server.environment.store, "keys", None)
    if keys is None:
        raise error("value", "The backup is encrypted: name the file of its master key by encryption_keys.")
    return keys.open(base64.b64decode(body)) or b""


async def _groups(lines: Iterator[Line]) -> AsyncIterator[list[Line]]:
    """GROUP lines at once, read and unpacked beside the event loop."""

    def some() -> list[Line]:
        return [line for _, line in zip(range(GROUP), lines, strict=False)]

    while group := await asyncio.to_thread(some):
        yield group
