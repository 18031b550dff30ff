"""A client proves who it is at the token endpoint.

By its secret (RFC 6749, section 2.3.1), or by a signed assertion
(https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html); a public client by its id alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fhir_server.security import passwords, unverified
from fhir_server.security.keys import ACCEPTED, key_of
from fhir_server.security.model import Client
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.store import AccountStore
from fhir_server.security.tokens import SKEW
from fhir_server.security.unverified import LONGEST

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = 300  # seconds that an assertion may be good for at most

KeysAt = Callable[[str, str], Awaitable[dict[str, Any]]]  # a JWK Set URL and the id of a key to be in it -> its content


async def authenticate(
    store: AccountStore, form: Mapping[str, str], authorization: str, token_url: str, keys_at: KeysAt
) -> Client:
    """The client that a request to the token endpoint is from; OAuthError "invalid_client" where it is not proven,
    "invalid_request" where it is in several ways (RFC 6749, section 2.3)."""
    ways = (bool(authorization), bool(form.get("client_secret")), by_assertion(form))
    if sum(ways) > 1:
        raise OAuthError(
            "invalid_request", "Prove who the client is in one way: Basic, client_secret, or an assertion."
        )
    if by_assertion(form):
        return await _by_assertion(store, form, token_url, keys_at)
    name, secret = (
        _basic(authorization) if authorization else (form.get("client_id", ""), form.get("client_secret", ""))
    )
    if (form.get("client_id") or name) != name:
        raise OAuthError("invalid_client", "client_id is another client's than Authorization names.", 401)
    if not (name or authorization) and form.get("grant_type") == "refresh_token":
        # SMART asks for no client_id here, and its JavaScript client sends none. Only a public client may leave it out.
        name = await store.client_of_refresh(form.get("refresh_token", ""))
    if not (name or authorization):
        ways = "client_id, Basic with its secret, or client_assertion"
        raise OAuthError("invalid_client", f"A client says who it is in a form (urlencoded) by {ways}.", 401)
    client = await store.client(name)
    if client is None or not client.active:
        await passwords.matches_aside(secret, "")
        raise _unknown()
    if client.public:
        if secret or authorization:
            raise OAuthError("invalid_client", "This client is public and has no secret; send client_id only.", 401)
        return client
    if not client.secret:
        raise OAuthError("invalid_client", "This client proves itself by private_key_jwt; send client_assertion.", 401)
    if not await passwords.matches_aside(secret, client.secret):
        raise _unknown()
    return client


def by_assertion(form: Mapping[str, str]) -> bool:
    """Whether the client proves itself by an assertion."""
    return bool(form.get("client_assertion") or form.get("client_assertion_type"))


def stated(form: Mapping[str, str], authorization: str) -> str:
    """The id of the client that a request with a secret says it is from, "" where it names none; nothing of it is
    proven."""
    try:
        return _basic(authorization)[0] if authorization else form.get("client_id", "")
    except OAuthError:
        return ""


def claimed(form: Mapping[str, str], authorization: str) -> str:
    """The same of a request by any way, an assertion too."""
    return unverified.issuer(form.get("client_assertion", "")) if by_assertion(form) else stated(form, authorization)


def _unknown() -> OAuthError:
    return OAuthError("invalid_client", "The client is not known, or its secret is wrong.", 401)


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, value = authorization.partition(" ")
    if kind.lower() != "basic":
        raise OAuthError("invalid_client", "Authorization must be Basic here, or be left out.", 401)
    try:
        name, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeError):
        raise OAuthError("invalid_client", "Authorization: Basic can't be read.", 401) from None
    return unquote_plus(name), unquote_plus(secret)


async def _by_assertion(store: AccountStore, form: Mapping[str, str], token_url: str, keys_at: KeysAt) -> Client:
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION or not assertion or len(assertion) > LONGEST:
        raise OAuthError("invalid_client", f"client_assertion_type must be {ASSERTION}, with a client_assertion.", 401)
    client = await store.client(unverified.issuer(assertion))
    if client is None or not client.active or not (client.jwks or client.jwks_uri):
        raise OAuthError("invalid_client", "The assertion's iss is no client that has keys here.", 401)
    header = unverified.header(assertion)
    jku = header.get("jku")
    if jku is not None and jku != client.jwks_uri:
        raise OAuthError("invalid_client", "The assertion's jku is not the URL that the client has registered.", 401)
    claims = _verified(assertion, await _keys(client, str(header.get("kid", "")), keys_at))
    now = store.clock() // 1_000_000
    expires = _moment(claims.get("exp"))
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    problems = {
        "sub must be the client_id, as iss is": claims.get("sub") != client.id,
        f"aud must be {token_url}": token_url not in audiences,
        "client_id is another's": form.get("client_id", client.id) != client.id,
        "exp must be a time in the future": expires <= now,
        f"exp must be at most {LIFE} seconds from now": expires > now + LIFE + SKEW,
        "nbf or iat is in the future": any(_moment(claims.get(name)) > now + SKEW for name in ("nbf", "iat")),
        "jti is missing": not isinstance(claims.get("jti"), str) or not claims.get("jti"),
    }
    wrong = next((problem for problem, found in problems.items() if found), "")
    if wrong:
        raise OAuthError("invalid_client", f"The assertion is not accepted: {wrong}.", 401)
    if not await store.first_use(client.id, claims["jti"], (int(expires) + SKEW) * 1_000_000):
        raise OAuthError("invalid_client", "The assertion is not accepted: its jti was used before.", 401)
    return client


def _moment(claim: Any) -> float:
    """A NumericDate (RFC 7519, section 2), which may have a fraction; 0 for anything else."""
    return claim if isinstance(claim, int | float) and claim == claim else 0


async def _keys(client: Client, kid: str, keys_at: KeysAt) -> KeySet:
    """The client's keys: registered by value, else fetched from its registered URL. A jku header is not followed."""
    found = client.jwks or await keys_at(client.jwks_uri, kid)
    keys = []
    for jwk in found.get("keys", ()):
        try:
            keys.append(key_of(jwk))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    if not keys:
        raise OAuthError("invalid_client", "The client's JWK Set has no key that can be used.", 401)
    return KeySet(keys)


def _verified(assertion: str, keys: KeySet) -> dict[str, Any]:
    try:
        found = jwt.decode(assertion, keys, algorithms=list(ACCEPTED))
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
        raise OAuthError(
            "invalid_client", f"The assertion's signature is none of the client's keys by {' or '.join(ACCEPTED)}.", 401
        ) from None
    return dict(found.claims)
