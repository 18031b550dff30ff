"""multipart/related (RFC 2387): parts to bytes as they come, and bytes to parts as they arrive."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator

from fhir_server.core.errors import error
from interfaces.dicom.web.exchange import WebAnswer

LONGEST_HEADERS = 64 * 1024
Part = tuple[list[tuple[str, str]], bytes]


def related(type: str, parts: Iterable[Part]) -> WebAnswer:
    """An answer of parts, made while they are sent."""
    boundary = secrets.token_hex(16)

    def body() -> Iterator[bytes]:
        for headers, content in parts:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            yield f"\r\n--{boundary}\r\n{lines}Content-Length: {len(content)}\r\n\r\n".encode()
            yield content
        yield f"\r\n--{boundary}--\r\n".encode()

    return WebAnswer(200, [("content-type", f'multipart/related; type="{type}"; boundary={boundary}')], body())


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart content type; FhirError where it is none."""
    found = re.search(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', content_type, re.IGNORECASE)
    if not content_type.lower().startswith("multipart/related") or not found:
        raise error(
            "unsupported-media",
            'Send Content-Type: multipart/related; type="application/dicom"; boundary=… with one instance a part.',
        )
    return (found[1] or found[2]).encode()


async def parts_of(
    chunks: AsyncIterator[bytes], boundary: bytes, largest: int
) -> AsyncIterator[tuple[dict[str, str], bytes]]:
    """Each part's headers and content, while the body arrives; FhirError where it is no whole multipart body."""
    delimiter = b"\r\n--" + boundary
    buffer = bytearray(b"\r\n")
    begun = False
    searched = 0
    async for chunk in chunks:
        buffer += chunk
        while True:
            at = buffer.find(delimiter, searched)
            if at < 0:
                searched = max(0, len(buffer) - len(delimiter))
                break
            after = buffer[at + len(delimiter) : at + len(delimiter) + 2]
            if len(after) < 2:
                break
            if begun:
                yield _part(bytes(memoryview(buffer)[:at]))
            begun = True
            del buffer[: at + len(delimiter)]
            searched = 0
            if after == b"--":
                return
            buffer[:] = buffer.lstrip(b" \t")
        if len(buffer) > largest:
            raise error("too-large", f"A part is larger than {largest // 2**20} MiB.")
    raise error("malformed", "The multipart body has no end: its last boundary is missing.")


def _part(content: bytes) -> tuple[dict[str, str], bytes]:
    head, separator, body = content.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if content.startswith(b"\r\n\r\n"):
        return {}, content[4:]
    if not separator or len(head) > LONGEST_HEADERS:
        raise error("malformed", "A part of the multipart body has no empty line after its headers.")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers, body
