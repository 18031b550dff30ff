"""From a Response or an error to an ASGI answer."""

from __future__ import annotations

import base64
import email.utils
import functools
import html
from collections.abc import AsyncIterator

from fhir_server.codec import json, xml
from fhir_server.codec.formats import JSON, Format, wants_pretty
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.keys import StoredVersion
from fhir_server.definitions import Definitions
from fhir_server.interactions.request import Request, Response

RETRY_AFTER = b"5"  # seconds, where the error does not say
JSON_TYPE = (b"content-type", JSON.content_type.encode())
NOT_KEPT = (b"cache-control", b"no-store")  # else a browser may show it to whoever comes after
VARY = (b"vary", b"accept, accept-encoding, origin, prefer")  # what a cache between must not answer one for another

# Stored text must never be markup in a browser, so that HTML is JSON to be read, escaped.
_PAGE = (
    b'<!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" lang="en"><head><meta charset="utf-8"/>'
    b"<title>FHIR</title></head><body><pre>%b</pre></body></html>"
)

Headers = list[tuple[bytes, bytes]]


@functools.lru_cache(maxsize=4096)
def http_date(seconds: int) -> bytes:
    """Seconds since 1970 as an HTTP date."""
    return email.utils.formatdate(seconds, usegmt=True).encode()


def version_headers(version: StoredVersion) -> Headers:
    """ETag and Last-Modified."""
    return [
        (b"etag", b'W/"%d"' % version.version),
        (b"last-modified", http_date(version.updated // 1_000_000)),
    ]


class Answer:
    """What is sent: status, headers without the length, and the body; stream: the rest of it, piece by piece.

    kept: the same body is sent again and again (Response).
    """

    __slots__ = ("body", "headers", "kept", "status", "stream")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.stream: AsyncIterator[bytes] | None = None
        self.kept = False


def answer_of(request: Request, response: Response, format: Format, accept: str, definitions: Definitions) -> Answer:
    """The Response in the format and shape that were asked for."""
    headers: Headers = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    version = response.version
    if version is not None:
        headers += version_headers(version)
    if response.location:
        headers.append((b"location", f"{request.base}/{response.location}".encode()))
    if response.content_type:
        headers.append((b"content-type", response.content_type.encode()))
        answer = Answer(response.status, headers, response.body)
        answer.stream = response.stream
        return answer
    written = request.method in ("POST", "PUT", "PATCH") and version is not None
    body = response.body
    if written and request.prefer == "minimal":
        return Answer(response.status, headers, b"")
    if written and request.prefer == "OperationOutcome":
        body = json.serialize(operation_outcome(response.issues))
    if not body:
        return Answer(response.status, headers, b"")
    if version is not None and version.type == "Binary" and not written and not _wants_fhir(accept, request):
        return _binary(response, version, headers)
    body = in_format(body, format, definitions, request)
    headers.append((b"content-type", format.content_type.encode()))
    answer = Answer(response.status, headers, body)
    answer.kept = response.kept
    return answer


def in_format(body: bytes, format: Format, definitions: Definitions, request: Request | None = None) -> bytes:
    """Canonical JSON bytes in the format that was asked for, spread over lines with _pretty."""
    pretty = request is not None and any(wants_pretty(value) for name, value in request.query if name == "_pretty")
    if format.name == "xml":
        return xml.serialize(json.decode(body), definitions, pretty=pretty)
    if format.name == "html":
        return _PAGE % html.escape(json.pretty(body).decode()).encode()
    return json.pretty(body) if pretty else body


def error_answer(problem: FhirError, format: Format, definitions: Definitions) -> Answer:
    """An OperationOutcome."""
    headers: Headers = [
        (name.lower().encode(), (_allowed(value) if name == "Allow" else value).encode("latin-1", "replace"))
        for name, value in problem.headers.items()
    ]
    if problem.status in (429, 503) and "Retry-After" not in problem.headers:
        headers.append((b"retry-after", RETRY_AFTER))
    body = in_format(json.serialize(operation_outcome(problem.issues)), format, definitions)
    headers.append((b"content-type", format.content_type.encode()))
    return Answer(problem.status, headers, body)


def _allowed(methods: str) -> str:
    """An Allow header with what goes everywhere: HEAD where GET does, and OPTIONS."""
    names = methods.split(", ")
    if "GET" in names and "HEAD" not in names:
        names.insert(names.index("GET") + 1, "HEAD")
    if "OPTIONS" not in names:
        names.append("OPTIONS")
    return ", ".join(names)


def failure() -> FhirError:
    """What is told of a fault of the server's own, whose log has more; it may have come after a commit."""
    return error(
        "exception",
        "The server failed to answer; the failure is in its log. Before you send a change again, look whether it was "
        "stored.",
    )


def _wants_fhir(accept: str, request: Request) -> bool:
    return (
        "fhir" in accept
        or "json" in accept
        or "xml" in accept.replace("xhtml+xml", "")
        or any(n == "_format" for n, _ in request.query)
    )


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _binary(response: Response, version: StoredVersion, headers: Headers) -> Answer:
    """The content itself (https://hl7.org/fhir/R4/binary.html#rest)."""
    resource = json.decode(version.body)
    content = base64.b64decode(resource.get("data", ""))
    headers.append(
        (b"content-type", str(resource.get("contentType", "application/octet-stream")).encode("latin-1", "replace"))
    )
    headers.append((b"x-content-type-options", b"nosniff"))
    headers.append((b"content-security-policy", b"sandbox; default-src 'none'"))
    security = resource.get("securityContext", {}).get("reference")
    if security:
        headers.append((b"x-security-context", _latin(security)))
    return Answer(response.status, headers, content)
