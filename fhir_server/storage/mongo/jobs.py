"""`JobStore` in MongoDB: a document of `jobs` for each, files in pieces that are in GridFS or in a shared folder.

    {_id, kind, document, owner, until, pieces: [{name, id, size}], hidden}

Only the worker whose lease it is saves a job, and what it wrote to its files counts with that save: a worker that was
taken for dead and goes on has no effect. Pieces that no save has named are removed with the job. The document is there
before the first piece and goes after the last: hidden while it is made or deleted, so that one that was broken off is
found, and removed by whoever looks at all jobs once its lease has run out.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog
from bson import ObjectId
from gridfs.asynchronous import AsyncGridFSBucket
from gridfs.errors import NoFile
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_server.core.errors import FhirError, error
from fhir_server.core.mongodb import answering
from fhir_server.core.tasks import end
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.leases import take, until

LEASE = 15.0  # seconds after which another takes up the job of a worker that gave no sign of life
LARGEST = 4 * 2**20  # bytes of a piece
BUCKET = "job_files"
HIDDEN = "hidden"
SHOWN: dict[str, Any] = {HIDDEN: None}  # not there

log = structlog.get_logger("bulk")


class Pieces(Protocol):
    """Where the bytes of files are; a piece is written once."""

    async def put(self, job: str, data: bytes) -> str:
        """Keeps a piece of a job; its id."""
        ...

    async def get(self, job: str, id: str) -> bytes:
        """A piece; FileNotFoundError where it is gone."""
        ...

    async def remove(self, job: str) -> None:
        """Removes all pieces of a job."""
        ...


class GridFsPieces:
    """In MongoDB itself."""

    def __init__(self, database: Database) -> None:
        self._bucket = AsyncGridFSBucket(database.database, BUCKET)

    async def put(self, job: str, data: bytes) -> str:
        """See Pieces."""
        return str(await self._bucket.upload_from_stream(job, data))

    async def get(self, job: str, id: str) -> bytes:
        """See Pieces."""
        try:
            return await (await self._bucket.open_download_stream(ObjectId(id))).read()
        except NoFile:
            raise FileNotFoundError(id) from None

    async def remove(self, job: str) -> None:
        """See Pieces."""
        async for file in self._bucket.find({"filename": job}):
            with contextlib.suppress(NoFile):
                await self._bucket.delete(file._id)


class FolderPieces:
    """In a folder that all machines share."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise error("value", f"job_files can't be used: {problem}. Name a folder that every machine has.") from None
        self._folder = folder

    async def put(self, job: str, data: bytes) -> str:
        """See Pieces."""
        id = uuid.uuid4().hex
        await asyncio.to_thread(self._put, self._folder / job, id, data)
        return id

    @staticmethod
    def _put(folder: Path, id: str, data: bytes) -> None:
        folder.mkdir(exist_ok=True)
        (folder / id).write_bytes(data)

    async def get(self, job: str, id: str) -> bytes:
        """See Pieces."""
        return await asyncio.to_thread((self._folder / job / id).read_bytes)

    async def remove(self, job: str) -> None:
        """See Pieces."""
        import shutil

        await asyncio.to_thread(shutil.rmtree, self._folder / job, True)


