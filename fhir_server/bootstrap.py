"""The only place that knows the concrete classes: settings in, a running server out."""

from __future__ import annotations

import sys
import time

from fhir_server import definitions as r4
from fhir_server.api import FhirServer
from fhir_server.codec.json import decode
from fhir_server.core.identity import TimeOrderedIds
from fhir_server.core.ports import Clock
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.definitions.ucum import UcumConverter
from fhir_server.interactions.custom_parameters import CustomParameters
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.profile_follower import ProfileFollower
from fhir_server.interactions.searching import Searching
from fhir_server.interactions.terminology_follower import TerminologyFollower
from fhir_server.operations import HANDLERS, registered, terminology
from fhir_server.rest.app import Application
from fhir_server.rest.beside import beside
from fhir_server.rest.mounting import Mounted
from fhir_server.rest.observing import observer
from fhir_server.rest.page_assets import PAGE_POLICY, Assets, folder_assets
from fhir_server.storage.sqlite.check import StoreCheck
from fhir_server.storage.sqlite.database import FILE_NAME
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore
from profiles.checking import Checker, Source
from profiles.packages import FILE_NAME as PACKAGES_FILE
from profiles.sources import InstalledPackages, StoredProfiles
from terminology import FILE_NAME as TERMINOLOGY_FILE
from terminology import Terminology
from terminology.loaders.jobs import Jobs


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def checker(settings: Settings, definitions: Definitions, service: Terminology, *sources: Source) -> Checker:
    """What checks resources by the settings, with profiles from these sources and the codes of the service."""
    return Checker(settings, definitions, sources, service, service.store.generation)


async def start(settings: Settings, clock: Clock = now) -> FhirServer:
    """Opens the embedded store in settings.data and puts a server on it."""
    sys.setswitchinterval(0.0005)  # a finished flush must not wait 5 ms for the event loop's thread
    definitions = r4.load()
    converter = UcumConverter()
    store = SqliteStore(
        settings.data / FILE_NAME,
        clock,
        lambda connection, known: SqliteSearchIndex(connection, known, converter),
        cache_mb=settings.cache_mb,
        synchronous=settings.synchronous,
    )
    service = Terminology(settings.data / TERMINOLOGY_FILE, clock=clock)
    packages = InstalledPackages(settings.data / PACKAGES_FILE)
    stored = StoredProfiles()
    checks = checker(settings, definitions, service, stored, packages)
    environment = Environment(
        settings=settings,
        definitions=definitions,
        store=store,
        index=store.index,
        feed=store,
        checker=checks,
        searching=Searching(definitions, settings, clock, service),
        clock=clock,
        new_id=TimeOrderedIds(clock),
        terminology=service,
        operations=registered(definitions, (*HANDLERS, *terminology.handlers(service))),
        started=clock(),
    )
    parameters = CustomParameters(environment)
    environment.outdated = parameters.searching_in
    follower = TerminologyFollower(store, store, service)
    profiles = ProfileFollower(store, store.index, store, stored)
    environment.followers = [parameters, follower, profiles]
    for each in environment.followers:
        await each.start()
    Jobs(service.store, clock, settings.data / TERMINOLOGY_FILE).take_up()
    check = StoreCheck(
        store,
        decode,
        lambda resource: environment.searching.extract(resource),
        lambda type, field: environment.searching.indexes(type, field),
    )

    security = None
    if settings.security == "smart":
        from fhir_server.security.service import Security

        security = Security(settings.data, clock, settings.token_seconds)

    async def close() -> None:
        for each in environment.followers:
            await each.stop()
        if security is not None:
            security.close()
        await store.close()
        packages.close()
        service.close()

    try:
        checks.require_known()
    except BaseException:
        await close()
        raise
    return FhirServer(environment, close, check.run, parameters.progress, security)


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
            application.Hl7Application(interface, settings.max_body_bytes),
            Assets(files, PAGE_POLICY),
            openapi.paths(),
            lambda: metrics.families(interface),
        )
    ]
