"""hms subsystem: runs a subsystem by itself, against the store or a server, and makes its store anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings
from fhir_server.core.settings import load as load_settings

if TYPE_CHECKING:
    from fhir_server.subsystems.subsystem import Portion, Subsystem

NAMES = ("analytics",)
WAIT = 30  # seconds of a long poll

subsystem = typer.Typer(help="Run a subsystem by itself, or rebuild what it keeps.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help=f"Which one: {', '.join(NAMES)}.", show_default=False)]


def made(name: str, settings: Settings) -> Subsystem:
    """The subsystem with this name, on its folder in the data folder."""
    if name != "analytics":
        raise error("not-found", f"There is no subsystem {name}; there is {', '.join(NAMES)}.")
    from fhir_server.subsystems.analytics.lake import Lake

    return Lake(settings.data / "lake")


@subsystem.command()
def run(
    name: Name,
    server: Server = "",
    data: Data = None,
    config: Config = None,
    once: Annotated[bool, typer.Option("--once", help="End when everything that there is by now is taken in.")] = False,
) -> None:
    """Follow the change feed, until stopped. What it keeps goes to the data folder."""
    settings = load_settings({"data": data}, config=config)
    asyncio.run(_follow(made(name, settings), settings, server, once))


@subsystem.command()
def rebuild(name: Name, server: Server = "", data: Data = None, config: Config = None) -> None:
    """Drop what a subsystem keeps, and make it anew from the first change of the feed."""
    settings = load_settings({"data": data}, config=config)
    wanted = made(name, settings)
    wanted.drop()
    asyncio.run(_follow(wanted, settings, server, True))


async def _follow(wanted: Subsystem, settings: Settings, server: str, once: bool) -> None:
    from fhir_server.commands.opening import client
    from fhir_server.subsystems.subsystem import catch_up

    def told(portion: Portion) -> None:
        print(f"{wanted.name}: {portion.position} of {portion.head}", flush=True)

    async with client(server, settings) as opened:
        while True:
            await catch_up(opened, wanted, told, 0 if once else WAIT)
            if once:
                print(f"{wanted.name} is at position {wanted.position()}", flush=True)
                return


def folder_of(settings: Settings) -> Path:
    """Where the lake is."""
    return settings.data / "lake"
