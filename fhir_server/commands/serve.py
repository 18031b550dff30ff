"""hms serve: the server, until it is stopped."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.dicom import beside
from fhir_server.commands.hl7 import announced
from fhir_server.commands.hosting import beside as hosted
from fhir_server.commands.opening import place
from fhir_server.commands.options import environment, with_settings
from fhir_server.commands.sockets import listen
from fhir_server.core.configuration import load, require_places, require_whole
from fhir_server.core.errors import error
from fhir_server.core.garbage import tune
from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings
from fhir_server.rest.http1.stopping import stop_signals

if TYPE_CHECKING:
    from fhir_server.core.sharing import Share
    from fhir_server.rest.app import Application

MOST_WORKERS = 4  # where the setting leaves the number to the machine


@with_settings
def serve(
    settings: Settings,
    samples: Annotated[
        bool, typer.Option("--samples", help="Load the 28 synthetic sample patients first, where they are missing.")
    ] = False,
) -> None:
    """Start the FHIR server. Every option can also be set as HMS_NAME in the environment or in the file of --config."""
    for number in stop_signals():
        signal.signal(number, stopped)
    require_safe(settings)
    require_whole(settings)
    require_places(settings)  # refused here, it is one line
    if settings.tls_certificate or settings.tls_key or settings.tls_clients:
        from fhir_server.rest.http1.tls import context_of

        context_of(settings)  # refused here, it is one line
    if settings.mongodb_url:
        require_distributed(settings)
    else:
        from fhir_server.storage.sqlite.database import FILE_NAME, prepare

        prepare(settings.data / FILE_NAME)  # refused here, it is one line; in a worker it would be three
    if settings.required_profiles:
        asyncio.run(require_profiles(settings))
    listening = listen(settings.host, settings.port)
    messages = announced(settings)
    found = {"port": listening.getsockname()[1], "workers": settings.workers or min(processors(), MOST_WORKERS)}
    settings = load(found, environ=environment(settings))
    if samples:
        from fhir_server.commands.load import load_samples

        load_samples(settings)
    configure(settings)
    os.environ.update(environment(settings))
    from fhir_server.bootstrap import preload

    preload(settings)
    with beside(settings, listening) as dicom, hosted(settings, listening) as subsystems:
        print(banner(settings, samples, dicom, *messages, *subsystems), file=sys.stderr, flush=True)
        run(settings, listening)


def require_safe(settings: Settings) -> None:
    """FhirError "value" where a server without login would answer other machines."""
    if settings.security == "open" and not loopback(settings.host):
        raise error(
            "value",
            f"The server is open, and would answer other machines at {settings.host}. Start it with --security smart "
            "(docs/how-to/security.md), or on 127.0.0.1.",
        )


def run(settings: Settings, listening: socket.socket) -> None:
    """Answers requests on a socket until the process is asked to stop."""
    if settings.workers > 1:
        from fhir_server.rest.http1.workers import keep
        from fhir_server.rest.request_times import FOLDER_VARIABLE

        with tempfile.TemporaryDirectory(prefix="ultimate-hms-") as folder:
            os.environ[FOLDER_VARIABLE] = folder
            started = keep(settings.workers, worker, listening, settings.stop_seconds)
    else:
        started = answer(listening)
    if not started:
        raise typer.Exit(1)


def answer(listening: socket.socket, share: Share | None = None) -> bool:
    """Answers requests in this process, with the settings of the environment; whether it had started."""
    from fhir_server.rest.http1 import serving, tls

    settings = load()
    return serving.run(application, listening, settings.stop_seconds, tls.context_of(settings), share)


def worker(listening: socket.socket, share: Share | None) -> None:
    """One of several processes."""
    from fhir_server.rest.http1.workers import NOT_STARTED

    if not answer(listening, share):
        raise SystemExit(NOT_STARTED)


def require_distributed(settings: Settings) -> None:
    """Makes sure that MongoDB can be used, and its layout; FhirError where it can't."""
    from fhir_server.storage.mongo.database import connect
    from fhir_server.storage.mongo.schema import prepare

    async def look() -> None:
        database = await connect(settings.mongodb_url, settings.mongodb_database)
        try:
            await prepare(database)
        finally:
            await database.close()

    asyncio.run(look())


async def require_profiles(settings: Settings) -> None:
    """FhirError where a profile is required that neither the store nor a package has."""
    from fhir_server.commands.opening import store

    async with store(settings, existing=False):
        pass  # each server on the store refuses it, but only after the banner, and once for each worker


def stopped(number: int, frame: object) -> None:
    """A stop that was asked for is no failure. While the server answers, it takes the signal itself."""
    raise SystemExit(0)


def application() -> Application:
    """The ASGI application of one worker process; its settings are in the environment."""
    from fhir_server import bootstrap

    settings = load()
    configure(settings)
    tune()
    return bootstrap.application(settings)


def banner(settings: Settings, samples: bool, *interfaces: str) -> str:
    """What a person who starts a server sees; interfaces: the lines of those, "" for none."""
    own = settings.origin
    lines = [
        f"FHIR R4      {settings.base_url or own + '/fhir'}",
        f"page         {own}/",
        *filter(None, interfaces),
        f"data         {place(settings)}",
    ]
    if settings.security != "open" and not (settings.base_url or settings.trust_proxy or loopback(settings.host)):
        lines.append("base URL     of whatever Host a request names: set base_url, so that what was signed for another "
                     "server (an assertion, a token) never counts here")  # fmt: skip
    if not samples:
        # a secured server asks who loads
        where = f"--server {own}/fhir" if settings.security == "open" else f"--data {shlex.quote(str(settings.data))}"
        lines.append(f"samples      {program()} load --samples {where}")
    if settings.security == "open":
        lines += ["", "!!! OPEN FOR DEVELOPMENT: no login. Whoever reaches it reads and changes everything. !!!"]
    return "\n".join(["", "Ultimate HMS", "", *lines, ""])


def program() -> str:
    """How a person calls `hms` from here."""
    installed = Path(sys.executable).with_name("hms")
    if not installed.exists():
        return "hms"
    return os.path.relpath(installed) if installed.is_relative_to(Path.cwd()) else str(installed)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in ("localhost", "::1") or host.startswith("127.")
