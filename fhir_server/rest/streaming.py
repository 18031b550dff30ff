"""Answers whose end is not known when they begin, such as server-sent events."""

from __future__ import annotations

import asyncio
from typing import Any

from fhir_server.rest.encode import Answer


async def streamed(answer: Answer, method: str, receive: Any, send: Any) -> None:
    """Sends an answer piece by piece until it ends, its caller is gone, or the server stops."""
    assert answer.stream is not None
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    if method == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    gone = asyncio.ensure_future(_gone(receive))
    pieces = answer.stream
    try:
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        while not gone.done():
            piece = asyncio.ensure_future(anext(pieces, None))
            await asyncio.wait((piece, gone), return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
                break
            body = piece.result()
            if body is None:
                break
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
