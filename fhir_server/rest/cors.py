"""Cross-origin requests: SMART apps run in browsers on other origins (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from __future__ import annotations

from fhir_server.core.settings import Settings

EXPOSED = b"ETag, Last-Modified, Location, Content-Location, WWW-Authenticate, Retry-After, X-Request-Id"
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

Headers = list[tuple[bytes, bytes]]


class Cors:
    """Which origins may call, and what they are told."""

    def __init__(self, settings: Settings) -> None:
        self._any = "*" in settings.cors_origins
        self._origins = frozenset(settings.cors_origins)

    def _allowed(self, origin: str) -> Headers:
        if not origin or not (self._any or origin in self._origins):
            return []
        name = b"*" if self._any else origin.encode("latin-1")
        return [(b"access-control-allow-origin", name)]

    def headers(self, origin: str) -> Headers:
        """For an answer to a request from this origin."""
        allowed = self._allowed(origin)
        return [*allowed, (b"access-control-expose-headers", EXPOSED)] if allowed else []

    def preflight(self, headers: dict[str, str]) -> Headers:
        """What the answer to the question before a request has beside them."""
        allowed = self._allowed(headers.get("origin", ""))
        if not allowed:
            return []
        wanted = headers.get("access-control-request-headers", "*")
        return [
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", wanted.encode("latin-1")),
            (b"access-control-max-age", b"600"),
        ]
