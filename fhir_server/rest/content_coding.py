"""Answers packed with gzip (RFC 9110, 8.4 and 12.5.3)."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

from fhir_server.core.settings import Settings
from fhir_server.rest.encode import Answer

FROM = 24 * 1024  # bytes; below, packing costs more time than it saves on a hospital's network
BESIDE_FROM = 256 * 1024  # bytes whose packing would hold up whoever else is served
LEVEL = 1
KEPT_LEVEL = 9  # of what is packed once
LOOPBACK = ("127.0.0.1", "::1")
MOST_KEPT = 8  # bodies with what they are packed to

_packed: dict[bytes, bytes] = {}  # bodies that are sent again and again


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip; * speaks for it only where nothing else does."""
    allowed = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameters = part.partition(";")
        quality = parameters.replace(" ", "").removeprefix("q=")
        allowed[coding.strip()] = not quality or quality.strip("0.") != ""
    return allowed.get("gzip", allowed.get("x-gzip", allowed.get("*", False)))


def worth_it(answer: Answer, scope: dict[str, Any], settings: Settings) -> bool:
    """Whether an answer may be packed: it is not small, and the caller not on this machine, unless as a proxy."""
    if len(answer.body) < FROM:
        return False
    client = scope.get("client")
    return client is None or client[0] not in LOOPBACK or settings.trust_proxy


async def coded(answer: Answer, accept_encoding: str) -> Answer:
    """An answer of FROM bytes at least, packed where the caller takes that."""
    if accepts_gzip(accept_encoding):
        packed = _packed.get(answer.body) if answer.kept else None
        answer.body = packed or await _pack(answer.body, answer.kept)
        answer.headers.append((b"content-encoding", b"gzip"))
    return answer


async def _pack(body: bytes, kept: bool) -> bytes:
    level = KEPT_LEVEL if kept else LEVEL
    packed = await asyncio.to_thread(_gzip, body, level) if len(body) >= BESIDE_FROM else _gzip(body, level)
    if kept:
        if len(_packed) >= MOST_KEPT:
            _packed.clear()
        _packed[body] = packed
    return packed


def _gzip(body: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return packer.compress(body) + packer.flush()
