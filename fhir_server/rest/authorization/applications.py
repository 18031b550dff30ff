"""What applications call with who they are: token, introspection, revocation, user info."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.rest.auditing import changed, noted
from fhir_server.rest.authorization.exchange import Exchange, as_json
from fhir_server.rest.encode import Answer
from fhir_server.security import unverified
from fhir_server.security.client_authentication import authenticate, by_assertion, claimed, stated
from fhir_server.security.model import CONTEXT, Access, Client
from fhir_server.security.oauth_errors import OAuthError, required
from fhir_server.security.outgoing.requests import UnansweredError
from fhir_server.security.places import network_of
from fhir_server.security.scopes import granted
from fhir_server.security.throttle import ADDRESS

log = structlog.get_logger("authorization")


async def _keys_at(exchange: Exchange, url: str, kid: str) -> dict[str, Any]:
    """A client's JWK Set from the URL that it has registered; OAuthError where it can't be had."""
    try:
        return await exchange.security.client_keys.at(url, kid)
    except UnansweredError as problem:
        log.warning("keys of a client can't be fetched", url=url, problem=str(problem))
        raise OAuthError("invalid_client", "The client's keys could not be fetched from its jwks_uri.", 401) from None


async def _client(exchange: Exchange) -> Client:
    """The client that calls; one that can't prove who it is is in the audit log, by the id that it says."""
    try:
        return await _proven(exchange)
    except OAuthError as problem:
        named = claimed(exchange.form, exchange.headers.get("authorization", ""))
        await noted(exchange, "token", problem.status, "", named[:100])
        raise


async def _proven(exchange: Exchange) -> Client:
    """The client that calls. Failures are counted, of each client at an address and of the address.

    Not those of assertions: nobody guesses a key, so that whoever shows wrong ones must not keep out the client whose
    key it is. How many of them an address may show is bounded as all that it asks (sign_in_rate).
    """
    exchange.require_in_body()
    exchange.require_single()
    authorization = exchange.headers.get("authorization", "")
    if by_assertion(exchange.form):
        return await _authenticated(exchange, authorization)
    name = stated(exchange.form, authorization)
    place = network_of(exchange.address)
    subjects = ((f"client:{name}@{place}",) if name else ()) + (f"{ADDRESS}{place}",)
    await _require_not_throttled(exchange, *subjects)
    try:
        client = await _authenticated(exchange, authorization)
    except OAuthError:
        await _require_not_throttled(exchange, *subjects)  # guesses that come at once are no more than those in turn
        await exchange.security.throttle.failed(*subjects)
        raise
    await _require_not_throttled(exchange, *subjects)
    await exchange.security.throttle.succeeded(*subjects)
    return client


async def _authenticated(exchange: Exchange, authorization: str) -> Client:
    token_url, keys_at = f"{exchange.issuer}/auth/token", functools.partial(_keys_at, exchange)
    return await authenticate(exchange.security.store, exchange.form, authorization, token_url, keys_at)


async def _require_not_throttled(exchange: Exchange, *subjects: str) -> None:
    """OAuthError "slow_down" while one of the subjects has to wait."""
    try:
        await exchange.security.throttle.require(*subjects)
    except FhirError as problem:
        raise OAuthError("slow_down", str(problem), 429, problem.headers.get("Retry-After", "")) from None


async def token(exchange: Exchange) -> Answer:
    """POST /auth/token."""
    client = await _client(exchange)
    try:
        if exchange.form.get("grant_type") == "client_credentials":
            await exchange.require_scopes(granted(exchange.form.get("scope", ""), client.scopes))
        answer, user = await exchange.security.granting.answer(client, exchange.form, exchange.issuer, exchange.base)
    except OAuthError as problem:
        await noted(exchange, "token", problem.status, "", client.id)
        raise
    await noted(exchange, "token", 200, user, client.id)
    return as_json(answer)