class MongoJobs:
    """See the port `JobStore`. kind: parts the jobs of one database; lease: seconds, see LEASE."""

    def __init__(self, database: Database, kind: str, pieces: Pieces, lease: float = LEASE) -> None:
        self._jobs = database.database["jobs"]
        self._kind = kind
        self._pieces = pieces
        self._lease = lease
        self._owner = uuid.uuid4().hex
        self._making: set[str] = set()  # jobs that are not whole yet
        self._written: dict[str, list[dict[str, Any]]] = {}  # by job: pieces that no save has named yet

    async def create(self, id: str, document: bytes, files: Mapping[str, bytes]) -> None:
        """Keeps a new job and the files that it begins with."""
        self._making.add(id)
        try:
            await self._make(id, document, files)
        finally:
            self._making.discard(id)

    async def _make(self, id: str, document: bytes, files: Mapping[str, bytes]) -> None:
        with answering():
            try:
                await self._jobs.insert_one({"_id": id, "kind": self._kind, "document": document, HIDDEN: True})
            except DuplicateKeyError:
                raise FileExistsError(id) from None
            await self._take(id)
        async with self._renewed(id):
            for name, data in files.items():
                await self.write(id, name, 0, data)
        there: dict[str, Any] = {"$set": {"pieces": self._written.pop(id, [])}, "$unset": {HIDDEN: ""}}
        with answering():
            made = await self._jobs.update_one({"_id": id, "owner": self._owner}, there)
        if not made.matched_count:
            raise error("unavailable", "The store is too slow now; try again.", headers={"Retry-After": "5"})

    async def save(self, id: str, document: bytes) -> bool:
        """Keeps how far a job has got."""
        written = self._written.pop(id, [])
        change: dict[str, Any] = {"$set": {"document": document}}
        if written:
            change["$push"] = {"pieces": {"$each": written}}
        with answering():
            saved = await self._jobs.update_one({"_id": id, "owner": self._owner, **SHOWN}, change)
        return saved.matched_count == 1

    async def find(self, id: str) -> bytes | None:
        """A job's document."""
        with answering():
            found = await self._jobs.find_one({"_id": id, "kind": self._kind, **SHOWN}, {"document": 1})
        return bytes(found["document"]) if found else None

    async def all(self) -> list[bytes]:
        """The document of every job."""
        found: list[bytes] = []
        with answering():
            async for each in self._jobs.find({"kind": self._kind}, {"document": 1, HIDDEN: 1}):
                if HIDDEN not in each:
                    found.append(bytes(each["document"]))
                elif each["_id"] not in self._making and await self._take(each["_id"]):
                    await self._remove(each["_id"])
        return found

    async def delete(self, id: str) -> None:
        """Forgets a job and its files."""
        mine = {"owner": {"$literal": self._owner}, "until": until(self._lease), HIDDEN: True}
        with answering():
            await self._jobs.update_one({"_id": id}, [{"$set": mine}])
            await self._remove(id)

    async def _remove(self, id: str) -> None:
        await self._pieces.remove(id)
        await self._jobs.delete_one({"_id": id})

    @asynccontextmanager
    async def held(self, id: str) -> AsyncIterator[bool]:
        """Whether the job is this worker's while the context lasts."""
        with answering():
            mine = await self._take(id, **SHOWN)
        if not mine:
            yield False
            return
        self._written.pop(id, None)
        try:
            async with self._renewed(id):
                yield True
        finally:
            await self._release(id)

    @asynccontextmanager
    async def _renewed(self, id: str) -> AsyncIterator[None]:
        """Keeps a lease while the context lasts."""
        renewing = asyncio.create_task(self._renew(id))
        try:
            yield
        finally:
            await end(renewing)

    async def _take(self, id: str, **where: Any) -> bool:
        return await take(self._jobs, id, self._owner, self._lease, upsert=False, where=where)

    async def _renew(self, id: str) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                if not await self._take(id):
                    return  # the next save will say so
            except PyMongoError as problem:
                log.warning("a job's lease can't be renewed", job=id, problem=type(problem).__name__)

    async def _release(self, id: str) -> None:
        try:
            left = await self._jobs.update_one({"_id": id, "owner": self._owner}, {"$set": {"until": 0}})
            if not left.matched_count and await self.find(id) is None:
                await self._pieces.remove(id)
        except (PyMongoError, FhirError, OSError) as problem:  # its lease runs out by itself
            log.warning("a job can't be released", job=id, problem=type(problem).__name__)

    async def write(self, id: str, name: str, at: int, data: bytes) -> None:
        """Puts bytes into a file."""
        written = self._written.setdefault(id, [])
        with answering():
            for begin in range(0, len(data), LARGEST):
                part = data[begin : begin + LARGEST]
                written.append({"name": name, "id": await self._pieces.put(id, part), "size": len(part)})

    async def read(self, id: str, name: str, at: int = 0) -> AsyncIterator[bytes]:
        """A file's bytes in pieces."""
        with answering():
            found = await self._jobs.find_one({"_id": id, **SHOWN}, {"pieces": 1})
        for piece in (found or {}).get("pieces", ()):
            if piece["name"] != name:
                continue
            if at < piece["size"]:
                try:
                    with answering():
                        data = await self._pieces.get(id, piece["id"])
                except FileNotFoundError:  # the job was deleted meanwhile
                    return
                yield data[at:]
            at = max(at - piece["size"], 0)
