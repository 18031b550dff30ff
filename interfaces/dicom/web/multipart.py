"""multipart/related (RFC 2387): parts to bytes as they come, and bytes to parts as they arrive."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import structlog

from fhir_server.codec import json
from fhir_server.core.errors import FhirError, error, operation_outcome
from interfaces.dicom.web.exchange import WebAnswer

LONGEST_HEADERS = 64 * 1024
MOST_PADDING = 1024  # bytes behind a boundary in its line
Headers = list[tuple[str, str]]
Part = tuple[Headers, bytes | Callable[[], bytes]]  # headers, and the content or what makes it
Received = tuple[dict[str, str], AsyncIterator[bytes]]

log = structlog.get_logger("dicom")


def related(type: str, parts: Iterable[Part]) -> WebAnswer:
    """An answer of parts, made while they are sent: one that can't be is an OperationOutcome in its place, and the
    answer's own where none can be."""
    boundary = secrets.token_hex(16)

    def body() -> Iterator[bytes]:
        for headers, content in _made(parts):
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            yield f"\r\n--{boundary}\r\n{lines}Content-Length: {len(content)}\r\n\r\n".encode()
            yield content
        yield f"\r\n--{boundary}--\r\n".encode()

    return WebAnswer(200, [("content-type", f'multipart/related; type="{type}"; boundary={boundary}')], body())


def _made(parts: Iterable[Part]) -> Iterator[tuple[Headers, bytes]]:
    """The parts with their contents; FhirError where none of them can be made."""
    failed: list[tuple[Headers, bytes]] | None = []  # before the first that could be made, None after it
    problem = None
    for headers, content in parts:
        try:
            made = headers, content() if callable(content) else content
        except FhirError as why:
            log.error("a part of an answer could not be made", problem=str(why), part=dict(headers))
            made, problem = _refused(headers, why), problem or why
            if failed is not None:
                failed.append(made)
                continue
        if failed is not None:
            yield from failed
            failed = None
        yield made
    if failed and problem is not None:
        raise problem


def _refused(headers: Headers, problem: FhirError) -> tuple[Headers, bytes]:
    """Why a part is not there, in its place."""
    others = [(name, value) for name, value in headers if name != "Content-Type"]
    outcome = json.serialize(operation_outcome(problem.issues))
    return [("Content-Type", "application/fhir+json"), *others], outcome


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart content type; FhirError where it is none."""
    found = re.search(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', content_type, re.IGNORECASE)
    if not content_type.lower().startswith("multipart/related") or not found:
        raise error(
            "unsupported-media",
            'Send Content-Type: multipart/related; type="application/dicom"; boundary=… with one instance a part.',
        )
    return (found[1] or found[2]).encode()


async def parts_of(chunks: AsyncIterator[bytes], boundary: bytes) -> AsyncIterator[Received]:
    """Each part's headers and content, while the body arrives; what is not taken of a content is passed over.

    FhirError where it is no whole multipart body.
    """
    body = _Body(chunks, boundary)
    async for _ in body.content():  # what stands before the first boundary
        pass
    while body.goes_on():
        headers = await body.headers()
        content = body.content()
        yield headers, content
        async for _ in content:
            pass


class _Body:
    """A multipart body as far as it has come and was not taken."""

    def __init__(self, chunks: AsyncIterator[bytes], boundary: bytes) -> None:
        self._chunks = chunks
        self._delimiter = b"\r\n--" + boundary
        self._come = bytearray(b"\r\n")  # for a boundary that stands at the very begin

    async def content(self) -> AsyncIterator[bytes]:
        """What comes before the next boundary, in pieces."""
        at = 0
        while True:
            at = self._come.find(self._delimiter, at)
            if at < 0:  # but one may have begun in the last bytes
                before = len(self._come) - len(self._delimiter) + 1
                if before > 0:
                    yield self._take(before)
                at = 0
                await self._more()
                continue
            boundary = self._is_boundary(at)
            if boundary:
                break
            if boundary is None:
                await self._more()
            else:
                at += 1
        if at:
            yield self._take(at)

    def goes_on(self) -> bool:
        """Takes a boundary; whether a part follows it."""
        del self._come[: len(self._delimiter)]
        if self._come.startswith(b"--"):
            return False
        del self._come[: self._come.index(b"\r\n")]
        return True

    async def headers(self) -> dict[str, str]:
        """The headers of a part, by lower-case name."""
        while True:
            end = self._come.find(b"\r\n\r\n")
            read = self._come[:end] if end >= 0 else self._come
            if len(read) > LONGEST_HEADERS or self._delimiter in read:
                raise error("malformed", "A part of the multipart body has no empty line after its headers.")
            if end >= 0:
                break
            await self._more()
        lines = self._take(end + 4).decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in named}

    def _is_boundary(self, at: int) -> bool | None:
        """Whether the delimiter at a place ends a line (RFC 2046 section 5.1.1); None where that is still to come."""
        at += len(self._delimiter)
        tail = bytes(self._come[at : at + MOST_PADDING])
        padded = tail.lstrip(b" \t")
        if tail.startswith(b"--") or padded.startswith(b"\r\n"):
            return True
        return None if len(tail) < MOST_PADDING and (padded in (b"", b"\r") or tail == b"-") else False

    def _take(self, count: int) -> bytes:
        taken = bytes(memoryview(self._come)[:count])
        del self._come[:count]
        return taken

    async def _more(self) -> None:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            raise error("malformed", "The multipart body has no end: its last boundary is missing.")
        self._come += chunk
