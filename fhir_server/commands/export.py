"""hms export: what a server has, as NDJSON files."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fhir_server.commands.options import Config, Data, Server
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error

if TYPE_CHECKING:
    from fhir_server.client import FhirClient

PAGE = 1000  # resources asked for at once


class _Entry(msgspec.Struct):
    resource: msgspec.Raw


class _Searchset(msgspec.Struct):
    entry: list[_Entry] = []


def export(
    folder: Annotated[Path, typer.Argument(help="Where the files go, Type.ndjson each; made where it is missing.")],
    server: Server = "",
    data: Data = None,
    config: Config = None,
    type: Annotated[
        list[str] | None, typer.Option(help="Only this resource type; repeatable.", show_default=False)
    ] = None,
    gz: Annotated[bool, typer.Option("--gz", help="Compress: Type.ndjson.gz.")] = False,
) -> None:
    """Write every current resource as NDJSON, one file for each type. `hms load` reads them back."""
    settings = load_settings({"data": data}, config=config)
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".ndjson.gz" if gz else ".ndjson"
    asyncio.run(_export(settings, server, folder, type or [], suffix))


async def _export(settings: Any, url: str, folder: Path, types: list[str], suffix: str) -> None:
    from fhir_server.commands.opening import client

    async with client(url, settings) as server:
        all = 0
        for type in types or await _types(server):
            file = folder / f"{type}{suffix}"
            count = await _write(server, type, file)
            if count:
                print(f"{count:>10} {file}")
            all += count
    print(f"{all:>10} resources in {folder.resolve()}")


async def _types(server: FhirClient) -> list[str]:
    """The types that the server's CapabilityStatement names."""
    from fhir_server.api import Request

    statement = msgspec.json.decode((await server.perform(Request("GET", ("metadata",)))).body)
    return sorted(resource["type"] for resource in statement["rest"][0]["resource"])


async def _write(server: FhirClient, type: str, file: Path) -> int:
    """Writes beside and renames, so that a file that is there is whole; no file for a type without resources.

    FhirError "unavailable" where it can't be written, for lack of room too.
    """
    part = file.with_name(file.name + ".part")
    count = 0
    try:
        with gzip.open(part, "wb", 6) if file.suffix == ".gz" else part.open("wb") as output:
            async for resource in _resources(server, type):
                output.write(resource + b"\n")
                count += 1
        if count:
            part.replace(file)
        else:
            file.unlink(missing_ok=True)
    except OSError as problem:
        raise error("unavailable", f"{file} can't be written: {problem.strerror or problem}.") from problem
    finally:
        part.unlink(missing_ok=True)
    return count


async def _resources(server: FhirClient, type: str) -> AsyncIterator[bytes]:
    from fhir_server.client import bodies

    async for body in bodies(server, (type,), [("_count", str(PAGE))]):
        for entry in msgspec.json.decode(body, type=_Searchset).entry:
            yield _line(bytes(entry.resource))


def _line(resource: bytes) -> bytes:
    """On one line; other servers may send line breaks."""
    return msgspec.json.format(resource, indent=-1) if b"\n" in resource else resource
