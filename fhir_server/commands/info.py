"""hms info: what is installed, and what a store has."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from importlib.metadata import version

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load
from fhir_server.core.settings import Settings


def product() -> str:
    """What is installed, with its version."""
    return f"Ultimate HMS {version('ultimate-hms')}, FHIR R4 (4.0.1)"


def info(data: Data = None, config: Config = None) -> None:
    """Show versions, the store's place and size, and how many resources of each type it has."""
    settings = load({"data": data}, config=config)
    print(product())
    print(
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()} {platform.machine()}"
    )
    asyncio.run(_info(settings))


async def _info(settings: Settings) -> None:
    from fhir_server.commands.opening import place, store

    async with store(settings) as server:
        counts = await server.environment.index.counts()
        head = await server.environment.feed.head()
    size = sum(file.stat().st_size for file in settings.data.glob("*.sqlite*"))
    kept = "" if settings.mongodb_url else f"{size / 2**20:,.1f} MiB, "
    print(f"store {place(settings)}: {kept}{sum(counts.values()):,} resources, change {head:,}")
    for type, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        print(f"{count:>12,} {type}")
