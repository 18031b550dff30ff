"""Jobs of export and import: what was asked, how far it has got, and the files, over the port `JobStore`."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

import msgspec

from fhir_server.core.jobs import JobStore
from fhir_server.operations.bulk.asked import Asked

JOB_ID = re.compile(r"[0-9A-Za-z-]{1,64}\Z")
LONGEST_LINE = 64 * 2**20  # bytes


class Part(msgspec.Struct):
    """One file: the type of its resources, how many, how many bytes. kind: output | deleted."""

    name: str
    type: str
    count: int = 0
    size: int = 0
    kind: str = "output"


class Job(msgspec.Struct, kw_only=True):
    """state: running | done | failed; moment: microseconds, of which it shows the data; url: the request's; base: the
    server's own base URL as the request has it.

    access: what the caller's token said, None for an open caller; purpose: BTG where it was begun in an emergency;
    resumable: whether another worker can take it up.
    at: how many types are done; cursor: within the next one; patients_at: how many of the patients' portions.
    """

    id: str
    url: str
    asked: Asked
    moment: int
    base: str = ""
    owner: str = ""
    access: dict[str, Any] | None = None
    purpose: str = ""
    resumable: bool = True
    state: str = "running"
    problem: str = ""
    at: int = 0
    portion: int = 0
    cursor: str = ""
    parts: list[Part] = []
    finished: int = 0


class Jobs:
    """The jobs of a store; kind: the Struct that they are kept as."""

    def __init__(self, store: JobStore, kind: Any = Job) -> None:
        self._store = store
        self._kind = kind
        self.held = store.held

    async def create(self, job: Any, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Keeps a new job and the files that it begins with."""
        await self._store.create(job.id, msgspec.json.encode(job), files)

    async def save(self, job: Any) -> bool:
        """Keeps how far a job has got; False where it was deleted meanwhile, or is another worker's by now."""
        return await self._store.save(job.id, msgspec.json.encode(job))

    async def find(self, id: str) -> Any | None:
        """A job, None where there is none."""
        document = await self._store.find(id) if JOB_ID.match(id) else None
        return msgspec.json.decode(document, type=self._kind) if document is not None else None

    async def all(self) -> list[Any]:
        """Every job."""
        return [msgspec.json.decode(document, type=self._kind) for document in await self._store.all()]

    async def delete(self, id: str) -> None:
        """Forgets a job and its files; whoever works on it notices and ends."""
        await self._store.delete(id)

    async def append(self, job: Any, part: Part, lines: Sequence[bytes]) -> None:
        """Puts lines at the end of a file of a job; they count once the job is saved."""
        data = b"".join(lines)
        await self._store.write(job.id, part.name, part.size, data)
        part.size += len(data)
        part.count += len(lines)

    async def write(self, job: Any, name: str, at: int, data: bytes) -> None:
        """Puts bytes into a file that is none of the job's parts."""
        await self._store.write(job.id, name, at, data)

    async def empty(self, job: Any) -> None:
        """Gives the room of its parts back; it has none from then on."""
        for part in job.parts:
            await self._store.write(job.id, part.name, 0, b"")
        job.parts = []

    async def content(self, job: Any, name: str) -> bytes | None:
        """A file that is one of a job's parts; None where it has none of that name."""
        if not any(part.name == name for part in job.parts):
            return None
        return b"".join([piece async for piece in self._store.read(job.id, name)])

    async def lines(self, job: Any, name: str, at: int = 0) -> AsyncGenerator[bytes, None]:
        """A file's lines from a place on, each with its end; one that is too long comes in parts."""
        rest = b""
        async for piece in self._store.read(job.id, name, at):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"
            while len(rest) > LONGEST_LINE:
                yield rest[:LONGEST_LINE]
                rest = rest[LONGEST_LINE:]
        if rest:
            yield rest

    async def has_any(
        self, job: Any, names: Iterable[str], record: frozenset[str], reference_of: Callable[[bytes], str]
    ) -> bool:
        """Whether a line of these files is a resource of a record; reference_of: Type/id of a line, "" for no
        resource."""
        for name in names:
            async with aclosing(self.lines(job, name)) as lines:
                async for line in lines:
                    if reference_of(line) in record:
                        return True
        return False
