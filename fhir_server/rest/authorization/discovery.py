"""What applications learn of this server before they ask: configuration, keys, brands."""

from __future__ import annotations

from typing import Any

from fhir_server.rest.authorization.exchange import Exchange, as_json
from fhir_server.rest.encode import Answer
from fhir_server.security.keys import ACCEPTED, ID_ALGORITHM

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
        "request_uri_parameter_supported": False,  # it would be taken for supported where it is not there
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
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
