"""The message log as commands see it: of a running server by HTTP, or of the store in a data folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from fhir_server.codec import json
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings


class MessageLog(Protocol):
    """What commands do; messages are as the routes under /hl7 give them."""

    async def list(self, query: dict[str, str]) -> list[dict[str, Any]]:
        """Messages that the query of /hl7/messages asks for."""
        ...

    async def show(self, id: int) -> dict[str, Any]:
        """A message."""
        ...

    async def replay(self, id: int, reason: str) -> None:
        """Applies it anew."""
        ...

    async def replay_range(self, query: dict[str, str], reason: str) -> int:
        """Applies a range anew; how many."""
        ...

    async def correct(self, id: int, content: bytes, reason: str) -> None:
        """Applies it anew with other content."""
        ...

    async def dismiss(self, id: int, reason: str) -> None:
        """Puts it aside."""
        ...


class _Stored:
    """Of the store in the data folder; a server that runs on it applies what is opened again."""

    def __init__(self, desk: Any) -> None:
        self._desk = desk

    async def list(self, query: dict[str, str]) -> list[dict[str, Any]]:
        from interfaces.hl7v2.http.routes import wanted_of
        from interfaces.hl7v2.http.views import message_row

        return [message_row(each) for each in await self._desk.list(wanted_of(query))]

    async def show(self, id: int) -> dict[str, Any]:
        from interfaces.hl7v2.http.views import message_view

        return message_view(await self._desk.show(id), await self._desk.raw(id))

    async def replay(self, id: int, reason: str) -> None:
        await self._desk.replay(id, reason)

    async def replay_range(self, query: dict[str, str], reason: str) -> int:
        from interfaces.hl7v2.http.routes import wanted_of

        return await self._desk.replay_range(wanted_of(query), reason)

    async def correct(self, id: int, content: bytes, reason: str) -> None:
        await self._desk.correct(id, content, reason)

    async def dismiss(self, id: int, reason: str) -> None:
        await self._desk.dismiss(id, reason)


class _Served:
    """Of a running server."""

    def __init__(self, http: Any) -> None:
        self._http = http

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        import httpx

        try:
            answer = await self._http.request(method, path, **options)
        except httpx.HTTPError as problem:
            raise error("unavailable", f"{self._http.base_url} did not answer: {problem}.") from problem
        if answer.status_code >= 400:
            try:
                told = " ".join(issue["diagnostics"] for issue in answer.json()["issue"])
            except (ValueError, KeyError, TypeError):
                told = f"{answer.url} answered {answer.status_code}; does the server have an HL7 v2 interface?"
            raise error("value", told)
        return json.parse_any(answer.content)

    async def list(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return (await self._call("GET", "/hl7/messages", params=query))["messages"]

    async def show(self, id: int) -> dict[str, Any]:
        return await self._call("GET", f"/hl7/messages/{id}")

    async def replay(self, id: int, reason: str) -> None:
        await self._call("POST", f"/hl7/messages/{id}/replay", json={"reason": reason})

    async def replay_range(self, query: dict[str, str], reason: str) -> int:
        return (await self._call("POST", "/hl7/messages/replay", json={**query, "reason": reason}))["replayed"]

    async def correct(self, id: int, content: bytes, reason: str) -> None:
        await self._call("POST", f"/hl7/messages/{id}/correct", params={"reason": reason}, content=content)

    async def dismiss(self, id: int, reason: str) -> None:
        await self._call("POST", f"/hl7/messages/{id}/dismiss", json={"reason": reason})


@asynccontextmanager
async def opened(server: str, settings: Settings) -> AsyncIterator[MessageLog]:
    """The log of a server, with "" the one of the data folder; FhirError "not-found" where there is none."""
    if server:
        import httpx

        from fhir_server.client import base_url

        async with httpx.AsyncClient(base_url=base_url(server).removesuffix("/fhir"), timeout=60) as http:
            yield _Served(http)
        return
    from fhir_server.bootstrap import now
    from interfaces.hl7v2.assembly import interfaces_file, message_store
    from interfaces.hl7v2.desk import Desk
    from interfaces.hl7v2.messages.sqlite.store import FILE_NAME

    interfaces = interfaces_file(settings)
    if not interfaces.store and not (settings.data / FILE_NAME).exists():
        raise error(
            "not-found", f"There is no message store in {settings.data.resolve()}; name its folder with --data."
        )
    store = await message_store(settings, interfaces, now)
    try:
        yield _Stored(Desk(store, now))
    finally:
        await store.close()