async def introspect(exchange: Exchange) -> Answer:
    """POST /auth/introspect (RFC 7662): a resource server of any token, any other confidential client of its own."""
    kind, _, bearer = exchange.headers.get("authorization", "").partition(" ")
    client = await _resource_server(exchange, bearer) if kind.lower() == "bearer" else await _client(exchange)
    if client.public:
        await noted(exchange, "token", 401, "", client.id)
        raise OAuthError("invalid_client", "Introspection needs a client that can prove who it is.", 401)
    found = await _introspected(exchange, required(exchange.form, "token"))
    if not client.resource_server and found.get("client_id") != client.id:
        found = {"active": False}  # RFC 7662 section 2.2, of a token that the client is not allowed to introspect
    whose = str(found.get("sub", ""))
    user = "" if whose == found.get("client_id") else whose
    await noted(exchange, "token", 200, user, client.id, path=exchange.path[1:])
    return as_json(found)


async def _resource_server(exchange: Exchange, bearer: str) -> Client:
    """The resource server that a bearer token was given to
    (https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html#authorization)."""
    exchange.require_in_body()
    exchange.require_single()
    try:
        access = await exchange.security.tokens.read(bearer.strip(), exchange.issuer, exchange.base)
    except FhirError:
        await noted(exchange, "token", 401, "")
        raise OAuthError("invalid_token", "The token in Authorization is not accepted.", 401) from None
    client = await exchange.security.store.client(access.client)
    if client is None or not client.resource_server:
        await noted(exchange, "token", 401, access.user, access.client)
        raise OAuthError("invalid_token", "Only a client that was added with --resource-server introspects by a token "
                         "of its own; others show their secret or an assertion.", 401)  # fmt: skip
    return client


async def _introspected(exchange: Exchange, shown: str) -> dict[str, Any]:
    try:
        access = await exchange.security.tokens.read(shown, exchange.issuer, exchange.base)
        return _described(exchange, access, unverified.claims(shown))
    except FhirError:
        refresh = await exchange.security.store.refresh_token(shown)
    if refresh is None:
        return {"active": False}
    grant = refresh.grant
    return {"active": True, "client_id": grant.client, "scope": grant.scope, "exp": refresh.expires // 1_000_000}


def _described(exchange: Exchange, access: Access, claims: Mapping[str, Any]) -> dict[str, Any]:
    """What a token is good for, with the launch context that it was given with; claims: of the token, which counts."""
    found: dict[str, Any] = {
        "active": True,
        "client_id": access.client,
        "scope": access.scope,
        "exp": access.expires,
        "iss": exchange.issuer,
        "aud": exchange.base,
        "sub": access.user or access.client,
        "token_type": "Bearer",
    }
    found |= {name: claims[name] for name in CONTEXT if name in claims}
    if access.fhir_user:
        found["fhirUser"] = f"{exchange.base}/{access.fhir_user}"
    return found


async def revoke(exchange: Exchange) -> Answer:
    """POST /auth/revoke (RFC 7009): a client ends a token of its own; 200 for one that it never had too."""
    client = await _client(exchange)
    shown = required(exchange.form, "token")
    refresh = await exchange.security.store.refresh_token(shown)
    if refresh is not None and refresh.grant.client == client.id:
        await exchange.security.store.revoke_family(refresh.grant.family)
        await changed(exchange, 200, refresh.grant.user, client.id)
        return as_json({})
    try:
        access = await exchange.security.tokens.read(shown, exchange.issuer, exchange.base)
    except FhirError:
        return as_json({})
    if access.client == client.id:
        await exchange.security.store.revoke_token(access.jti, access.expires * 1_000_000)
        await changed(exchange, 200, access.user, client.id)
    return as_json({})


async def userinfo(exchange: Exchange) -> Answer:
    """GET or POST /auth/userinfo: who the token is of."""
    kind, _, shown = exchange.headers.get("authorization", "").partition(" ")
    path = exchange.path[1:]
    try:
        access = await exchange.security.tokens.read(
            shown.strip() if kind.lower() == "bearer" else "", exchange.issuer, exchange.base
        )
    except FhirError as problem:
        await noted(exchange, "token", problem.status, "", path=path)
        raise
    if "openid" not in access.scope.split():
        await noted(exchange, "token", 403, access.user, access.client, path=path)
        raise OAuthError("insufficient_scope", "The token was not given openid.", 403)
    await noted(exchange, "token", 200, access.user, access.client, path=path)
    found = {"sub": access.user}
    if {"fhirUser", "profile"} & set(access.scope.split()) and access.fhir_user:
        found["fhirUser"] = f"{exchange.base}/{access.fhir_user}"
    return as_json(found)
