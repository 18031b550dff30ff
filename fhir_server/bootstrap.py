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
from fhir_server.definitions.ucum import UcumConverter
from fhir_server.interactions.custom_parameters import CustomParameters
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.searching import Searching
from fhir_server.interactions.terminology_follower import TerminologyFollower
from fhir_server.operations import HANDLERS, registered, terminology
from fhir_server.rest.app import Application
from fhir_server.rest.beside import beside
from fhir_server.rest.observing import observer
from fhir_server.storage.sqlite.check import StoreCheck
from fhir_server.storage.sqlite.database import FILE_NAME
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore
from profiles.checking import checker_for
from terminology import FILE_NAME as TERMINOLOGY_FILE
from terminology import Terminology


def now() -> int:
    """Microseconds since 1970 UTC."""
    return time.time_ns() // 1000


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
    environment = Environment(
        settings=settings,
        definitions=definitions,
        store=store,
        index=store.index,
        feed=store,
        checker=checker_for(settings.validation, definitions),
        searching=Searching(definitions, settings, clock, service),
        clock=clock,
        new_id=TimeOrderedIds(clock),
        terminology=service,
        operations=registered(definitions, (*HANDLERS, *terminology.handlers(service))),
        started=clock(),
    )
    parameters = CustomParameters(environment)
    follower = TerminologyFollower(store, store, service)
    environment.followers = [parameters, follower]
    await parameters.start()
    await follower.start()
    check = StoreCheck(store, decode, lambda resource: environment.searching.extract(resource))

    async def close() -> None:
        await parameters.stop()
        await follower.stop()
        await store.close()
        service.close()

    return FhirServer(environment, close, check.run, parameters.progress)


def application(settings: Settings, clock: Clock = now) -> Application:
    """The ASGI application of one worker; the server starts with its lifespan."""
    return Application(lambda: start(settings, clock), beside, observer(settings))
