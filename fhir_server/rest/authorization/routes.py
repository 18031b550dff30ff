"""Which path is what, and how failures end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.asgi import base_of
from fhir_server.core.errors import FhirError
from fhir_server.rest.authorization import (
    account,
    applications,
    discovery,
    factors,
    outside,
    people,
    registration,
    sessions,
)
from fhir_server.rest.authorization.exchange import Exchange, as_error, as_json
from fhir_server.rest.authorization.paths import PATHS, SMART
from fhir_server.rest.cors import Cors
from fhir_server.rest.encode import Answer
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.places import network_of

ROUTES: dict[str, tuple[tuple[str, ...], Callable[[Exchange], Awaitable[Answer]]]] = {
    SMART: (("GET",), discovery.smart_configuration),
    "/.well-known/smart-configuration": (("GET",), discovery.configuration),
    "/.well-known/openid-configuration": (("GET",), discovery.configuration),
    "/.well-known/oauth-authorization-server": (("GET",), discovery.configuration),
    "/auth/brands": (("GET",), discovery.brands),
    "/auth/jwks": (("GET",), discovery.jwks),
    "/auth/token": (("POST",), applications.token),
    "/auth/introspect": (("POST",), applications.introspect),
    "/auth/revoke": (("POST",), applications.revoke),
    "/auth/register": (("POST",), registration.register),
    "/auth/userinfo": (("GET", "POST"), applications.userinfo),
    "/auth/authorize": (("GET", "POST"), people.authorize),
    "/auth/sign-in": (("GET", "POST"), sessions.sign_in),
    "/auth/decide": (("POST",), people.decide),
    "/auth/account": (("GET",), account.account),
    "/auth/end": (("POST",), account.end),
    "/auth/sign-out": (("POST",), sessions.sign_out),
    "/auth/session": (("GET",), sessions.session),
    "/auth/totp": (("GET", "POST"), factors.app),
    "/auth/totp/end": (("POST",), factors.end_app),
    "/auth/passkeys.js": (("GET",), factors.script),
    "/auth/passkeys/offer": (("POST",), factors.offer_passkey),
    "/auth/passkeys/add": (("POST",), factors.add_passkey),
    "/auth/passkeys/ask": (("POST",), factors.ask_passkey),
    "/auth/passkeys/sign-in": (("POST",), factors.show_passkey),
    "/auth/outside": (("GET",), outside.begin),
    "/auth/outside/callback": (("GET",), outside.finish),
}
assert set(ROUTES) == set(PATHS)
FOR_APPLICATIONS = frozenset(each.__name__ for each in (applications, discovery, registration))
FOR_PEOPLE = frozenset(path for path, (_, handler) in ROUTES.items() if handler.__module__ not in FOR_APPLICATIONS)

log = structlog.get_logger("authorization")


def authorization_server(server: FhirServer) -> Any:
    """The ASGI application for the paths in PATHS."""
    cors = Cors(server.settings)

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        methods, handler = ROUTES[path]
        if method == "OPTIONS" and path not in FOR_PEOPLE:
            answer = Answer(204, cors.preflight(headers), b"")
        elif method not in methods and not (method == "HEAD" and "GET" in methods):
            answer = Answer(405, [(b"allow", ", ".join(methods).encode())], b"")
        else:
            answer = await _answer(Exchange(scope, server, base_of(scope, headers, server.settings)), handler, receive)
        if path not in FOR_PEOPLE:
            answer.headers += [(b"vary", b"origin"), *cors.headers(headers.get("origin", ""))]
        body = b"" if method == "HEAD" else answer.body
        answer.headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": body})

    return application


async def _answer(exchange: Exchange, handler: Callable[[Exchange], Awaitable[Answer]], receive: Any) -> Answer:
    try:
        if exchange.method == "POST":
            await exchange.security.rate.require(network_of(exchange.address))
        await exchange.read(receive)
        return await handler(exchange)
    except OAuthError as problem:
        return as_error(problem)
    except FhirError as problem:
        headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        code = "invalid_token" if problem.status == 401 else "invalid_request"
        code = "temporarily_unavailable" if problem.status >= 500 else code
        return as_json({"error": code, "error_description": str(problem)}, problem.status, *headers)
    except Exception:
        log.exception("authorization failed", path=exchange.path)
        return as_json({"error": "server_error", "error_description": "The failure is in the server's log."}, 500)
