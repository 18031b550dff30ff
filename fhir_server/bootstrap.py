"""The only place that knows the concrete classes: settings in, a running server out."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fhir_server import definitions as r4
from fhir_server.api import FhirServer
from fhir_server.client import NamedClient
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.identity import TimeOrderedIds
from fhir_server.core.jobs import JobStore
from fhir_server.core.news import News
from fhir_server.core.ports import Change, Clock, Finding, SearchIndex
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.definitions.ucum import UcumConverter
from fhir_server.interactions.callers import Callers
from fhir_server.interactions.consent_follower import ConsentFollower
from fhir_server.interactions.custom_parameters import CustomParameters
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.following import Following
from fhir_server.interactions.masks import require_known
from fhir_server.interactions.parameters_in_force import TYPE as PARAMETERS
from fhir_server.interactions.policy_parameters import require_expressions
from fhir_server.interactions.profile_follower import ProfileFollower
from fhir_server.interactions.searching import Searching
from fhir_server.interactions.terminology_follower import CONSUMER, TerminologyFollower
from fhir_server.operations import HANDLERS, export, imports, registered, terminology, verify_audit
from fhir_server.operations.bulk.exports import Exports
from fhir_server.operations.bulk.imports import Imports
from fhir_server.rest.app import Application
from fhir_server.rest.auditing import Auditing
from fhir_server.rest.beside import beside
from fhir_server.rest.mounting import Mounted, require_everything
from fhir_server.rest.observing import observer
from fhir_server.rest.page_assets import PAGE_POLICY, Assets, folder_assets
from fhir_server.search.identifying import Identifying
from fhir_server.security.policies import ALL_INTERFACES, Policies, PolicyFile
from fhir_server.storage.files.jobs import FolderJobs
from fhir_server.storage.sqlite.check import StoreCheck
from fhir_server.storage.sqlite.database import FILE_NAME, sealed_already
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore
from profiles.checking import Checker, Source
from profiles.packages import FILE_NAME as PACKAGES_FILE
from profiles.sources import InstalledPackages, StoredProfiles
from terminology import FILE_NAME as TERMINOLOGY_FILE
from terminology import Terminology
from terminology.loaders.jobs import Jobs

if TYPE_CHECKING:
    from fhir_server.security.audit import AuditLog
    from fhir_server.security.audit.shared import SharedAuditLog
    from fhir_server.security.emergencies import Emergencies
    from fhir_server.security.encryption import DataKeys
    from fhir_server.security.service import Security
    from fhir_server.security.store import AccountStore
    from fhir_server.storage.elastic.engine import ElasticEngine

FIRST_INDEX = 30.0  # seconds that a start waits for the search index to be made
EXPORTS, IMPORTS = "exports", "imports"  # kinds of jobs, and their folders in the data folder of the embedded engine
NEWS_FILE = "news"  # in the data folder: what its processes tell each other
NODE_FILE = "node"  # in the data folder: the name of this machine among others on one database


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def checker(settings: Settings, definitions: Definitions, service: Terminology, *sources: Source) -> Checker:
    """What checks resources by the settings, with profiles from these sources and the codes of the service."""
    return Checker(settings, definitions, sources, service, service.store.generation)


class Engine(NamedTuple):
    """What keeps and finds resources: the embedded engine, or the distributed one."""

    store: Any  # the ports ResourceStore and ChangeFeed
    index: SearchIndex
    check: Callable[[bool], Awaitable[list[Finding]]]
    close: Callable[[], Awaitable[None]]
    jobs: Callable[[str], JobStore]  # of a kind
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

    keys = data_keys(settings)
    check = StoreCheck(
        store,
        decode if keys is None else lambda body: decode(keys.open(body) or b"{}"),
        lambda resource: searching().extract(resource),
        lambda type, field: searching().indexes(type, field),
    )
    if keys is None:
        return Engine(store, store.index, check.run, store.close, jobs)
    from fhir_server.interactions.encrypted import EncryptedIndex, EncryptedStore

    async def close() -> None:
        await store.close()
        keys.close()

    index: Any = EncryptedIndex(store.index, keys)

    def fields_of(type: str) -> frozenset[str]:
        return frozenset(searching().fields.membership(type, "Patient").fields)

    return Engine(EncryptedStore(store, keys, fields_of), index, check.run, close, jobs)


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
) -> Engine:
    """MongoDB at settings.mongodb_url, Elasticsearch at settings.elasticsearch_url.

    official: without custom parameters; follow: puts the search parameters that are stored by now in force.
    """
    from fhir_server.storage.mongo.check import MongoCheck
    from fhir_server.storage.mongo.database import connect as connect_to_mongodb
    from fhir_server.storage.mongo.jobs import FolderPieces, GridFsPieces, MongoJobs
    from fhir_server.storage.mongo.keyed_index import KeyedIndex
    from fhir_server.storage.mongo.store import MongoStore
    from fhir_server.storage.mongo.without_index import NoIndex

    database = await connect_to_mongodb(settings.mongodb_url, settings.mongodb_database, settings.mongodb_reads)
    store = MongoStore(
        database, clock, lambda resource: searching().extract(resource), Identifying(official.definitions)
    )
    try:
        await store.start()
    except BaseException:
        await store.close()
        raise
    pieces = FolderPieces(Path(settings.job_files)) if settings.job_files else GridFsPieces(database)

    def jobs(kind: str) -> JobStore:
        return MongoJobs(database, kind, pieces)

    check = MongoCheck(store)
    if not settings.elasticsearch_url:
        return Engine(store, NoIndex(), check.run, store.close, jobs, database=database.database)
    from fhir_server.storage.elastic.client import connect as connect_to_elasticsearch
    from fhir_server.storage.elastic.digests import Parameters
    from fhir_server.storage.elastic.engine import ElasticEngine

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
            lambda type: sort_groups(searching(), type),
            official.indexes,
            lambda type, field: searching().indexes(type, field),
        ),
        clock,
        converter=UcumConverter(),
        prefix=settings.mongodb_database,
        shards=settings.elasticsearch_shards,
        wait=settings.search_wait_seconds,
        content=settings.search_content,
        prepare=prepare,
    )
    store.use(elastic.strict)

    async def check_both(repair: bool) -> list[Finding]:
        return await check.run(repair) + await elastic.check(repair)

    async def close() -> None:
        await elastic.close()
        await store.close()

    return Engine(store, KeyedIndex(store, elastic.index), check_both, close, jobs, elastic, database.database)


def sort_groups(searching: Searching, type: str) -> set[tuple[str, ...]]:
    """The fields, several of one parameter, by which resources of a type are sorted together."""
    found = searching.fields.of(type).parameters.values() if searching.definitions.is_resource(type) else ()
    return {parameter.fields for parameter in found if len(parameter.fields) > 1}


def audited(settings: Settings) -> bool:
    """Whether an audit log is kept."""
    return settings.audit == "on" or (settings.audit == "auto" and settings.security != "open")


async def secured(settings: Settings, clock: Clock, database: Any) -> tuple[Security, Emergencies]:
    """Users, clients, tokens and emergencies: in the data folder, or in MongoDB where all machines know them.

    FhirError "required" where no key is named that seals them in MongoDB.
    """
    from fhir_server.security.service import Security

    accounts: AccountStore
    emergencies: Emergencies
    if settings.mongodb_url:
        if not settings.account_keys:
            raise error("required", "Users and signing keys are sealed in MongoDB: make a key by `hms keys init FILE`, "
                        "give each machine a copy and name it by account_keys.")  # fmt: skip
        from fhir_server.security.encryption.sealing import Sealing
        from fhir_server.security.store.mongo import MongoAccounts, MongoEmergencies

        sealing = Sealing(Path(settings.account_keys))
        accounts = shared = MongoAccounts(database, sealing, clock)
        await shared.start()
        emergencies = MongoEmergencies(database, sealing, clock)
    else:
        from fhir_server.security.emergencies import FILE_NAME as EMERGENCIES_FILE
        from fhir_server.security.emergencies import SqliteEmergencies
        from fhir_server.security.store.sqlite import FILE_NAME as ACCOUNTS_FILE
        from fhir_server.security.store.sqlite import SqliteAccounts

        accounts = SqliteAccounts(settings.data / ACCOUNTS_FILE, clock)
        emergencies = SqliteEmergencies(settings.data / EMERGENCIES_FILE, clock)
    security = Security(settings, clock, accounts)
    await security.start()
    return security, emergencies


@contextlib.asynccontextmanager
async def opened_security(settings: Settings, clock: Clock = now) -> AsyncIterator[Security]:
    """Users and clients without a server on them."""
    connection = None
    if settings.mongodb_url:
        from fhir_server.storage.mongo.database import connect

        connection = await connect(settings.mongodb_url, settings.mongodb_database)
    try:
        security, emergencies = await secured(settings, clock, connection and connection.database)
        try:
            yield security
        finally:
            await security.close()
            await emergencies.close()
    finally:
        if connection is not None:
            await connection.close()


def check_policies(policies: Policies, definitions: Definitions) -> None:
    """FhirError "value" for rules that speak of what R4 does not have."""
    require_known(policies, definitions)
    named = policies.administration.keys() - {"hl7", "dicom", ALL_INTERFACES}
    if named:
        from fhir_server.subsystems.registry import NAMES

        wrong = sorted(named.difference(NAMES))
        if wrong:
            there = ", ".join(("hl7", "dicom", *NAMES, ALL_INTERFACES))
            raise error("value", f"The policies' administration names {wrong[0]!r}; it can name {there}.")
    require_expressions(policies, definitions)


def preload() -> None:
    """Loads what every worker needs, in the process that they are copies of."""
    r4.load()


async def start(settings: Settings, clock: Clock = now) -> FhirServer:
    """Opens the stores that the settings name and puts a server on them."""
    sys.setswitchinterval(0.0005)  # a finished flush must not wait 5 ms for the event loop's thread
    definitions = r4.load()
    policies = PolicyFile(settings.policies, lambda found: check_policies(found, definitions))
    service = Terminology(settings.data / TERMINOLOGY_FILE, clock=clock)
    packages = InstalledPackages(settings.data / PACKAGES_FILE)
    stored = StoredProfiles()
    checks = checker(settings, definitions, service, stored, packages)
    searching = Searching(definitions, settings, clock, service)
    environments: list[Environment] = []

    def in_force() -> Searching:
        return environments[0].searching if environments else searching  # type: ignore[return-value]

    async def follow() -> None:
        await environments[0].followers[0].refresh()

    if settings.mongodb_url and settings.encryption_keys:
        raise error("value", "MongoDB keeps documents that it can read; encryption_keys is for the embedded store. Use "
                    "MongoDB's own encryption at rest.")  # fmt: skip
    if settings.mongodb_url:
        engine = await distributed(settings, clock, in_force, searching, follow)
    else:
        engine = embedded(settings, clock, in_force)
    searching.reads = engine.store
    exports, importing = Exports(engine.jobs(EXPORTS)), Imports(engine.jobs(IMPORTS))
    environment = Environment(
        settings=settings,
        definitions=definitions,
        store=engine.store,
        index=engine.index,
        feed=engine.store,
        checker=checks,
        searching=searching,
        clock=clock,
        new_id=TimeOrderedIds(clock),
        terminology=service,
        operations=registered(
            definitions,
            (
                *HANDLERS,
                *terminology.handlers(service),
                *export.handlers(exports),
                *imports.handlers(importing),
                *(verify_audit.HANDLERS if audited(settings) else ()),
            ),
        ),
        started=clock(),
    )
    environments.append(environment)
    parameters = CustomParameters(environment)
    environment.outdated = parameters.searching_in
    follower = TerminologyFollower(engine.store, engine.store, service, consumer_of(settings))
    profiles = ProfileFollower(engine.store, engine.store, stored)
    environment.followers = [parameters, follower, profiles]
    settings.data.mkdir(parents=True, exist_ok=True)
    following = environment.following = Following(environment, News(settings.data / NEWS_FILE))

    security = consents = emergencies = break_glass = audit_keys = shared_audit = None
    if settings.security == "smart":
        security, emergencies = await secured(settings, clock, engine.database)
        consents = ConsentFollower(engine.store, engine.store)
        environment.followers.append(consents)
        from fhir_server.interactions.break_glass import BreakGlass

        break_glass = BreakGlass(environment, emergencies)
    callers = environment.callers = Callers(environment, policies, consents, break_glass)

    if audited(settings):
        from fhir_server.security.audit import FILE_NAME as AUDIT_FILE
        from fhir_server.security.audit import AuditLog

        if settings.encryption_keys:
            from fhir_server.security.encryption.opening import opened

            audit_keys = opened(settings)
        kept = AuditLog(settings.data / AUDIT_FILE, synchronous=settings.synchronous, keys=audit_keys)
        environment.audit = kept
        if settings.mongodb_url:
            environment.audit = shared_audit = shared_with_all(settings, kept)
            shared_audit.start()
        from fhir_server.interactions.alerting import Alerting
        from fhir_server.security.audit.alerts import load as load_alert_rules

        rules = load_alert_rules(settings.alert_rules)
        environment.alerts = Alerting(environment, kept, settings.data, rules)
        environment.followers.append(environment.alerts)

    async def close() -> None:
        await exports.stop()
        await importing.stop()
        for each in environment.followers:
            await each.stop()
        following.close()
        if shared_audit is not None:
            await shared_audit.stop()
        elif environment.audit is not None:
            environment.audit.close()
        if audit_keys is not None:
            audit_keys.close()
        if security is not None:
            await security.close()
        if emergencies is not None:
            await emergencies.close()
        await engine.close()
        packages.close()
        service.close()

    try:
        for each in environment.followers:
            await each.start()
        if engine.elastic is not None:
            environment.rebuild, environment.index_state = engine.elastic.rebuild, engine.elastic.state
            if settings.projecting:
                engine.elastic.start()
                await engine.elastic.ready(FIRST_INDEX)
        Jobs(service.store, clock, settings.data / TERMINOLOGY_FILE).take_up()
        checks.require_known()
        exports.follow(environment)
        importing.follow(environment)
    except BaseException:
        await close()
        raise
    return FhirServer(environment, close, engine.check, parameters.progress, security, callers)


def consumer_of(settings: Settings) -> str:
    """The name by which this data folder's terminology follows the feed: its own where several machines share one."""
    return f"{CONSUMER}:{machine_of(settings)}" if settings.mongodb_url else CONSUMER


