"""What applications read of an ASGI request: where it was sent to, its body, query and JSON object.

https://asgi.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from fhir_server.codec import json
from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings

MOST_PARAMETERS = 50


def origin_of(scope: dict[str, Any], headers: dict[str, str], trust_proxy: bool) -> str:
    """Scheme and host as the caller sees them: those that a trusted proxy names, else the request's own.

    A request of HTTP/1.0 needs no Host; the address that it came to is the host then.
    """
    host, scheme = headers.get("host") or _address_of(scope), scope.get("scheme", "http")
    if trust_proxy:
        host = headers.get("x-forwarded-host", host)
        scheme = headers.get("x-forwarded-proto", scheme)
    return f"{scheme}://{host}"


def _address_of(scope: dict[str, Any]) -> str:
    address, port = scope.get("server") or ("", None)
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{port}" if port else host


def text_of(header: str) -> str:
    """What a header says to people, which was taken for Latin-1: most clients send UTF-8, browsers Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def base_of(scope: dict[str, Any], headers: dict[str, str], settings: Settings) -> str:
    """The FHIR base URL as the caller sees it, unless one is set; tokens are for it, whatever asks for them."""
    return settings.base_url or f"{origin_of(scope, headers, settings.trust_proxy)}/fhir"


async def whole_body(receive: Any, limit: int, too_large: str = "") -> bytes:
    """The body; FhirError "malformed" where it breaks off, "too-large" for more bytes than limit, saying too_large."""
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise error("malformed", "The body broke off before its end; send all that Content-Length announces.")
        parts.append(event.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise error("too-large", too_large or f"The body is larger than {limit // 2**20} MiB; send it in parts.")
        if not event.get("more_body"):
            return b"".join(parts)


def query_of(scope: dict[str, Any]) -> dict[str, str]:
    """The query's parameters, of a repeated one the last; FhirError "value" where they can't be read."""
    try:
        return dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=MOST_PARAMETERS, errors="strict"))
    except ValueError as problem:
        raise error(
            "value", f"The query can't be read: it must be UTF-8, at most {MOST_PARAMETERS} parameters."
        ) from problem


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, {} for none; FhirError "malformed" for anything else."""
    found = json.parse_any(body) if body else {}
    if not isinstance(found, dict):
        raise error("malformed", "The body must be a JSON object.")
    return found


def not_possible(method: str, allowed: Sequence[str]) -> FhirError:
    """The error for a method that a path does not have."""
    possible = ", ".join(allowed)
    return error(
        "not-supported", f"{method[:20]} is not possible here; possible: {possible}.", headers={"Allow": possible}
    )
