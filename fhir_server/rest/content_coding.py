"""Answers packed with gzip (RFC 9110, 8.4 and 12.5.3)."""

from __future__ import annotations

import asyncio
import zlib

from fhir_server.rest.encode import Answer

FROM = 24 * 1024  # bytes; below, packing costs more time than it saves on a hospital's network
BESIDE_FROM = 256 * 1024  # bytes whose packing would hold up whoever else is served
VARY = (b"vary", b"accept, accept-encoding")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip; * speaks for it only where nothing else does."""
    allowed = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        quality = parameters.replace(" ", "").removeprefix("q=")
        allowed[coding.strip()] = not quality or quality.strip("0.") != ""
    return allowed.get("gzip", allowed.get("x-gzip", allowed.get("*", False)))


async def coded(answer: Answer, accept_encoding: str) -> Answer:
    """An answer of FROM bytes at least, packed where the caller takes that."""
    answer.headers.append(VARY)
    if accepts_gzip(accept_encoding):
        body = answer.body
        answer.body = await asyncio.to_thread(_gzip, body) if len(body) >= BESIDE_FROM else _gzip(body)
        answer.headers.append((b"content-encoding", b"gzip"))
    return answer


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()