def machine_of(settings: Settings) -> str:
    """The name of this data folder among those of other machines on one database: 32 hexadecimal digits."""
    file = settings.data / NODE_FILE
    if not file.exists():
        settings.data.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError), file.open("x", encoding="ascii") as made:
            made.write(uuid.uuid4().hex)
    return file.read_text(encoding="ascii")


def shared_with_all(settings: Settings, own: AuditLog) -> SharedAuditLog:
    """This machine's audit log beside those of all machines."""
    from fhir_server.security.audit.shared import SharedAuditLog
    from fhir_server.storage.mongo.database import connect_in_threads

    sealing = None
    if settings.account_keys:
        from fhir_server.security.encryption.sealing import Sealing

        sealing = Sealing(Path(settings.account_keys))
    client = connect_in_threads(settings.mongodb_url)
    return SharedAuditLog(own, machine_of(settings)[:12], client, settings.mongodb_database, sealing)


def application(settings: Settings, clock: Clock = now) -> Application:
    """The ASGI application of one worker; the server starts with its lifespan, and its interfaces after it."""
    mounted: list[Mounted] = []

    async def started() -> FhirServer:
        server = await start(settings, clock)
        try:
            mounted[:] = await interfaces_of(server, clock)
        except BaseException:
            await server.close()
            raise
        return server

    return Application(started, lambda server: beside(server, mounted), observer(settings))


