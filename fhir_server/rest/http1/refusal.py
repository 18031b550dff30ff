"""Requests that never reach the application: what is wrong with them, as an OperationOutcome."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import serialize
from fhir_server.core.errors import Issue, operation_outcome


class Refusal(Exception):
    """A request that can't be taken. status: of HTTP; code: an issue type; text: what to change.

    It is an ASGI application too, the one that answers such a request.
    """

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self._status = status
        self._body = serialize(operation_outcome([Issue("error", code, text)]))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        headers = [
            (b"content-type", b"application/fhir+json; charset=utf-8"),
            (b"content-length", b"%d" % len(self._body)),
        ]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


def malformed(reason: str) -> Refusal:
    """For what is no HTTP/1.1; reason: without a full stop."""
    hint = " Write blanks and letters beyond ASCII in an address as %20, %C3%A9 …" if "url" in reason else ""
    return Refusal(400, "structure", f"The request is not well-formed HTTP/1.1: {reason}.{hint}")


FAILED = Refusal(500, "exception", "The server failed to answer; the failure is in its log.")
LATE = Refusal(408, "timeout", "The request did not arrive in time; send it without pauses.")
TOO_MANY = Refusal(400, "too-costly", "Too many requests were sent before the first was answered; wait for answers.")
TUNNEL = Refusal(405, "not-supported", "This is no proxy: CONNECT is not possible.")
VERSION = Refusal(505, "not-supported", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
CODING = Refusal(501, "not-supported", "Transfer-Encoding may only be chunked; to pack a body, use Content-Encoding.")


def too_long(limit: int) -> Refusal:
    """For an address and headers that together pass the limit, in bytes."""
    return Refusal(
        431, "too-long", f"Address and headers are longer than {limit // 1024} KiB; search with POST [type]/_search."
    )
