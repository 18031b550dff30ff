"""The seam of bulk jobs: work that outlives the worker that began it.

A job is a document and files. The embedded adapter keeps both in a folder (storage/files), the distributed one the
documents in MongoDB (storage/mongo/jobs); tests/contract/test_jobs.py runs over both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class JobStore(Protocol):
    """The jobs of one kind, known to every worker. id: [0-9A-Za-z-]{1,64}; a name: [0-9A-Za-z.-]{1,80}."""

    async def create(self, id: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keeps a new job and the files that it begins with; it is this worker's until it was held.

        FileExistsError where there is one with this id.
        """
        ...

    async def save(self, id: str, document: bytes) -> bool:
        """Keeps how far a job has got and what was written to its files with it, at once or not at all.

        False where the job was deleted meanwhile, or another worker has taken it up.
        """
        ...

    async def find(self, id: str) -> bytes | None:
        """A job's document, None where there is none."""
        ...

    async def all(self) -> list[bytes]:
        """The document of every job."""
        ...

    async def delete(self, id: str) -> None:
        """Forgets a job and its files; whoever works on it notices at the next save."""
        ...

    def held(self, id: str) -> AbstractAsyncContextManager[bool]:
        """Whether the job is this worker's while the context lasts; one whose worker is gone can be held by another."""
        ...

    async def write(self, id: str, name: str, at: int, data: bytes) -> None:
        """Puts bytes into a file after its first `at` bytes, its length at the last save; they count with the next.

        FileNotFoundError may be raised where the job was deleted meanwhile.
        """
        ...

    def read(self, id: str, name: str, at: int = 0) -> AsyncIterator[bytes]:
        """A file's bytes as of the last save, from `at` on, in pieces; nothing where there is no such file."""
        ...
