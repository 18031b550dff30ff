"""The parts of an interface, chosen by the settings and the interfaces file."""

from __future__ import annotations

from pathlib import Path

from fhir_server.api import FhirServer
from fhir_server.client import FhirClient, NamedClient
from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.core.settings import Settings
from interfaces.erasures import keep_working_off
from interfaces.hl7v2.configuration import Interfaces, read_interfaces
from interfaces.hl7v2.erasing import Erasing
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.port import MessageStore
from interfaces.hl7v2.outbound.subscribing import ClientChanges, ServerChanges


def interfaces_file(settings: Settings) -> Interfaces:
    """The interfaces that the settings name; FhirError "value" for a mistake in the file."""
    return read_interfaces(Path(settings.hl7) if settings.hl7 else None, settings.hl7_port, settings.host)


async def message_store(settings: Settings, interfaces: Interfaces, clock: Clock) -> MessageStore:
    """The store that the interfaces file names, hl7.sqlite in the data folder by default."""
    if interfaces.store:
        if settings.encryption_keys:
            raise error("value", "MongoDB keeps messages that it can read; encryption_keys is for those in the data "
                        "folder. Leave the interfaces' store out, or use MongoDB's encryption at rest.")  # fmt: skip
        from interfaces.hl7v2.messages.mongo import open_store

        return await open_store(interfaces.store, clock)
    from interfaces.hl7v2.messages.sqlite.store import FILE_NAME, SqliteMessageStore

    keys = None
    if settings.encryption_keys:
        from fhir_server.security.encryption.opening import opened

        keys = opened(settings)
    return SqliteMessageStore(settings.data / FILE_NAME, clock, synchronous=settings.synchronous, keys=keys)


async def beside_server(server: FhirServer, clock: Clock) -> Hl7Interface:
    """A started interface on a server in this process."""
    from interfaces.hl7v2.engine import Engine

    settings = server.settings
    interfaces = interfaces_file(settings)
    client = NamedClient(server, "HL7 v2")
    engine = Engine(interfaces, client, clock)
    store = await message_store(settings, interfaces, clock)
    server.environment.erasures.append(Erasing(store, engine.patients))
    interface = Hl7Interface(
        interfaces,
        store,
        client,
        engine,
        clock,
        changes=ServerChanges(server),
        to_message=engine.to_message,
        shared=settings.workers > 1,
    )
    await interface.start()
    return interface


async def apart(settings: Settings, client: FhirClient, clock: Clock) -> Hl7Interface:
    """A started interface in a process of its own, on a server behind HTTP."""
    from interfaces.hl7v2.engine import Engine

    interfaces = interfaces_file(settings)
    store = await message_store(settings, interfaces, clock)
    engine = Engine(interfaces, client, clock)
    interface = Hl7Interface(
        interfaces, store, client, engine, clock, changes=ClientChanges(client), to_message=engine.to_message
    )
    await interface.start()
    if settings.interface_name:
        interface.keep(keep_working_off(client, settings.interface_name, Erasing(store, engine.patients)))
    return interface
