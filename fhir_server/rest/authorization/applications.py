"""What applications call: token, introspection, revocation, registration, user info, keys, discovery."""

from __future__ import annotations

import functools
import secrets
from typing import Any
from urllib.parse import urlsplit

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.rest.auditing import changed, noted
from fhir_server.rest.authorization.exchange import Exchange, as_json
from fhir_server.rest.encode import Answer
from fhir_server.security.client_authentication import authenticate, by_assertion, stated
from fhir_server.security.keys import ACCEPTED, ID_ALGORITHM
from fhir_server.security.model import Access, Client
from fhir_server.security.oauth_errors import OAuthError, required
from fhir_server.security.outgoing.addresses import RefusedAddressError
from fhir_server.security.outgoing.requests import UnansweredError
from fhir_server.security.outgoing.urls import READABLE, RefusedUrlError, absolute
from fhir_server.security.scopes import known

CAPABILITIES = [
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-ehr-patient", "context-ehr-encounter",
    "context-standalone-patient", "context-banner", "context-style", "permission-offline", "permission-online",
    "permission-patient", "permission-user", "permission-v1", "permission-v2",
]  # fmt: skip
SCOPES = [
    "openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access",
    "patient/*.cruds", "user/*.cruds", "system/*.cruds",
]  # fmt: skip
FROM_PROVIDER = (
    "issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "introspection_endpoint", "revocation_endpoint",
    "userinfo_endpoint", "registration_endpoint", "grant_types_supported", "token_endpoint_auth_methods_supported",
    "scopes_supported", "response_types_supported", "code_challenge_methods_supported",
)  # fmt: skip
PROVIDER_CAPABILITIES = [
    "client-public", "client-confidential-symmetric", "sso-openid-connect", "permission-offline", "permission-patient",
    "permission-user", "permission-v1", "permission-v2",
]  # fmt: skip
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]

GRANTS = ("authorization_code", "refresh_token")  # of a client that registers itself

log = structlog.get_logger("authorization")


def discovery(exchange: Exchange) -> dict[str, Any]:
    """The SMART configuration, which holds all of OpenID Connect's as well."""
    issuer = exchange.issuer
    found = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/auth/jwks",
        "authorization_endpoint": f"{issuer}/auth/authorize",
        "token_endpoint": f"{issuer}/auth/token",
        "introspection_endpoint": f"{issuer}/auth/introspect",
        "revocation_endpoint": f"{issuer}/auth/revoke",
        "userinfo_endpoint": f"{issuer}/auth/userinfo",
        "management_endpoint": f"{issuer}/auth/account",
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": METHODS,
        "token_endpoint_auth_signing_alg_values_supported": list(ACCEPTED),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ID_ALGORITHM],
        "claims_supported": ["sub", "fhirUser", "auth_time", "nonce"],
        "authorization_response_iss_parameter_supported": True,
        "capabilities": CAPABILITIES + _app_state(exchange),
    }
    if exchange.server.settings.dynamic_registration:
        found["registration_endpoint"] = f"{issuer}/auth/register"
    return found | _brands(exchange)


def _app_state(exchange: Exchange) -> list[str]:
    """The capability, where the policies give app state to clients."""
    return ["smart-app-state"] if exchange.server.environment.callers.keep_app_state else []


def _brands(exchange: Exchange) -> dict[str, Any]:
    """Where the Brand Bundle is, and which of its brands is this server's."""
    brands = exchange.security.brands
    if brands is None:
        return {}
    bundle = f"{exchange.issuer}/auth/brands"
    return {"user_access_brand_bundle": bundle, "user_access_brand_identifier": brands.primary}


async def brands(exchange: Exchange) -> Answer:
    """GET /auth/brands: the User-access Brand Bundle."""
    found = exchange.security.brands
    if found is None:
        return as_json({"error": "not_found", "error_description": "No brands are published here."}, 404)
    headers = [(b"etag", found.tag.encode()), (b"cache-control", b"no-cache")]
    if found.tag in exchange.headers.get("if-none-match", ""):
        return Answer(304, headers, b"")
    return Answer(200, [*headers, (b"content-type", b"application/fhir+json")], found.body)


async def configuration(exchange: Exchange) -> Answer:
    """GET .well-known/smart-configuration and .well-known/openid-configuration."""
    return as_json(discovery(exchange))


