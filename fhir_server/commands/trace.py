"""hms trace: from a result back to what made it, and forward to what was made of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.commands.subsystem import Token
from fhir_server.core.settings import Settings
from fhir_server.core.settings import load as load_settings

if TYPE_CHECKING:
    from fhir_server.subsystems.tracing import Links, Trace


def trace(
    reference: Annotated[
        str,
        typer.Argument(
            help="Type/ID, journal/NUMBER of billing, or the control id of a message (MSH-10).", show_default=False
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

    found = await _of_billing(server, token, reference) if server else None
    if found is None:
        async with client(server, settings, token=token) as opened:
            with _links(settings, server) as links:
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


async def _of_billing(server: str, token: str, reference: str) -> Trace | None:
    """The trace by billing that is mounted at a server, which knows the journal; None where there is none to ask."""
    import httpx

    from fhir_server.core.errors import error
    from fhir_server.subsystems.tracing import Step, Trace

    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with httpx.AsyncClient(timeout=300, headers=headers) as http:
            at = httpx.URL(server)
            if (await http.get(at.join("/billing/state"))).status_code != 200:
                return None
            answer = await http.get(at.join("/billing/trace"), params={"of": reference})
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
def _links(settings: Settings, server: str) -> Iterator[Links]:
    """Those of billing in the data folder, where it has been kept there."""
    from fhir_server.subsystems.tracing import Ways

    if server or not (settings.data / "subsystems" / "billing.sqlite").exists():
        yield lambda _: Ways()
        return
    from fhir_server.subsystems.billing.mounted import make

    billing = make(settings)
    try:
        yield billing.links
    finally:
        billing.close()
