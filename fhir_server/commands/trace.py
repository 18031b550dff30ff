"""hms trace: from a result back to what made it, and forward to what was made of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.commands.subsystem import Token
from fhir_server.core.settings import Settings
from fhir_server.core.settings import load as load_settings


def trace(
    reference: Annotated[
        str, typer.Argument(help="Type/ID, or the control id of a message (MSH-10).", show_default=False)
    ],
    server: Server = "",
    token: Token = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Print what a resource was made of, by which rules and messages, and what was made of it."""
    asyncio.run(_trace(load_settings({"data": data}, config=config), server, token, reference))


async def _trace(settings: Settings, server: str, token: str, reference: str) -> None:
    from fhir_server.commands.opening import client
    from fhir_server.subsystems.tracing import trace as traced

    async with client(server, settings, token=token) as opened:
        found = await traced(opened, reference)
    print(found.reference)
    for title, steps in (("made of", found.back), ("became", found.forward)):
        if steps:
            print(f" {title}")
        for step in steps:
            print(f"  {'  ' * (step.depth - 1)}{step.reference}  {step.how}  {step.said}".rstrip())
    if not found.back and not found.forward:
        print(" nothing: no Provenance tells of it")
    if found.more:
        print(" … and more")