async def smart_configuration(exchange: Exchange) -> Answer:
    """GET /fhir/.well-known/smart-configuration: of an outside provider where apps are sent there."""
    provider = next((each for each in exchange.security.providers.values() if each.settings.advertised), None)
    if provider is None:
        return await configuration(exchange)
    found = await provider.fetching.configuration()
    kept = {name: found[name] for name in FROM_PROVIDER if name in found}
    own = {**_brands(exchange), "capabilities": PROVIDER_CAPABILITIES + _app_state(exchange)}
    return as_json({"code_challenge_methods_supported": ["S256"], **kept, **own})


async def jwks(exchange: Exchange) -> Answer:
    """GET /auth/jwks: the public keys."""
    return as_json(await exchange.security.keys.published())


async def _keys_at(exchange: Exchange, url: str, kid: str) -> dict[str, Any]:
    """A client's JWK Set from the URL that it has registered; OAuthError where it can't be had."""
    try:
        return await exchange.security.client_keys.at(url, kid)
    except UnansweredError as problem:
        log.warning("keys of a client can't be fetched", url=url, problem=str(problem))
        raise OAuthError("invalid_client", "The client's keys could not be fetched from its jwks_uri.", 401) from None


async def _client(exchange: Exchange) -> Client:
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
    subjects = ((f"client:{name}@{exchange.address}",) if name else ()) + (f"address:{exchange.address}",)
    await _require_not_throttled(exchange, *subjects)
    try:
        client = await _authenticated(exchange, authorization)
    except OAuthError:
        await _require_not_throttled(exchange, *subjects)  # guesses that come at once are no more than those in turn
        await exchange.security.throttle.failed(*subjects)
        raise
    await _require_not_throttled(exchange, *subjects)
    await exchange.security.throttle.succeeded(*subjects[:-1])
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
    name = exchange.form.get("client_id", "")[:100]
    try:
        client = await _client(exchange)
        name = client.id
        answer, user = await exchange.security.granting.answer(client, exchange.form, exchange.issuer, exchange.base)
    except OAuthError as problem:
        await noted(exchange, "token", problem.status, "", name)
        raise
    await noted(exchange, "token", 200, user, name)
    return as_json(answer)


async def introspect(exchange: Exchange) -> Answer:
    """POST /auth/introspect (RFC 7662): a resource server of any token, any other confidential client of its own."""
    kind, _, bearer = exchange.headers.get("authorization", "").partition(" ")
    client = await _resource_server(exchange, bearer) if kind.lower() == "bearer" else await _client(exchange)
    if client.public:
        raise OAuthError("invalid_client", "Introspection needs a client that can prove who it is.", 401)
    found = await _introspected(exchange, required(exchange.form, "token"))
    if not client.resource_server and found.get("client_id") != client.id:
        found = {"active": False}  # RFC 7662 section 2.2, of a token that the client is not allowed to introspect
    return as_json(found)


async def _resource_server(exchange: Exchange, bearer: str) -> Client:
    """The resource server that a bearer token was given to
    (https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html#authorization)."""
    try:
        access = await exchange.security.tokens.read(bearer.strip(), exchange.issuer, exchange.base)
    except FhirError:
        raise OAuthError("invalid_token", "The token in Authorization is not accepted.", 401) from None
    client = await exchange.security.store.client(access.client)
    if client is None or not client.resource_server:
        raise OAuthError("invalid_token", "Only a client that was added with --resource-server introspects by a token "
                         "of its own; others show their secret or an assertion.", 401)  # fmt: skip
    return client


