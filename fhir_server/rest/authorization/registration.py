"""Applications that register themselves (RFC 7591)."""

from __future__ import annotations

import re
import secrets
from typing import Any

from fhir_server.codec.json import serialize
from fhir_server.rest.auditing import changed
from fhir_server.rest.authorization.discovery import METHODS
from fhir_server.rest.authorization.exchange import Exchange, as_json
from fhir_server.rest.encode import Answer
from fhir_server.security.client_keys import MOST_BYTES, MOST_KEYS
from fhir_server.security.model import Client
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.outgoing.addresses import RefusedAddressError
from fhir_server.security.outgoing.urls import RefusedUrlError
from fhir_server.security.redirects import require_redirect
from fhir_server.security.scopes import known

MOST_URIS = 20
UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
GRANTS = ("authorization_code", "refresh_token")  # of a client that registers itself


async def register(exchange: Exchange) -> Answer:
    """POST /auth/register, where the setting dynamic_registration allows it."""
    if not exchange.server.settings.dynamic_registration:
        raise OAuthError("access_denied", "Registration is by `hms client add` here.", 403)
    asked = exchange.json
    if not isinstance(asked, dict):
        raise _wrong("Send the client's metadata as a JSON object.")
    redirect_uris = _texts(asked, "redirect_uris")
    if len(redirect_uris) > MOST_URIS:
        raise OAuthError("invalid_redirect_uri", f"redirect_uris has at most {MOST_URIS}.")
    for uri in redirect_uris:
        _require_redirect(uri)
    method = str(asked.get("token_endpoint_auth_method", "client_secret_basic"))
    if method not in ("none", *METHODS):
        raise _wrong(f"token_endpoint_auth_method must be none or one of {METHODS}.")
    grants = _grants(asked)
    if "authorization_code" in grants and not redirect_uris:
        raise OAuthError("invalid_redirect_uri", "redirect_uris is required for authorization_code.")
    scopes = _scopes(asked)
    jwks, jwks_uri = await _keys(exchange, asked)
    if method == "private_key_jwt" and jwks is None and not jwks_uri:
        raise _wrong("private_key_jwt takes jwks or jwks_uri.")
    client = Client(
        id=secrets.token_urlsafe(12),
        name=_name(asked),
        jwks=jwks,
        jwks_uri=jwks_uri,
        redirect_uris=tuple(redirect_uris),
        launch_uri=_launch_uri(asked),
        scopes=scopes,
        grants=tuple(grants),
    )
    client, secret = await exchange.security.add_client(client, method.startswith("client_secret"))
    await changed(exchange, 201, "", client.id)
    answer: dict[str, Any] = {
        "client_id": client.id, "client_name": client.name, "redirect_uris": redirect_uris, "grant_types": grants,
        "response_types": ["code"], "token_endpoint_auth_method": method, "scope": scopes,
    }  # fmt: skip
    given = (("jwks", jwks), ("jwks_uri", jwks_uri), ("initiate_login_uri", client.launch_uri))
    answer |= {name: value for name, value in given if value}
    if secret:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return as_json(answer, 201)


def _wrong(what: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", what)


def _name(asked: dict[str, Any]) -> str:
    """What people see of the client, as it is read: without what hides text, or turns its direction."""
    name = asked.get("client_name", "An application")
    if not isinstance(name, str) or not name.strip() or UNREADABLE.search(name):
        raise _wrong("client_name must be text that people can read, without control characters.")
    return name.strip()[:100]


def _grants(asked: dict[str, Any]) -> list[str]:
    grants = _texts(asked, "grant_types") or ["authorization_code"]
    if not set(grants) <= set(GRANTS):
        raise _wrong(f"grant_types can have {' and '.join(GRANTS)}; others are given by `hms client add` only.")
    return grants


def _scopes(asked: dict[str, Any]) -> str:
    scopes = str(asked.get("scope", "openid fhirUser launch launch/patient patient/*.rs"))
    if any(not known(scope) or scope.startswith("system/") for scope in scopes.split()):
        raise _wrong("Scopes of the whole server are given by `hms client add` only.")
    return scopes


async def _keys(exchange: Exchange, asked: dict[str, Any]) -> tuple[Any, str]:
    """jwks, None for none, and jwks_uri, "" for none."""
    uri = str(asked.get("jwks_uri", ""))
    if uri:
        try:
            await exchange.security.client_keys.require(uri)
        except (RefusedUrlError, RefusedAddressError):
            # which of an inner network's names there are is nobody's to know
            raise _wrong("jwks_uri must be an https URL of a public address.") from None
    jwks = asked.get("jwks")
    if jwks is not None:
        _require_jwks(jwks)
    if jwks is not None and uri:
        raise _wrong("Send jwks or jwks_uri, not both.")
    return jwks, uri


def _require_jwks(jwks: Any) -> None:
    keys = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise _wrong("jwks must be a JWK Set: an object with keys, an array of objects.")
    if len(keys) > MOST_KEYS or len(serialize(jwks)) > MOST_BYTES:
        raise _wrong(f"jwks has at most {MOST_KEYS} keys, in {MOST_BYTES // 1024} KiB.")
    if any("d" in key or "k" in key for key in keys):
        raise _wrong("jwks has a private key: send the public halves only, and make new keys, as this one was shown.")


def _texts(asked: dict[str, Any], name: str) -> list[str]:
    found = asked.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise _wrong(f"{name} must be an array of texts.")
    return found


def _launch_uri(asked: dict[str, Any]) -> str:
    uri = str(asked.get("initiate_login_uri", ""))
    try:
        if uri:
            require_redirect(uri)
    except RefusedUrlError as problem:
        raise _wrong(f"initiate_login_uri {problem}.") from None
    return uri


def _require_redirect(uri: str) -> None:
    try:
        require_redirect(uri)
    except RefusedUrlError as problem:
        raise OAuthError("invalid_redirect_uri", f"A redirect URI {problem}.") from None