async def interfaces_of(server: FhirServer, clock: Clock) -> list[Mounted]:
    """Starts the interfaces that the settings want, and tells what they put beside FHIR."""
    return [*await _hl7(server, clock), *_dicom(server), *_subsystems(server)]


def _subsystems(server: FhirServer) -> list[Mounted]:
    """What `hms serve` runs in a process beside this one, which answers on a socket that the environment names."""
    if not server.settings.subsystems:
        return []
    from fhir_server.rest.forwarding import Forwarding
    from fhir_server.subsystems.endpoint import paths
    from fhir_server.subsystems.registry import OF_EVERY, SOCKET_VARIABLE, chosen

    async def no_metrics() -> list[Any]:
        return []

    def allowing(name: str) -> Callable[[dict[str, Any]], Awaitable[str]]:
        async def allow(scope: dict[str, Any]) -> str:
            caller = await require_everything(server, scope, name)
            return "" if server.open else caller.name

        return allow

    socket = os.environ.get(SOCKET_VARIABLE, "")
    return [
        Mounted(
            f"/{each.name}",
            Forwarding(socket, f"/{each.name}", server.settings, allowing(each.name)),
            page_of(each.name, each.package),
            paths(each.name, each.title, (*OF_EVERY, *each.endpoints)),
            no_metrics,
            each.title,
        )
        for each in chosen(server.settings)
    ]


