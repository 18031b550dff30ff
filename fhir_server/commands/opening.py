"""The server that a command works on: one behind a URL, or the store of a data folder in this process."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.api import FhirServer
    from fhir_server.client import FhirClient, ShownToken


@asynccontextmanager
async def store(settings: Settings, *, existing: bool = True, lasting: bool = False) -> AsyncIterator[FhirServer]:
    """A server on settings.data in this process; other processes may use the store meanwhile.

    existing: FhirError "not-found" where there is no store yet, so that a wrong folder or database is not made into an
    empty one; lasting: whether it is there to stay.
    """
    from fhir_server import bootstrap

    if existing and not await _is_there(settings):
        how = "its database with mongodb_database" if settings.mongodb_url else "its folder with --data"
        raise error("not-found", f"There is no store in {place(settings)}; name {how}.")
    server = await bootstrap.start(settings, lasting=lasting)
    try:
        yield server
    finally:
        await server.close()


async def _is_there(settings: Settings) -> bool:
    if not settings.mongodb_url:
        from fhir_server.storage.sqlite.database import FILE_NAME

        return (settings.data / FILE_NAME).exists()
    from fhir_server.storage.mongo.database import connect
    from fhir_server.storage.mongo.schema import is_there

    database = await connect(settings.mongodb_url, settings.mongodb_database)
    try:
        return await is_there(database)
    finally:
        await database.close()


@asynccontextmanager
async def client(
    url: str, settings: Settings, *, existing: bool = True, token: ShownToken | str | None = None
) -> AsyncIterator[FhirClient]:
    """The server at a URL, that a token is shown to where there is one; with "" the store in settings.data."""
    if not url:
        async with store(settings, existing=existing) as server:
            yield server
        return
    from fhir_server.client import GivenToken, HttpClient

    http = HttpClient(url, token=(GivenToken(token) if token else None) if isinstance(token, str) else token)
    try:
        yield http
    finally:
        await http.close()


def place(settings: Settings) -> str:
    """Where the resources are; without the login that the URL may have."""
    if not settings.mongodb_url:
        return str(settings.data.resolve())
    return f"{re.sub('//[^/@]*@', '//', settings.mongodb_url)}, database {settings.mongodb_database}"
