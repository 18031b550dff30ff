"""hms trace: from a result back to what made it, and forward to what was made of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.commands.subsystem import Token
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.subsystems.tracing import Links, Trace


def trace(
    reference: Annotated[
        str,
        typer.Argument(
            help="Type/ID, journal/NUMBER of billing, indicator/NAME/MONTH, or the control id of a message (MSH-10).",
            show_default=False,
        ),
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

    found = await _of_mounted(server, token, reference) if server else None
    if found is None:
        async with client(server, settings, token=token) as opened:
            with _links(settings, server, reference) as links:
                found = await traced(opened, reference, links)
    print(found.reference)
    for title, steps in (("made of", found.back), ("became", found.forward)):
        if steps:
            print(f" {title}")
        for step in steps:
            print(f"  {'  ' * (step.depth - 1)}{step.reference}  {step.how}  {step.said}".rstrip())
    if not found.back and not found.forward:
        print(" nothing: nothing tells of it")
    if found.more:
        print(" … and more")


def _knows(reference: str) -> str:
    """The subsystem that knows most of a reference: analytics its indicators, billing its journal."""
    return "analytics" if reference.startswith("indicator/") else "billing"


async def _of_mounted(server: str, token: str, reference: str) -> Trace | None:
    """The trace by the subsystem that knows most of it, where it is mounted at a server; None where it is not."""
    import httpx

    from fhir_server.core.errors import error
    from fhir_server.subsystems.tracing import Step, Trace

    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx.AsyncClient(timeout=300, headers=headers) as http:
            at = httpx.URL(server).join(f"/{_knows(reference)}/")
            if (await http.get(at.join("state"))).status_code != 200:
                return None
            answer = await http.get(at.join("trace"), params={"of": reference})
            said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    if answer.status_code == 404:
        raise error("not-found", said["issue"][0]["diagnostics"])
    if answer.status_code != 200:
        return None
    back, forward = ([Step(**step) for step in said[way]] for way in ("back", "forward"))
    return Trace(said["reference"], back, forward, said["more"])


@contextlib.contextmanager
def _links(settings: Settings, server: str, reference: str) -> Iterator[Links]:
    """Those of the subsystem that knows most of a reference, where it has been kept in the data folder."""
    from fhir_server.subsystems.registry import registered
    from fhir_server.subsystems.tracing import Ways

    name = _knows(reference)
    kept = {"analytics": settings.data / "lake", "billing": settings.data / "subsystems" / "billing.sqlite"}[name]
    if server or not kept.exists():
        yield lambda _: Ways()
        return
    subsystem: Any = registered(name).make(settings)
    try:
        yield subsystem.links
    finally:
        getattr(subsystem, "close", lambda: None)()
