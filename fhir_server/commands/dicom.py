"""hms dicom: the archive as a process of its own, and what a person does to it."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import msgspec
import typer

from fhir_server.commands.opening import client, store
from fhir_server.commands.options import Server, with_settings
from fhir_server.commands.sockets import listen as listen_on
from fhir_server.commands.tokens import ClientIdOption, ClientKeyOption, TokenFileOption, shown
from fhir_server.core.settings import Settings
from fhir_server.security.audit.kept import audited

if TYPE_CHECKING:
    from fhir_server.client import FhirClient, ShownToken

dicom = typer.Typer(help="The DICOM archive: listen, check, import.", no_args_is_help=True)


@dicom.command()
@with_settings
def listen(
    settings: Settings,
    server: Server = "",
    token_file: TokenFileOption = None,
    client_id: ClientIdOption = "",
    client_key: ClientKeyOption = None,
) -> None:
    """Accept DICOM associations beside a FHIR server that runs elsewhere, or on the store in --data."""
    from interfaces.dicom.listener import listen as run

    token = shown(server, token_file, client_id, client_key)
    if token is not None:  # which only a secured server asks for
        settings = msgspec.structs.replace(settings, security="smart")
    listening = bind(settings)
    print(banner(settings, listening), file=sys.stderr, flush=True)
    run(settings, listening, functools.partial(opened, settings, server, token))


@contextlib.asynccontextmanager
async def opened(settings: Settings, server: str = "", token: ShownToken | None = None) -> AsyncIterator[FhirClient]:
    """The FHIR server as the archive calls it: on a store of this machine by its name, which the audit log then has."""
    from fhir_server.client import ApartClient, NamedClient

    if server:
        async with client(server, settings, existing=False, token=token) as found:
            if not audited(settings):
                yield found
                return
            from fhir_server.bootstrap import opened_audit
            from fhir_server.bootstrap.machine import now

            with opened_audit(settings) as log:
                yield ApartClient(found, log, now)
        return
    async with store(settings, existing=False) as own:
        yield NamedClient(own, "DICOM")


def bind(settings: Settings) -> socket.socket:
    """The socket that associations are accepted on."""
    return listen_on(settings.dicom_host or settings.host, settings.dicom_port, "--dicom-port")


def banner(settings: Settings, listening: socket.socket) -> str:
    """What a modality is configured with."""
    from interfaces.dicom.configuration import Configuration, peers_alone

    host, port = listening.getsockname()[:2]
    told = f"DICOM        {settings.dicom_ae_title} at {host}:{port}"
    if peers_alone(settings):
        configuration = Configuration(settings)
        named = "" if configuration.peers().peer else ", which names none yet: every association is rejected"
        return f"{told}, for the peers of {configuration.path} alone{named}"
    if settings.security == "open":
        return told
    return f"{told}, for whoever reaches it, without a token, as dicom_known_peers_only = false has it"


@contextlib.contextmanager
def beside(settings: Settings, *others: socket.socket) -> Iterator[str]:
    """The DICOM listener in a process beside `hms serve`, where the settings want one; gives its line of the banner.

    others: sockets that are not for it.
    """
    if not settings.dicom:
        yield ""
        return
    from interfaces.dicom.listener import beside as process

    listening = bind(settings)
    with process(settings, listening, functools.partial(opened, settings), others):
        yield banner(settings, listening)
