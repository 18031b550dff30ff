"""The application of one worker: the server, and the interfaces beside it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Any

from fhir_server import definitions as r4
from fhir_server.api import FhirServer
from fhir_server.bootstrap.machine import now
from fhir_server.bootstrap.starting import start
from fhir_server.client import NamedClient
from fhir_server.core.garbage import tune
from fhir_server.core.ports import Caller, Clock
from fhir_server.core.settings import Settings
from fhir_server.rest.app import Application
from fhir_server.rest.auditing import Auditing
from fhir_server.rest.beside import beside
from fhir_server.rest.mounting import Mounted, require_everything
from fhir_server.rest.observing import observer
from fhir_server.rest.page_assets import PAGE_POLICY, Assets, folder_assets
from fhir_server.subscriptions.channels.binding import Bindings
from fhir_server.subscriptions.channels.sockets import PREFIX, Sockets
from fhir_server.subscriptions.parts import deliver
from fhir_server.subscriptions.watching import Watching


def application(settings: Settings, clock: Clock = now) -> Application:
    """The ASGI application of one worker; the server starts with its lifespan, and its interfaces after it."""
    mounted: list[Mounted] = []

    async def started() -> FhirServer:
        server = await start(settings, clock, lasting=True)
        try:
            mounted[:] = await interfaces_of(server, clock)
        except BaseException:
            await server.close()
            raise
        return server

    return Application(started, lambda server: beside(server, mounted), observer(settings))


def preload(settings: Settings) -> None:
    """Loads what the processes of a server need, in the one that they are copies of, and tidies it up for them."""
    r4.load()
    if settings.dicom:
        import interfaces.dicom.acceptor
        import interfaces.dicom.web.application  # noqa: F401
    tune()


async def interfaces_of(server: FhirServer, clock: Clock) -> list[Mounted]:
    """Starts the interfaces that the settings want, and tells what they put beside FHIR."""
    return [await _subscriptions(server), *await _hl7(server, clock), *_dicom(server), *_subsystems(server)]


async def _subscriptions(server: FhirServer) -> Mounted:
    """Begins to deliver; beside FHIR are the WebSockets."""
    kept = server.environment.subscriptions
    service = await deliver(server, kept)
    watching = Watching(kept.store, service, server.environment.clock)
    sockets = Sockets(server, Bindings(server, kept.store, kept.topics))
    return Mounted(PREFIX, sockets, Assets({}, PAGE_POLICY), {}, watching.metrics, health=watching.health)


def _subsystems(server: FhirServer) -> list[Mounted]:
    """What `hms serve` runs in a process beside this one, which answers on a socket that the environment names."""
    if not server.settings.subsystems:
        return []
    from fhir_server.rest.forwarding import Forwarding
    from fhir_server.subsystems.endpoint import paths
    from fhir_server.subsystems.registry import OF_EVERY, SOCKET_VARIABLE, chosen

    def allowing(name: str) -> Callable[[dict[str, Any]], Awaitable[Caller]]:
        return lambda scope: require_everything(server, scope, name)

    note = Auditing(server).forwarded if server.audit is not None else None
    socket = os.environ.get(SOCKET_VARIABLE, "")
    return [
        Mounted(
            f"/{each.name}",
            Forwarding(socket, f"/{each.name}", server.settings, allowing(each.name), note),
            page_of(each.name, each.package),
            paths(each.name, each.title, (*OF_EVERY, *each.endpoints)),
            no_metrics,
            each.title,
        )
        for each in chosen(server.settings)
    ]


def note_of(server: FhirServer) -> Any:
    """What keeps in the audit log who asks what is mounted, None where no log is kept."""
    return Auditing(server).mounted if server.audit is not None else None


async def no_metrics() -> list[Any]:
    """Of what counts nothing of its own, or is asked itself."""
    return []


def page_of(name: str, package: str) -> Assets:
    """The screen of a subsystem or an interface, at /NAME/."""
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

    async def close() -> None:
        archive.close()

    server.stop_first(close)
    access = Access(server)
    pages = administration.Administration(context, server, access, note_of(server))
    return [
        Mounted(
            PREFIX, DicomWeb(archive, server.settings, access, note_of(server)), Assets({}, PAGE_POLICY), {}, no_metrics
        ),
        Mounted(administration.PREFIX, pages, page_of("dicom", "interfaces.dicom"), {}, no_metrics, "DICOM"),
    ]


async def _hl7(server: FhirServer, clock: Clock) -> list[Mounted]:
    settings = server.settings
    if not settings.hl7 and not settings.hl7_port:
        return []
    from interfaces.hl7v2.assembly import beside_server
    from interfaces.hl7v2.http import application, metrics, openapi

    interface = await beside_server(server, clock)
    server.stop_first(interface.stop)
    return [
        Mounted(
            "/hl7",
            application.Hl7Application(
                interface,
                settings.max_body_bytes,
                lambda scope: require_everything(server, scope, "hl7"),
                note_of(server),
            ),
            page_of("hl7", "interfaces.hl7v2"),
            openapi.paths(),
            lambda: metrics.families(interface),
            "HL7 v2",
        )
    ]
