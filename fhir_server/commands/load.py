"""hms load: files into a server."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from fhir_server.loading.loader import Report


def load(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Resources and Bundles (.json, .xml), .ndjson, folders and archives of them.", show_default=False
        ),
    ] = None,
    server: Server = "",
    data: Data = None,
    config: Config = None,
    samples: Annotated[bool, typer.Option("--samples", help="Load the 28 synthetic sample patients.")] = False,
) -> None:
    """Load resources, Bundles, NDJSON, folders and archives (.zip, .tar, .tar.gz, .tar.zst, .gz, .zst).

    It can be repeated: what is loaded again comes to the same resources. What is refused is listed with its reason,
    the rest is loaded, and the exit code is 1. Where all of it is refused, no new data folder is made.
    """
    from fhir_server.samples import ARCHIVE

    wanted = [*(paths or []), *([ARCHIVE] if samples else [])]
    if not wanted:
        raise typer.BadParameter("name a file or folder to load, or --samples.", param_hint="PATHS")
    if not any(path.exists() for path in wanted):
        raise error("not-found", f"There is no such file or folder: {', '.join(map(str, wanted))}.")
    settings = load_settings({"data": data}, config=config)
    if asyncio.run(_load(settings, server, wanted)).refused:
        raise typer.Exit(1)


def load_samples(settings: Settings) -> None:
    """Loads the sample patients into settings.data unless it has them."""
    asyncio.run(_load_missing_samples(settings))


async def _load_missing_samples(settings: Settings) -> None:
    from fhir_server.api import Request
    from fhir_server.codec import json
    from fhir_server.commands.opening import store
    from fhir_server.samples import ARCHIVE, patient_ids

    wanted = patient_ids()
    query = [("_id", ",".join(wanted)), ("_summary", "count")]
    async with store(settings, existing=False) as server:
        counted = await server.perform(Request("GET", ("Patient",), query))
    if json.decode(counted.body)["total"] == len(wanted):
        return
    await _load(settings, "", [ARCHIVE])


async def _load(settings: Settings, url: str, paths: Sequence[Path]) -> Report:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from fhir_server import definitions
    from fhir_server.commands.opening import client, place
    from fhir_server.loading.loader import Loader
    from fhir_server.loading.sources import Refusal, size

    console = Console(stderr=True, highlight=False, soft_wrap=True)

    def refuse(refusal: Refusal) -> None:
        console.print(f"refused {refusal.name}: {refusal.reason}", markup=False, style="red")

    if not url and _is_to_be_made(settings) and not (tried := await _tried(settings, paths)).loaded:
        for refusal in tried.refused:
            refuse(refusal)
        return _told(console, tried, place(settings))
    columns = (TextColumn("{task.fields[loaded]} resources"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("load", total=size([path for path in paths if path.exists()]) or None, loaded=0)
        loaded = 0

        def show(count: int) -> None:
            nonlocal loaded
            loaded += count
            progress.update(task, loaded=loaded)

        async with client(url, settings, existing=False) as server:
            loader = Loader(server, definitions.load(), on_loaded=show, on_refusal=refuse)
            report = await loader.load(paths, lambda count: progress.advance(task, count))
    return _told(console, report, url or place(settings))


def _told(console: Console, report: Report, place: str) -> Report:
    for name in report.passed:
        console.print(f"passed over {name}: nothing to load", markup=False, style="dim")
    refused = f", {len(report.refused)} refused (see above)" if report.refused else ""
    console.print(f"{report.loaded} resources loaded into {place}{refused}", markup=False)
    return report


def _is_to_be_made(settings: Settings) -> bool:
    """Whether nothing is in the data folder yet."""
    return not settings.mongodb_url and not (settings.data.exists() and any(settings.data.iterdir()))


async def _tried(settings: Settings, paths: Sequence[Path]) -> Report:
    """A load that ends with the first that is taken, into a store that is thrown away: so that a load of which
    everything is refused makes no data folder."""
    from fhir_server import definitions
    from fhir_server.commands.opening import store
    from fhir_server.loading.loader import Loader

    with tempfile.TemporaryDirectory(prefix="hms-load-") as folder:
        async with store(msgspec.structs.replace(settings, data=Path(folder)), existing=False) as server:
            return await Loader(server, definitions.load(), together=1, trial=True).load(paths)
