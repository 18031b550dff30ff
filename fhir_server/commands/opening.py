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

    existing: FhirError "not-found" where there is no store yet, so that a wrong folder is not made into an empty one;
    lasting: whether it is there to stay.
    """
    from fhir_server import bootstrap
    from fhir_server.storage.sqlite.database import FILE_NAME

    if existing and not settings.mongodb_url and not (settings.data / FILE_NAME).exists():
        raise error("not-found", f"There is no store in {settings.data.resolve()}; name its folder with --data.")
    server = await bootstrap.start(settings, lasting=lasting)
    try:
        yield server
    finally:
        await server.close()


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
