"""One HTTP request to the authorization server and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

import msgspec

from fhir_server.api import FhirServer
from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError, error
from fhir_server.rest.decode import address_of, headers_of, pairs, read_body
from fhir_server.rest.encode import Answer
from fhir_server.security.credentials import PAGE_COOKIE, SESSION_COOKIE, cookie
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.places import LIFE, browser_of

NO_STORE = [(b"cache-control", b"no-store"), (b"pragma", b"no-cache")]
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; frame-ancestors 'none'"
PAGE = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"x-frame-options", b"DENY"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
LONGEST_BODY = 256 * 1024
BROWSER_COOKIE = "hms_browser"  # below /auth, for as long as a browser is known after a sign-in


class Exchange:
    """What came. base: the FHIR base URL as the caller sees it; form: query and body, a name twice is refused."""

    def __init__(self, scope: dict[str, Any], server: FhirServer, base: str) -> None:
        self.scope = scope
        self.server = server
        self.security = server.security
        self.base = base
        self.issuer = base.removesuffix("/fhir")
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = headers_of(scope)
        self.form: dict[str, str] = {}
        self.lists: dict[str, list[str]] = {}

    async def read(self, receive: Any) -> None:
        """Takes in query and body; OAuthError "invalid_request" where they can't be read."""
        given = _pairs(self.scope["query_string"], "query")
        self.json: Any = None
        if self.method == "POST":
            body = await read_body(receive, self.headers, self.server.settings)
            if len(body) > LONGEST_BODY:
                raise OAuthError("invalid_request", "The body is too large.", 413)
            media = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media == "application/x-www-form-urlencoded":
                given += _pairs(body, "body")
            elif media == "application/json":
                self.json = _json(body)
            elif body:
                raise OAuthError("invalid_request", "Send application/x-www-form-urlencoded.", 415)
        for name, value in given:
            self.lists.setdefault(name, []).append(value)
        self.form = {name: values[-1] for name, values in self.lists.items()}

    def require_single(self) -> None:
        """OAuthError where a parameter is there twice (RFC 6749, section 3.1)."""
        twice = next((name for name, values in self.lists.items() if len(values) > 1), "")
        if twice:
            raise OAuthError("invalid_request", f"{twice[:40]} is there more than once.")

    def require_in_body(self) -> None:
        """OAuthError where a parameter is in the URL (RFC 6749, section 2.3.1)."""
        if self.scope["query_string"]:
            raise OAuthError(
                "invalid_request", "Send parameters in the body: URLs, and secrets in them, end up in logs."
            )

    async def require_scopes(self, scopes: str) -> None:
        """OAuthError "invalid_scope" for one whose criteria mean nothing here."""
        try:
            await self.server.require_scopes(scopes)
        except FhirError as problem:
            raise OAuthError("invalid_scope", str(problem)) from None

    @property
    def address(self) -> str:
        """Where the request is from."""
        return address_of(self.scope, self.headers, self.server.settings.trust_proxy)

    @cached_property
    def browser(self) -> str:
        """What the browser is known by once somebody has signed in there."""
        return browser_of(self.cookie(BROWSER_COOKIE))

    def cookie(self, name: str) -> str:
        """A cookie's value, "" for none."""
        return cookie(self.headers, name)

    def set_cookie(
        self, name: str, value: str, seconds: int, path: str = "/auth", site: str = "Lax"
    ) -> tuple[bytes, bytes]:
        """The header that sets a cookie, for the authorization server alone; 0 seconds remove it."""
        secure = "; Secure" if self.issuer.startswith("https:") else ""
        text = f"{name}={value}; Path={path}; HttpOnly; SameSite={site}; Max-Age={seconds}{secure}"
        return b"set-cookie", text.encode()

    def session_cookies(self, secret: str) -> list[tuple[bytes, bytes]]:
        """The headers that sign a browser in, "" out: here, where other sites lead to, and at this server's pages."""
        seconds = self.server.settings.session_seconds if secret else 0
        return [
            self.set_cookie(SESSION_COOKIE, secret, seconds),
            self.set_cookie(PAGE_COOKIE, secret, seconds, "/", "Strict"),
            *([self.set_cookie(BROWSER_COOKIE, self.browser, LIFE)] if secret else ()),
        ]


def _pairs(text: bytes, where: str) -> list[tuple[str, str]]:
    try:
        if not text.isascii():
            raise ValueError
        return pairs(text, where)
    except (FhirError, ValueError):
        raise OAuthError("invalid_request", f"The {where}'s parameters can't be read.") from None


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise OAuthError("invalid_request", "The body is not JSON.") from None


def as_json(content: Mapping[str, Any], status: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """A JSON answer that nobody keeps."""
    return Answer(status, [(b"content-type", b"application/json"), *NO_STORE, *headers], serialize(dict(content)))


def as_error(problem: OAuthError) -> Answer:
    """An OAuth error as JSON."""
    way = b'Bearer error="invalid_token"' if problem.error == "invalid_token" else b'Basic realm="clients"'
    headers = [(b"www-authenticate", way)] if problem.status == 401 else []
    if problem.retry_after:
        headers.append((b"retry-after", problem.retry_after.encode()))
    return as_json({"error": problem.error, "error_description": problem.description}, problem.status, *headers)


def as_page(html: str, status: int = 200, *headers: tuple[bytes, bytes], script: str = "") -> Answer:
    """A page that nobody keeps or frames; script: the URL of the only script that may run on it."""
    policy = f"{POLICY}; script-src {script}; connect-src 'self'" if script else POLICY
    return Answer(status, [*PAGE, (b"content-security-policy", policy.encode()), *NO_STORE, *headers], html.encode())


def see(url: str, *headers: tuple[bytes, bytes]) -> Answer:
    """Sends the browser on; never with a line break that would begin another header."""
    if any(character in url for character in "\r\n"):
        raise error("value", "That URL can't be gone to.")
    return Answer(303, [(b"location", url.encode()), *NO_STORE, *headers], b"")


def with_query(path: str, parameters: Mapping[str, str]) -> str:
    """A path of this server with parameters."""
    return f"{path}?{urlencode(parameters)}" if parameters else path