async def _introspected(exchange: Exchange, shown: str) -> dict[str, Any]:
    try:
        return _described(exchange, await exchange.security.tokens.read(shown, exchange.issuer, exchange.base))
    except FhirError:
        refresh = await exchange.security.store.refresh_token(shown)
    if refresh is None:
        return {"active": False}
    grant = refresh.grant
    return {"active": True, "client_id": grant.client, "scope": grant.scope, "exp": refresh.expires // 1_000_000}


def _described(exchange: Exchange, access: Access) -> dict[str, Any]:
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
    found |= {name: value for name, value in (("patient", access.patient), ("encounter", access.encounter)) if value}
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
        return as_json({})
    try:
        access = await exchange.security.tokens.read(shown, exchange.issuer, exchange.base)
    except FhirError:
        return as_json({})
    if access.client == client.id:
        await exchange.security.store.revoke_token(access.jti, access.expires * 1_000_000)
    return as_json({})


async def userinfo(exchange: Exchange) -> Answer:
    """GET or POST /auth/userinfo: who the token is of."""
    kind, _, shown = exchange.headers.get("authorization", "").partition(" ")
    access = await exchange.security.tokens.read(
        shown.strip() if kind.lower() == "bearer" else "", exchange.issuer, exchange.base
    )
    if "openid" not in access.scope.split():
        raise OAuthError("insufficient_scope", "The token was not given openid.", 403)
    found = {"sub": access.user}
    if {"fhirUser", "profile"} & set(access.scope.split()) and access.fhir_user:
        found["fhirUser"] = f"{exchange.base}/{access.fhir_user}"
    return as_json(found)


async def register(exchange: Exchange) -> Answer:
    """POST /auth/register (RFC 7591), where the setting dynamic_registration allows it."""
    if not exchange.server.settings.dynamic_registration:
        raise OAuthError("access_denied", "Registration is by `hms client add` here.", 403)
    asked = exchange.json
    if not isinstance(asked, dict):
        raise OAuthError("invalid_client_metadata", "Send the client's metadata as a JSON object.")
    redirect_uris = _texts(asked, "redirect_uris")
    for uri in redirect_uris:
        _require_redirect(uri)
    grants = _texts(asked, "grant_types") or ["authorization_code"]
    method = str(asked.get("token_endpoint_auth_method", "client_secret_basic"))
    if method not in ("none", *METHODS):
        raise OAuthError("invalid_client_metadata", f"token_endpoint_auth_method must be none or one of {METHODS}.")
    unknown = [grant for grant in grants if grant not in GRANTS]
    if unknown:
        raise OAuthError("invalid_client_metadata", f"grant_types can have {' and '.join(GRANTS)}; others are given by "
                         "`hms client add` only.")  # fmt: skip
    if "authorization_code" in grants and not redirect_uris:
        raise OAuthError("invalid_redirect_uri", "redirect_uris is required for authorization_code.")
    scopes = str(asked.get("scope", "openid fhirUser launch launch/patient patient/*.rs"))
    wrong = [scope for scope in scopes.split() if not known(scope) or scope.startswith("system/")]
    if wrong:
        raise OAuthError("invalid_client_metadata", "Scopes of the whole server are given by `hms client add` only.")
    uri = str(asked.get("jwks_uri", ""))
    if uri:
        try:
            await exchange.security.client_keys.require(uri)
        except (
            RefusedUrlError,
            RefusedAddressError,
        ):  # which of an inner network's names there are is nobody's to know
            raise OAuthError("invalid_client_metadata", "jwks_uri must be an https URL of a public address.") from None
    jwks = asked.get("jwks")
    if jwks is not None and not _is_jwks(jwks):
        raise OAuthError("invalid_client_metadata", "jwks must be a JWK Set: an object with keys, an array of objects.")
    if jwks is not None and uri:
        raise OAuthError("invalid_client_metadata", "Send jwks or jwks_uri, not both.")
    if method == "private_key_jwt" and jwks is None and not uri:
        raise OAuthError("invalid_client_metadata", "private_key_jwt takes jwks or jwks_uri.")
    client = Client(
        id=secrets.token_urlsafe(12),
        name=str(asked.get("client_name", "An application"))[:100],
        jwks=jwks,
        jwks_uri=uri,
        redirect_uris=tuple(redirect_uris),
        launch_uri=str(asked.get("initiate_login_uri", "")),
        scopes=scopes,
        grants=tuple(grants),
    )
    client, secret = await exchange.security.add_client(client, method.startswith("client_secret"))
    await changed(exchange, 201, "", client.id)
    answer = {**asked, "client_id": client.id, "scope": scopes, "grant_types": grants}
    if secret:
        answer |= {"client_secret": secret, "client_secret_expires_at": 0}
    return as_json(answer, 201)


def _is_jwks(value: Any) -> bool:
    keys = value.get("keys") if isinstance(value, dict) else None
    return isinstance(keys, list) and all(isinstance(key, dict) for key in keys)


def _texts(asked: dict[str, Any], name: str) -> list[str]:
    found = asked.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise OAuthError("invalid_client_metadata", f"{name} must be an array of texts.")
    return found


def _require_redirect(uri: str) -> None:
    try:
        if urlsplit(uri).scheme in ("http", "https"):
            parts = absolute(uri)
            good = parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")
        else:  # an application's own scheme, such as org.example.app:/callback (RFC 8252 section 7.1)
            good = "." in urlsplit(uri).scheme and "#" not in uri and READABLE.match(uri) is not None
    except (RefusedUrlError, ValueError):
        good = False
    if not good:
        raise OAuthError("invalid_redirect_uri", "A redirect URI must be https, or http on this machine, with a host "
                         "and without a password and #.")  # fmt: skip
