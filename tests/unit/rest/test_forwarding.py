"""What a process beside the server answers goes out once it is in the audit log, and only to whoever may pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.errors import error
from fhir_server.core.ports import Caller
from fhir_server.core.settings import Settings
from fhir_server.rest.forwarding import Forwarding

pytestmark = pytest.mark.anyio

DOC = Caller(name="doc")
BODY = b'{"patient":"Patient/1"}'


@asynccontextmanager
async def answering(socket: Path) -> AsyncIterator[None]:
    """While a process answers BODY on a socket."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY))
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(answer, socket):
        yield


async def asked(forwarding: Forwarding, path: str) -> tuple[int, bytes]:
    """The status and body of a GET."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await forwarding({"path": path, "method": "GET", "headers": [], "query_string": b""}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_each_request_is_told_with_what_was_given(tmp_path: Path) -> None:
    told: list[tuple[str, str, int, bytes]] = []

    async def allow(scope: dict[str, Any]) -> Caller:
        if scope["path"].endswith("/secret"):
            raise error("forbidden", "This is not for you.")
        return DOC

    async def note(scope: dict[str, Any], caller: Caller, status: int, given: bytes) -> None:
        told.append((scope["path"], caller.name, status, given))

    forwarding = Forwarding(str(tmp_path / "s"), "/billing", Settings(), allow, note)
    async with answering(tmp_path / "s"):
        assert await asked(forwarding, "/billing/journal") == (200, BODY)
        assert await asked(forwarding, "/billing/state") == (200, BODY)
        assert (await asked(forwarding, "/billing/secret"))[0] == 403
        assert (await asked(forwarding, "/billing/../workforce/people"))[0] == 404
    assert (await asked(forwarding, "/billing/journal"))[0] == 503
    assert [each[:3] for each in told] == [
        ("/billing/journal", "doc", 200),
        ("/billing/secret", "anonymous", 403),
        ("/billing/../workforce/people", "doc", 404),
        ("/billing/journal", "doc", 503),
    ]
    assert told[0][3] == BODY


async def test_nothing_is_given_that_can_not_be_told(tmp_path: Path) -> None:
    async def allow(scope: dict[str, Any]) -> Caller:
        return DOC

    async def note(*of: Any) -> None:
        raise error("unavailable", "The audit log can't be written.")

    async with answering(tmp_path / "s"):
        status, body = await asked(
            Forwarding(str(tmp_path / "s"), "/billing", Settings(), allow, note), "/billing/work"
        )
    assert status == 503 and b"Patient/1" not in body
