"""Collections and indexes: made once however many start, and what programs of two versions do beside one another."""

import asyncio
from pathlib import Path

import pytest

from fhir_server.commands.opening import store
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.storage.mongo import schema
from fhir_server.storage.mongo.database import Database, connect
from fhir_server.storage.mongo.schema import MIGRATIONS, Migration, prepare
from tests.backends.services import Service, free_port, mongodb
from tests.distributed.conftest import Stores

pytestmark = pytest.mark.anyio

PATIENT = {"resourceType": "Patient", "id": "a"}


async def test_many_that_start_on_an_empty_database_make_one_layout(stores: Stores) -> None:
    databases = [await stores.database() for _ in range(6)]
    ran = []

    async def run(database: Database) -> None:
        ran.append(1)
        await MIGRATIONS[0].run(database)

    await asyncio.gather(*(prepare(database, (Migration(1, 1, run),)) for database in databases))
    assert len(ran) == 1
    shelves = await asyncio.gather(*(stores.open() for _ in range(3)))
    stored = await asyncio.gather(*(shelf.put(PATIENT) for shelf in shelves))
    assert sorted(version.version for version in stored) == [1, 2, 3]
    for database in databases:
        await database.close()


async def test_a_migration_that_broke_off_is_run_again(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LEASE", 0)
    database = await stores.database()

    async def broken(database: Database) -> None:
        await database.resources.create_index("keys")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await prepare(database, (Migration(1, 1, broken),))
    await prepare(database)
    layout = await database.meta.find_one({"_id": "layout"})
    assert layout is not None and layout["version"] == MIGRATIONS[-1].version
    await database.close()


async def test_a_program_of_the_version_before_works_beside_a_newer_one(stores: Stores) -> None:
    before = await stores.open()
    await before.put(PATIENT)

    async def add(database: Database) -> None:
        await database.resources.create_index("updated")

    newest = MIGRATIONS[-1].version
    database = await stores.database()
    await prepare(database, (*MIGRATIONS, Migration(newest + 1, newest, add)))
    await database.close()
    assert (await before.put(PATIENT)).version == 2
    started_again = await stores.open()
    assert (await started_again.put(PATIENT)).version == 3


async def test_a_program_that_can_not_work_beside_the_layout_says_so(stores: Stores) -> None:
    newest = MIGRATIONS[-1].version

    async def nothing(database: Database) -> None:
        pass

    database = await stores.database()
    await prepare(database, (*MIGRATIONS, Migration(newest + 1, newest + 1, nothing)))
    with pytest.raises(FhirError, match=f"layout of version {newest + 1}"):
        await prepare(database)
    await database.close()


async def test_a_command_on_a_database_without_a_store_says_so_and_makes_none(stores: Stores, tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path, mongodb_url=stores.url, mongodb_database=stores.name, elasticsearch_url="http://127.0.0.1:9"
    )
    with pytest.raises(FhirError, match=f"no store in .*{stores.name}; name its database with mongodb_database"):
        async with store(settings):
            raise AssertionError("it was opened")
    database = await stores.database()
    assert await database.database.list_collection_names() == []
    await database.close()
    shelf = await stores.open()
    await shelf.put(PATIENT)
    async with store(settings) as server:
        assert await server.read("Patient", "a")


async def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(FhirError, match="mongodb_url") as problem:
        await connect("mongodb://host:nonsense/", "t")
    assert problem.value.category == "value"


async def test_where_nothing_listens_the_error_says_what_to_look_at() -> None:
    url = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=300"
    with pytest.raises(FhirError, match="Is it started"):
        await connect(url, "t")


async def test_a_standalone_is_refused_with_what_makes_it_a_replica_set(tmp_path) -> None:
    alone = mongodb(tmp_path / "data", "--standalone").start()
    try:
        url = alone.url.partition("?")[0]
        with pytest.raises(FhirError, match="--replSet"):
            await connect(url, "t")
    finally:
        alone.stop()


async def test_a_login_by_scram(tmp_path) -> None:
    from pymongo import MongoClient

    first = mongodb(tmp_path / "data").start()
    with MongoClient(first.url) as client:
        client.admin.command("createUser", "hms", pwd="correct", roles=["root"])
    first.stop()
    guarded: Service = mongodb(tmp_path / "data", "--auth").start()
    try:
        host = guarded.url.partition("//")[2]
        database = await connect(f"mongodb://hms:correct@{host}&authSource=admin", "t")
        await prepare(database)
        await database.close()
        with pytest.raises(FhirError, match="refuses the login") as problem:
            await connect(f"mongodb://hms:wrong@{host}&authSource=admin", "t")
        assert "wrong" not in str(problem.value)
    finally:
        guarded.stop()
