"""Bulk jobs: a document and files that every worker knows, and one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.jobs import JobStore
from fhir_server.core.settings import Settings
from fhir_server.storage.files.jobs import FolderJobs
from tests.engines import EMBEDDED

pytestmark = pytest.mark.anyio

Machine = Callable[[], JobStore]


@pytest.fixture(params=("in the store", "in a folder"))
async def machine(
    request: pytest.FixtureRequest, settings: Settings, engine: str, tmp_path: Path
) -> AsyncIterator[Machine]:
    """Opens the jobs as another machine does."""
    if engine == EMBEDDED:
        yield lambda: FolderJobs(tmp_path / "jobs")
        return
    from fhir_server.storage.mongo.database import connect
    from fhir_server.storage.mongo.jobs import FolderPieces, GridFsPieces, MongoJobs

    database = await connect(settings.mongodb_url, settings.mongodb_database)
    shared = request.param == "in a folder"
    pieces = FolderPieces(tmp_path / "shared") if shared else GridFsPieces(database)
    yield lambda: MongoJobs(database, "exports", pieces, lease=1.0)
    await database.close()


async def content(jobs: JobStore, name: str, at: int = 0) -> bytes:
    return b"".join([piece async for piece in jobs.read("a", name, at)])


async def test_a_job_and_its_files_are_known_to_every_machine(machine: Machine):
    one, other = machine(), machine()
    await one.create("a", b"0", {"in.ndjson": b"given"})
    async with one.held("a") as mine:
        assert mine
        await one.write("a", "out.ndjson", 0, b"first ")
        await one.write("a", "out.ndjson", 6, b"second")
        assert await one.save("a", b"1")
    assert (await other.find("a"), await other.all(), await other.find("b")) == (b"1", [b"1"], None)
    assert await content(other, "out.ndjson") == b"first second"
    assert await content(other, "out.ndjson", 8) == b"cond"
    assert await content(other, "in.ndjson") == b"given"
    assert await content(other, "none.ndjson") == b""


async def test_a_job_is_one_workers_from_its_creation_on(machine: Machine):
    one, other = machine(), machine()
    await one.create("a", b"0", {})
    async with other.held("a") as mine:
        assert not mine
    async with one.held("a") as mine:
        assert mine
        async with other.held("a") as theirs:
            assert not theirs
    async with other.held("a") as mine:
        assert mine


async def test_what_was_written_without_a_save_is_written_anew_by_the_next(machine: Machine):
    one, other = machine(), machine()
    await one.create("a", b"0", {})
    async with one.held("a"):
        await one.write("a", "out.ndjson", 0, b"kept ")
        await one.save("a", b"1")
        await one.write("a", "out.ndjson", 5, b"lost and long")
    async with other.held("a"):
        await other.write("a", "out.ndjson", 5, b"found")
        await other.save("a", b"2")
    assert await content(one, "out.ndjson") == b"kept found"


async def test_a_job_that_is_deleted_can_be_saved_and_held_no_more(machine: Machine, tmp_path: Path):
    one, other = machine(), machine()
    await one.create("a", b"0", {"in.ndjson": b"given"})
    async with one.held("a"):
        await other.delete("a")
        with pytest.raises(FileNotFoundError):
            await one.write("a", "out.ndjson", 0, b"late")
            if not await one.save("a", b"1"):
                raise FileNotFoundError
    async with other.held("a") as mine:
        assert not mine
    assert (await one.all(), await content(one, "in.ndjson"), await content(one, "out.ndjson")) == ([], b"", b"")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_a_worker_that_was_taken_for_dead_changes_nothing(machine: Machine, engine: str):
    if engine == EMBEDDED:
        pytest.skip("a lock of a file is never taken for a dead worker's")
    one, other = machine(), machine()
    await one.create("a", b"0", {})
    while True:
        async with other.held("a") as mine:
            if mine:
                assert not await one.save("a", b"mine")
                assert await other.save("a", b"theirs")
                break
        await asyncio.sleep(0.1)
    assert await one.find("a") == b"theirs"


@pytest.mark.parametrize("what", ["deletion", "creation"])
async def test_what_was_broken_off_leaves_nothing_once_somebody_looks(
    machine: Machine, engine: str, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
):
    if engine == EMBEDDED:
        pytest.skip("of a folder it is in unit/storage/test_folder_jobs.py")
    one: Any = machine()
    other: Any = machine()

    async def killed(*arguments: object) -> None:
        raise asyncio.CancelledError

    if what == "deletion":
        await one.create("a", b"0", {"in.ndjson": b"given"})
        with monkeypatch.context() as broken, pytest.raises(asyncio.CancelledError):
            broken.setattr(one._pieces, "remove", killed)
            await one.delete("a")
    else:
        with monkeypatch.context() as broken, pytest.raises(asyncio.CancelledError):
            put = one._pieces.put

            async def once(job: str, data: bytes) -> str:
                assert await one.all() == await other.all() == []  # and it is not taken for one that was broken off
                broken.setattr(one._pieces, "put", killed)
                return await put(job, data)

            broken.setattr(one._pieces, "put", once)
            await one.create("a", b"0", {"in.ndjson": b"given", "more.ndjson": b"given"})
    assert (await other.find("a"), await content(other, "in.ndjson")) == (None, b"")
    async with other.held("a") as mine:
        assert not mine
    assert not await one.save("a", b"1")
    while await other._jobs.count_documents({"_id": "a"}):
        assert await other.all() == []
        await asyncio.sleep(0.1)
    files = [path for path in (tmp_path / "shared").rglob("*") if path.is_file()]
    assert not files and not await other._jobs.database["job_files.files"].count_documents({"filename": "a"})