def page_of(name: str, package: str) -> Assets:
    """The screen of a subsystem, at /NAME/."""
    files = folder_assets("page", f"/{name}/page/", package)
    files[f"/{name}/"] = files.pop(f"/{name}/page/index.html")
    return Assets(files, PAGE_POLICY)


def _dicom(server: FhirServer) -> list[Mounted]:
    if not server.settings.dicom:
        return []
    from interfaces.dicom.archive.archive import Archive
    from interfaces.dicom.archive.erasing import Erasing
    from interfaces.dicom.bridge import Bridge
    from interfaces.dicom.configuration import Configuration
    from interfaces.dicom.services.service import Context
    from interfaces.dicom.web import administration
    from interfaces.dicom.web.access import Access
    from interfaces.dicom.web.application import PREFIX, DicomWeb

    archive = Archive(server.settings)
    server.environment.erasures.append(Erasing(archive))
    context = Context(
        server.settings,
        archive,
        Configuration(server.settings),
        Bridge(lambda: contextlib.nullcontext(NamedClient(server, "DICOM"))),
    )
    page = folder_assets("page", "/dicom/page/", "interfaces.dicom")
    page["/dicom/"] = page.pop("/dicom/page/index.html")

    async def close() -> None:
        archive.close()

    async def no_metrics() -> list[Any]:
        return []

    server.stop_first(close)
    access = Access(server)
    pages = administration.Administration(context, server, access)
    return [
        Mounted(PREFIX, DicomWeb(archive, server.settings, access), Assets({}, PAGE_POLICY), {}, no_metrics),
        Mounted(administration.PREFIX, pages, Assets(page, PAGE_POLICY), {}, no_metrics, "DICOM"),
    ]


async def _hl7(server: FhirServer, clock: Clock) -> list[Mounted]:
    settings = server.settings
    if not settings.hl7 and not settings.hl7_port:
        return []
    from interfaces.hl7v2.assembly import beside_server
    from interfaces.hl7v2.http import application, metrics, openapi

    interface = await beside_server(server, clock)
    server.stop_first(interface.stop)
    files = folder_assets("page", "/hl7/page/", "interfaces.hl7v2")
    files["/hl7/"] = files.pop("/hl7/page/index.html")
    return [
        Mounted(
            "/hl7",
            application.Hl7Application(
                interface,
                settings.max_body_bytes,
                lambda scope: require_everything(server, scope, "hl7"),
                Auditing(server).mounted if server.audit is not None else None,
            ),
            Assets(files, PAGE_POLICY),
            openapi.paths(),
            lambda: metrics.families(interface),
            "HL7 v2",
        )
    ]
