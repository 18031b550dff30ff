"""hms dicom: the archive as a process of its own, and what a person does to it."""

from __future__ import annotations

import contextlib
import functools
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.opening import client
from fhir_server.commands.options import Server, with_settings
from fhir_server.commands.sockets import listen as listen_on
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings


class TokenFile:
    """The token in a file, as it is now: another program may put a new one there before the old one ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = (0, 0)
        self._token = ""

    def __call__(self) -> str:
        """The token; FhirError "value" where the file has none."""
        try:
            found = self._path.stat()
            if (found.st_mtime_ns, found.st_size) != self._stamp:
                self._token = self._path.read_text("ascii").strip()
                self._stamp = (found.st_mtime_ns, found.st_size)
        except (OSError, UnicodeError) as problem:
            raise error("value", f"The token file {self._path} can't be read: {problem}.") from problem
        if not self._token:
            raise error("value", f"The token file {self._path} is empty.")
        return self._token


dicom = typer.Typer(help="The DICOM archive: listen, check, import.", no_args_is_help=True)


@dicom.command()
@with_settings
def listen(
    settings: Settings,
    server: Server = "",
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the access token for --server; read again whenever it changes."),
    ] = None,
) -> None:
    """Accept DICOM associations beside a FHIR server that runs elsewhere, or on the store in --data."""
    from interfaces.dicom.listener import listen as run

    shown = TokenFile(token_file) if token_file else ""
    if token_file:
        TokenFile(token_file)()
    listening = bind(settings)
    print(banner(settings, listening), file=sys.stderr, flush=True)
    run(settings, listening, functools.partial(client, server, settings, existing=False, token=shown))


def bind(settings: Settings) -> socket.socket:
    """The socket that associations are accepted on."""
    return listen_on(settings.dicom_host or settings.host, settings.dicom_port)


def banner(settings: Settings, listening: socket.socket) -> str:
    """What a modality is configured with."""
    host, port = listening.getsockname()[:2]
    return f"DICOM        {settings.dicom_ae_title} at {host}:{port}"


@contextlib.contextmanager
def beside(settings: Settings) -> Iterator[str]:
    """The DICOM listener in a process beside `hms serve`, where the settings want one; gives its line of the banner."""
    if not settings.dicom:
        yield ""
        return
    from interfaces.dicom.listener import beside as process

    listening = bind(settings)
    with process(settings, listening, functools.partial(client, "", settings, existing=False)):
        yield banner(settings, listening)
