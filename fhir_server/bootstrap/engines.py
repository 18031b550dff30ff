"""The engine that the settings name: SQLite in the data folder, or MongoDB with Elasticsearch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server.bootstrap.machine import audited_as
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.jobs import JobStore
from fhir_server.core.ports import Change, Clock, Finding, Notes, SearchIndex
from fhir_server.core.settings import Settings
from fhir_server.definitions.ucum import UcumConverter
from fhir_server.interactions.followers.parameters_in_force import TYPE as PARAMETERS
from fhir_server.interactions.searching import Searching
from fhir_server.search.identifying import Identifying
from fhir_server.storage.files.jobs import FolderJobs
from fhir_server.storage.sqlite.check import StoreCheck
from fhir_server.storage.sqlite.database import FILE_NAME, sealed_already
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.notes import SqliteNotes
from fhir_server.storage.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from fhir_server.security.encryption import DataKeys
    from fhir_server.storage.elastic.engine import ElasticEngine


class Engine(NamedTuple):
    """What keeps and finds resources: the embedded engine, or the distributed one."""

    store: Any  # the ports ResourceStore and ChangeFeed
    index: SearchIndex
    check: Callable[[bool], Awaitable[list[Finding]]]
    close: Callable[[], Awaitable[None]]
    jobs: Callable[[str], JobStore]  # of a kind
    notes: Notes  # that are committed with what is written
    elastic: ElasticEngine | None = None
    database: Any = None  # of MongoDB, for what else is kept there


def embedded(settings: Settings, clock: Clock, searching: Callable[[], Searching]) -> Engine:
    """SQLite in settings.data."""
    converter = UcumConverter()
    store = SqliteStore(
        settings.data / FILE_NAME,
        clock,
        lambda connection, known: SqliteSearchIndex(connection, known, converter),
        cache_mb=settings.cache_mb,
        synchronous=settings.synchronous,
    )

    def jobs(kind: str) -> JobStore:
        return FolderJobs(settings.data / kind)

    async def close() -> None:
        notes.close()
        await store.close()
        if keys is not None:
            keys.close()

    notes = SqliteNotes(settings.data / FILE_NAME)
    keys = data_keys(settings)
    check = StoreCheck(
        store,
        decode if keys is None else lambda body: decode(keys.open(body) or b"{}"),
        lambda resource: searching().extract(resource),
        lambda type, field: searching().indexes(type, field),
    )
    if keys is None:
        return Engine(store, store.index, check.run, close, jobs, notes)
    from fhir_server.interactions.encrypted import EncryptedIndex, EncryptedStore

    index: Any = EncryptedIndex(store.index, keys)

    def fields_of(type: str) -> tuple[str, ...]:
        return searching().fields.membership(type, "Patient").fields

    return Engine(EncryptedStore(store, keys, fields_of), index, check.run, close, jobs, notes)


def data_keys(settings: Settings) -> DataKeys | None:
    """What seals bodies; None without a key file. FhirError "value" where it can't be used, or is needed."""
    sealed = sealed_already(settings.data / FILE_NAME)
    if not settings.encryption_keys:
        if sealed:
            raise error("value", "What is stored is encrypted: name the file of its master key by encryption_keys.")
        return None
    from fhir_server.security.encryption import FILE_NAME as KEYS_FILE
    from fhir_server.security.encryption.opening import opened

    if sealed and not (settings.data / KEYS_FILE).exists():
        raise error(
            "value", f"What is stored is encrypted, and {settings.data} has no {KEYS_FILE}: put its copy there."
        )
    return opened(settings)


async def distributed(
    settings: Settings,
    clock: Clock,
    searching: Callable[[], Searching],
    official: Searching,
    follow: Callable[[], Awaitable[None]],
    lasting: bool,
) -> Engine:
    """MongoDB at settings.mongodb_url, Elasticsearch at settings.elasticsearch_url.

    official: without custom parameters; follow: puts the search parameters that are stored by now in force; lasting:
    whether this process is there to stay, see `start`.
    """
    from fhir_server.storage.changes.pressure import Pressure
    from fhir_server.storage.elastic.client import connect as connect_to_elasticsearch
    from fhir_server.storage.elastic.digests import Parameters
    from fhir_server.storage.elastic.engine import ElasticEngine
    from fhir_server.storage.mongo.check import MongoCheck
    from fhir_server.storage.mongo.database import connect as connect_to_mongodb
    from fhir_server.storage.mongo.jobs import FolderPieces, GridFsPieces, MongoJobs
    from fhir_server.storage.mongo.keyed_index import KeyedIndex
    from fhir_server.storage.mongo.notes import MongoNotes
    from fhir_server.storage.mongo.store import MongoStore

    database = await connect_to_mongodb(settings.mongodb_url, settings.mongodb_database, settings.mongodb_reads)
    store = MongoStore(
        database,
        clock,
        lambda resource: searching().extract(resource),
        Identifying(official.definitions),
        standby=not lasting,
        machine=audited_as(settings),
    )
    try:
        await store.start()
    except BaseException:
        await store.close()
        raise
    pieces = FolderPieces(Path(settings.job_files)) if settings.job_files else GridFsPieces(database)

    def jobs(kind: str) -> JobStore:
        return MongoJobs(database, kind, pieces)

    notes = MongoNotes(settings.mongodb_url, settings.mongodb_database, audited_as(settings), clock)

    async def close_store() -> None:
        notes.close()
        await store.close()

    check = MongoCheck(store)

    async def prepare(changes: Sequence[Change] | None) -> None:
        """What is indexed from here on is indexed by the parameters of here."""
        if changes is None or any(change.type == PARAMETERS for change in changes):
            await follow()

    elastic = ElasticEngine(
        connect_to_elasticsearch(settings.elasticsearch_url, authorities=settings.elasticsearch_ca),
        store,
        store.exact,
        lambda body: searching().extract(decode(body)),
        Parameters(
            lambda type: searching().fields.sorted_together(type),
            lru_cache(10_000)(official.indexes),
            lambda type, field: searching().indexes(type, field),
            lambda type: searching().fields.local_references(type),
        ),
        clock,
        converter=UcumConverter(),
        prefix=settings.mongodb_database,
        shards=settings.elasticsearch_shards,
        wait=settings.search_wait_seconds,
        content=settings.search_content,
        prepare=prepare,
        calls=store,
        feeders=store.feeders,
        projectors=settings.projectors,
    )
    store.use(elastic.strict, Pressure(settings.index_lag_seconds, elastic.indexed))

    async def check_both(repair: bool) -> list[Finding]:
        return await check.run(repair) + await elastic.check(repair)

    async def close() -> None:
        await elastic.close()
        await close_store()

    return Engine(store, KeyedIndex(store, elastic.index), check_both, close, jobs, notes, elastic, database.database)
