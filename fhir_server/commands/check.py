"""hms check: is the store whole?"""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.settings import Settings


def check(
    data: Data = None,
    config: Config = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what can be.")] = False,
) -> None:
    """Check that every current resource has its version, its index values and its place in the change feed.

    Where an audit log is kept, check that it is as it was written.

    Prints one line for each finding. The exit code is 0 for a whole store, 1 where something is wrong after it.
    """
    left = asyncio.run(_check(load({"data": data}, config=config), repair))
    if left:
        raise typer.Exit(1)


async def _check(settings: Settings, repair: bool) -> int:
    from fhir_server.commands.opening import store

    async with store(settings) as server:
        findings = await server.check(repair)
    for finding in findings:
        print(f"{finding.about}: {finding.problem}{' (repaired)' if finding.repaired else ''}")
    left = sum(not finding.repaired for finding in findings)
    if not findings:
        print("The store is whole.", file=sys.stderr)
    elif not left:
        print(f"{len(findings)} found, all repaired.", file=sys.stderr)
    else:
        hint = "" if repair else "; hms check --repair puts right what can be"
        print(f"{left} wrong{hint}.", file=sys.stderr)
    return left
