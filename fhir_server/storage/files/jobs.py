"""`JobStore` in a folder that the workers of one machine share: a folder for each job, with its document and files.

A worker that works on a job holds a lock on a file of it, which ends with the worker. What there is no room for is
FhirError "no-store".
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fhir_server.core.errors import FhirError
from fhir_server.core.full_disk import telling_of_a_full_disk

PIECE = 2**20  # bytes that are read together
DOCUMENT, LOCK = "job.json", "lock"


class FolderJobs:
    """See the port `JobStore`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: dict[str, int] = {}  # of jobs that were created here and not held yet

    async def create(self, id: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keeps a new job and the files that it begins with."""
        with telling_of_a_full_disk():
            (self._folder / id).mkdir(parents=True)
        try:
            with telling_of_a_full_disk():
                lock = self._lock(id)
            if lock is None:
                raise FileExistsError(id)  # it was taken up by another that found it there
            self._locks[id] = lock
            for name, data in files.items():
                await self.write(id, name, 0, data)
            await self.save(id, document)
        except FhirError:
            if (lock := self._locks.pop(id, None)) is not None:
                os.close(lock)
            await self.delete(id)
            raise

    async def save(self, id: str, document: bytes) -> bool:
        """Keeps how far a job has got."""
        new = self._folder / id / "job.new"
        try:
            with telling_of_a_full_disk():
                new.write_bytes(document)
                new.replace(self._folder / id / DOCUMENT)
        except FileNotFoundError:
            return False
        return True

    async def find(self, id: str) -> bytes | None:
        """A job's document."""
        try:
            return (self._folder / id / DOCUMENT).read_bytes()
        except FileNotFoundError:
            return None

    async def all(self) -> list[bytes]:
        """The document of every job."""
        names = sorted(entry.name for entry in self._folder.glob("*"))
        return [document for name in names if (document := await self.find(name)) is not None]

    async def delete(self, id: str) -> None:
        """Forgets a job and its files; the document goes last, so that one that was broken off is found again."""
        await asyncio.to_thread(_remove, self._folder / id)

    @asynccontextmanager
    async def held(self, id: str) -> AsyncIterator[bool]:
        """Whether the job is this worker's while the context lasts."""
        lock = self._locks.pop(id, None)
        if lock is None:
            lock = self._lock(id)
        if lock is None:
            yield False
            return
        try:
            yield True
        finally:
            os.close(lock)

    def _lock(self, id: str) -> int | None:
        """A lock on a job, None where another has it or the job is gone."""
        try:
            lock = os.open(self._folder / id / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock

    async def write(self, id: str, name: str, at: int, data: bytes) -> None:
        """Puts bytes into a file; more may be there of a worker that did not get on."""
        with telling_of_a_full_disk():
            await asyncio.to_thread(self._write, self._folder / id / name, at, data)

    @staticmethod
    def _write(path: Path, at: int, data: bytes) -> None:
        with path.open("r+b" if at else "wb") as file:
            file.truncate(at)
            file.seek(at)
            file.write(data)

    async def read(self, id: str, name: str, at: int = 0) -> AsyncIterator[bytes]:
        """A file's bytes in pieces."""
        with contextlib.suppress(FileNotFoundError), (self._folder / id / name).open("rb") as file:
            file.seek(at)
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece


def _remove(folder: Path) -> None:
    for path in folder.glob("*"):
        if path.name not in (DOCUMENT, LOCK):
            path.unlink(missing_ok=True)
    shutil.rmtree(folder, True)
