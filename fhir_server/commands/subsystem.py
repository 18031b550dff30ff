"""hms subsystem: runs a subsystem by itself, against the store or a server, and makes its store anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fhir_server.commands.hosting import FOLDER, alone
from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.logs import configure
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.subsystems.registry import Registered
    from fhir_server.subsystems.subsystem import Portion

subsystem = typer.Typer(help="Run a subsystem by itself, or rebuild what it keeps.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Which one: analytics, billing, workforce.", show_default=False)]
Token = Annotated[
    str,
    typer.Option(
        help="Access token that the server is shown; it needs system/*.cruds.", envvar="FHIR_TOKEN", show_default=False
    ),
]


@subsystem.command()
def run(
    name: Name,
    server: Server = "",
    token: Token = "",
    data: Data = None,
    config: Config = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port of its page and its endpoints, on 127.0.0.1; 0 takes a free one.", min=0, max=65535),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when everything that there is by now is taken in.")] = False,
) -> None:
    """Follow the change feed, until stopped. What it keeps goes to the data folder."""
    from fhir_server.commands.sockets import listen
    from fhir_server.subsystems.registry import registered

    settings = load_settings({"data": data}, config=config)
    wanted = registered(name)
    if once:
        asyncio.run(_settled(wanted, settings, server, token))
        return
    configure(settings)
    settings = msgspec.structs.replace(settings, subsystems=(name,))
    listening = listen("127.0.0.1", port or 0)
    if port is not None:
        print(f"{name}: http://127.0.0.1:{listening.getsockname()[1]}/{name}/", flush=True)
    alone(settings, listening, server, token)


@subsystem.command()
def rebuild(name: Name, server: Server = "", token: Token = "", data: Data = None, config: Config = None) -> None:
    """Drop what a subsystem keeps, and make it anew from the first change of the feed."""
    from fhir_server.subsystems.registry import registered

    settings = load_settings({"data": data}, config=config)
    asyncio.run(_settled(registered(name), settings, server, token, anew=True))


async def _settled(wanted: Registered, settings: Settings, server: str, token: str, anew: bool = False) -> None:
    from fhir_server.bootstrap import now
    from fhir_server.commands.opening import client
    from fhir_server.subsystems.following import held
    from fhir_server.subsystems.subsystem import read, settle

    def told(portion: Portion) -> None:
        print(f"{wanted.name}: {portion.position} of {portion.head}", flush=True)

    async with client(server, settings, token=token) as opened:
        await read(opened, 0, ())  # where there is no server, nothing is made or dropped
        with held(settings.data / FOLDER, wanted.name):
            made = wanted.make(settings)
            if anew:
                made.drop()
            await settle(opened, made, now(), told)
    print(f"{wanted.name} is at position {made.position()}", flush=True)
