"""What a backup folder holds: whole copies of the store, the changes after each, and the files beside it.

backup.json                     what is there, with the digest of each file; written last: what it names is whole
base-000000001234-….sqlite.zst  the store as it was at change 1234 of its feed
changes-000000001235.ndjson.zst every change from 1235 on, a line each, up to the one that backup.json names
beside/                         the newest copies of the other databases and files of the data folder
backup.lock                     held by who adds something
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO

import msgspec
import zstandard

from fhir_server.core import flushing
from fhir_server.core.errors import FhirError, error

MANIFEST = "backup.json"
BESIDE = "beside"
LOCK = "backup.lock"
LOOK = 0.1  # seconds between two looks whether another backup has ended
LEFT = ("*.tmp", "*.part")  # what is on its way, and stays where its backup is killed
CHUNK = 2**20


class Base(msgspec.Struct, frozen=True):
    """A whole copy: head is the position of its newest change, updated that change's time in microseconds."""

    name: str
    head: int
    updated: int
    sha256: str


class Segment(msgspec.Struct, frozen=True):
    """So many changes after one position until another; updated is the time of the last one in microseconds."""

    name: str
    after: int
    until: int
    changes: int
    updated: int
    sha256: str


class Beside(msgspec.Struct, frozen=True):
    """A file of the data folder: its path in it, when it had changed (nanoseconds), the digest and name of its copy."""

    path: str
    changed: int
    sha256: str
    name: str = ""

    @property
    def copy(self) -> str:
        """The path of its copy; former versions of this program put a new one over the old."""
        return f"{BESIDE}/{self.name or f'{self.path}.zst'}"


class Manifest(msgspec.Struct):
    """What a backup folder holds, oldest first. The segments follow one another from the first base on.

    id: the name by which the store knows this backup: a consumer of its change feed.
    """

    id: str
    format: int = 1
    bases: list[Base] = []
    segments: list[Segment] = []
    beside: list[Beside] = []

    @property
    def consumer(self) -> str:
        """What the store calls this backup among those that follow its feed."""
        return f"backup:{self.id}"

    @property
    def until(self) -> int:
        """The position up to which every change is in the backup, 0 for none."""
        if self.segments:
            return self.segments[-1].until
        return self.bases[0].head if self.bases else 0


class BackupFolder:
    """A folder of backups; every file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Manifest:
        """What is there, nothing for a new folder; FhirError "value" where it is no backup folder."""
        try:
            manifest = msgspec.json.decode((self.path / MANIFEST).read_bytes(), type=Manifest)
        except FileNotFoundError:
            if self.path.exists() and any(each.name != LOCK for each in self.path.iterdir()):
                raise error(
                    "value",
                    f"{self.path} has files but no {MANIFEST}: name a new folder or one of `hms backup`. Where a first "
                    "backup was broken off in it, empty it.",
                ) from None
            return Manifest(secrets.token_hex(8))
        except (OSError, msgspec.DecodeError) as problem:
            raise error("value", f"{self.path / MANIFEST} can't be read: {problem}.") from problem
        if manifest.format != 1:
            raise error("value", f"{self.path} was made by a later version of this program (format {manifest.format}).")
        return manifest

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Manifest]:
        """What is there, while nobody else adds to it; another backup is waited for, and what one that was killed has
        left on its way is removed. FhirError "value" as of read, "unavailable" where it can't be written."""
        self.read()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / LOCK).open("ab")
        except OSError as problem:
            raise _unwritable(self.path, problem) from problem
        with lock:
            while not _taken(lock):
                await asyncio.sleep(LOOK)
            await asyncio.to_thread(self._tidy)
            yield self.read()

    def _tidy(self) -> None:
        for pattern in LEFT:
            for path in [*self.path.rglob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def forget(self, manifest: Manifest) -> None:
        """Removes copies of files beside the store that the manifest, which is written, does not name any more."""
        named = {self.path / each.copy for each in manifest.beside}
        for path in [*(self.path / BESIDE).rglob("*.zst")]:
            if path not in named:
                path.unlink(missing_ok=True)

    def write(self, manifest: Manifest) -> None:
        """Keeps what is there now."""
        with whole_file(self.path / MANIFEST) as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))

    def pack(self, name: str, chunks: Iterator[bytes]) -> str:
        """Writes a compressed file; gives its SHA-256."""
        with whole_file(self.path / name) as file:
            digest = _Digest(file)
            compressor = zstandard.ZstdCompressor(level=3).compressobj()
            for chunk in chunks:
                digest.write(compressor.compress(chunk))
            digest.write(compressor.flush())
        return digest.sha256

    def require_whole(self, name: str, sha256: str) -> None:
        """FhirError "value" where a packed file is not as it was written."""
        try:
            with (self.path / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256")
        except OSError as problem:
            raise self._damaged(name, str(problem)) from problem
        if found.hexdigest() != sha256:
            raise self._damaged(name, "its digest is not the one that was written down")

    def unpack(self, name: str, sha256: str) -> Iterator[bytes]:
        """A packed file's content; FhirError "value" at its end where the file is not as it was written."""
        found = hashlib.sha256()
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        try:
            with (self.path / name).open("rb") as file:
                while chunk := file.read(CHUNK):
                    found.update(chunk)
                    yield decompressor.decompress(chunk)
        except (OSError, zstandard.ZstdError) as problem:
            raise self._damaged(name, str(problem)) from problem
        if found.hexdigest() != sha256:
            raise self._damaged(name, "its digest is not the one that was written down")

    @contextmanager
    def room(self) -> Iterator[Path]:
        """A folder in it for what is on its way; gone at the end."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.path, suffix=".tmp") as room:
                yield Path(room)
        except OSError as problem:
            raise _unwritable(self.path, problem) from problem
        except sqlite3.OperationalError as problem:
            if not problem.sqlite_errorname.startswith("SQLITE_FULL"):
                raise
            raise error("unavailable", f"{self.path} can't be written: its disk is full.") from problem

    def _damaged(self, name: str, why: str) -> FhirError:
        return error(
            "value",
            f"{self.path / name} is damaged: {why}. Restore to a moment before it (--at), or from another copy.",
        )


class _Digest:
    """Writes to a file and takes the digest of what it wrote."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._found = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self._found.update(chunk)
        self._file.write(chunk)

    @property
    def sha256(self) -> str:
        return self._found.hexdigest()


def content(path: Path) -> Iterator[bytes]:
    """A file's bytes, piece by piece."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that appears under its name whole and flushed, or not at all; FhirError "unavailable"."""
    try:
        with flushing.whole_file(path) as file:
            yield file
    except OSError as problem:
        raise _unwritable(path, problem) from problem


def write_file(path: Path, chunks: Iterator[bytes]) -> None:
    """Writes a file piece by piece, whole or not at all."""
    with whole_file(path) as file:
        for chunk in chunks:
            file.write(chunk)


def _unwritable(path: Path, problem: OSError) -> FhirError:
    return error("unavailable", f"{path} can't be written: {problem.strerror or problem}.")


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
