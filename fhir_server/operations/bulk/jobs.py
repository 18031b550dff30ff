"""Jobs of export and import on disk: a folder each, with what was asked, how far it has got, and the files.

A worker that works on a job holds a lock on a file of it, which ends with the worker: then another takes the job up
where it stood.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fhir_server.operations.bulk.asked import Asked

JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")
FILE = re.compile(r"[A-Za-z]{1,60}\.[0-9]{1,6}\.ndjson\Z")


class Part(msgspec.Struct):
    """One file: the type of its resources, how many, how many bytes. kind: output | deleted."""

    name: str
    type: str
    count: int = 0
    size: int = 0
    kind: str = "output"


class Job(msgspec.Struct, kw_only=True):
    """state: running | done | failed; moment: microseconds, of which it shows the data; url: the request's.

    access: what the caller's token said, None for an open caller; resumable: whether another worker can take it up.
    at: how many types are done; cursor: within the next one; patients_at: how many of the patients' portions.
    """

    id: str
    url: str
    asked: Asked
    moment: int
    owner: str = ""
    access: dict[str, Any] | None = None
    resumable: bool = True
    state: str = "running"
    problem: str = ""
    at: int = 0
    portion: int = 0
    cursor: str = ""
    parts: list[Part] = []
    finished: int = 0


class Jobs:
    """The jobs in a folder; kind: the Struct that they are kept as."""

    def __init__(self, folder: Path, kind: Any = Job) -> None:
        self._folder = folder
        self._kind = kind

    def path(self, job: Any, name: str) -> Path:
        """Where a file of a job is."""
        return self._folder / job.id / name

    def create(self, job: Any) -> None:
        """Keeps a new job."""
        (self._folder / job.id).mkdir(parents=True)
        self.save(job)

    def save(self, job: Any) -> bool:
        """Keeps how far a job has got, at once or not at all; False where it was deleted meanwhile."""
        folder = self._folder / job.id
        try:
            new = folder / "job.new"
            new.write_bytes(msgspec.json.encode(job))
            new.replace(folder / "job.json")
        except FileNotFoundError:
            return False
        return True

    def find(self, id: str) -> Any | None:
        """A job, None where there is none."""
        if not JOB_ID.match(id):
            return None
        try:
            return msgspec.json.decode((self._folder / id / "job.json").read_bytes(), type=self._kind)
        except FileNotFoundError:
            return None

    def all(self) -> list[Any]:
        """Every job."""
        names = sorted(entry.name for entry in self._folder.glob("*")) if self._folder.exists() else []
        return [job for name in names if (job := self.find(name)) is not None]

    def delete(self, id: str) -> None:
        """Forgets a job and its files; whoever works on it notices and ends."""
        shutil.rmtree(self._folder / id, ignore_errors=True)

    def file(self, job: Any, name: str) -> Path | None:
        """The path of a file of a job; None where it has none of that name."""
        known = FILE.match(name) and any(part.name == name for part in job.parts)
        return self._folder / job.id / name if known else None

    @contextlib.contextmanager
    def held(self, id: str) -> Iterator[bool]:
        """Whether the job is this worker's while the context lasts."""
        try:
            lock = os.open(self._folder / id / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            yield False
            return
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)
