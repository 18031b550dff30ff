"""hms reindex: all search values anew."""

from __future__ import annotations

import asyncio

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.settings import Settings


def reindex(data: Data = None, config: Config = None) -> None:
    """Make the search values of every resource anew, beside a running server if there is one.

    With Elasticsearch a whole new index is built from the store; searches ask it once it has everything.
    """
    asyncio.run(_reindex(load({"data": data, "projecting": True}, config=config)))


async def _reindex(settings: Settings) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from fhir_server.commands.opening import store

    console = Console(stderr=True, highlight=False)
    async with store(settings) as server:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("changes", total=None)
            reached = await server.reindex(lambda done, of: progress.update(task, completed=done, total=of))
    console.print(f"All resources are indexed, up to change {reached}.")
