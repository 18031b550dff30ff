"""hms backup and hms restore: the embedded store kept elsewhere, and had back as it was at any moment."""

from __future__ import annotations

import asyncio
import datetime
import signal
import sqlite3
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.errors import PASSING, FhirError, error
from fhir_server.core.repeats import Repeats
from fhir_server.core.settings import Settings

Folder = Annotated[Path, typer.Argument(help="The folder of the backup, best on another disk; made where missing.")]


def backup(
    folder: Folder,
    data: Data = None,
    config: Config = None,
    whole: Annotated[bool, typer.Option("--whole", help="Copy the whole store, not only what has changed.")] = False,
    follow: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", help="Go on, adding what has changed every so many seconds.", min=0, max=86_400
        ),
    ] = 0,
) -> None:
    """Back up the store in --data, beside a running server: the whole of it first, then what has changed since.

    `hms restore` brings back any moment between the first backup and the last.
    """
    asyncio.run(_backup(_embedded(data, config), folder, whole, follow))


def _embedded(data: Path | None, config: Path | None) -> Settings:
    """The settings; FhirError where MongoDB keeps the resources: a file of the data folder is then not the store."""
    settings = load({"data": data}, config=config)
    if settings.mongodb_url:
        raise error(
            "value",
            "mongodb_url is set, so the resources are in MongoDB: back them up with mongodump, have them back with "
            "mongorestore (docs/how-to/operating-distributed.md). For the embedded store in --data leave it out.",
        )
    return settings


async def _backup(settings: Settings, path: Path, whole: bool, follow: float) -> None:
    from fhir_server.backup.folder import BackupFolder
    from fhir_server.backup.taking import back_up
    from fhir_server.commands.opening import store

    stopped = asyncio.Event()
    if follow:
        _stop_by_signals(stopped)
    begun, told_already = False, Repeats()
    async with store(settings) as server:
        while not stopped.is_set():
            try:
                taken = await back_up(server, BackupFolder(path), whole=whole)
            except (FhirError, OSError, sqlite3.Error) as problem:
                if not begun or (isinstance(problem, FhirError) and problem.category not in PASSING):
                    raise
                if told_already.due(str(problem)):
                    print(f"hms: {problem} It is tried again.", file=sys.stderr, flush=True)
            else:
                if taken.whole or taken.changes or not follow:
                    what = "the whole store" if taken.whole else f"{taken.changes} changes"
                    print(f"{what}, up to change {taken.until}", file=sys.stderr, flush=True)
                begun, whole = True, False
            if not follow:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), follow)


def _stop_by_signals(stopped: asyncio.Event) -> None:
    """SIGINT, be it ignored as of a shell's background job, and SIGTERM end a backup that follows once what is under
    way is written; a second one ends it at once."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        stopped.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, stop)


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder of the backup.")],
    data: Data = None,
    config: Config = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="The moment, such as 2026-11-26T14:05:00Z; else the latest.", show_default=False
        ),
    ] = "",
) -> None:
    """Make a store in --data, a new folder, as it was at a moment, and check it.

    One that was broken off leaves half a store that nothing starts on; the same command again makes it anew.
    """
    moment = _moment(at) if at else None
    if not asyncio.run(_restore(_embedded(data, config), folder, moment)):
        raise typer.Exit(1)


def _moment(text: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise error("value", f"{text!r} is no time; write it as 2026-11-26T14:05:00Z.") from None
    if moment.tzinfo is None:
        raise error("value", f"{text!r} has no time zone; add Z or one such as +01:00.")
    return int(moment.timestamp() * 1_000_000)


async def _restore(settings: Settings, path: Path, at: int | None) -> bool:
    from fhir_server import bootstrap
    from fhir_server.backup.folder import BackupFolder
    from fhir_server.backup.restoring import restore as run
    from fhir_server.commands.opening import store
    from fhir_server.core.keys import instant

    begun = time.monotonic()
    done = await run(BackupFolder(path), settings.data, lambda: bootstrap.start(settings, restoring=True), at)
    async with store(settings) as server:
        findings = await server.check()
        if findings and all(finding.indexed for finding in findings):
            print("What is indexed is of an older program; it is made anew.", file=sys.stderr)
            await server.reindex()
            findings = await server.check()
    for finding in findings:
        print(f"{finding.about}: {finding.problem}")
    took = time.monotonic() - begun
    print(
        f"The store is as it was at {instant(done.updated)}: {done.changes} changes applied after the whole copy, "
        f"{took:.1f} s. {'It is whole.' if not findings else 'It is not whole; hms check --repair may help.'}",
        file=sys.stderr,
    )
    return not findings
