"""What is fetched of a provider: its configuration and its keys, kept for a while, the keys anew where one is missing.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

from __future__ import annotations

import functools
import json
import ssl
from typing import Any

import httpx
from joserfc.jwk import KeySet

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.security.kept_keys import KeptKeys
from fhir_server.security.keys import key_of
from fhir_server.security.openid.configuration import Provider
from fhir_server.security.outgoing.requests import UnansweredError

LARGEST = 256 * 1024
KEPT = 3600  # seconds
PAUSE = 30  # seconds between two looks for a key that was not there, and after a failure
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Fetching:
    """Of one provider, in one process. verify: what its certificate must be of."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._kept = KeptKeys(self._fetched, clock, PAUSE, lasting=True)

    @functools.cached_property
    def verify(self) -> ssl.SSLContext:
        """The TLS context of calls to the provider."""
        return ssl.create_default_context(cafile=self._provider.authorities or None)

    async def configuration(self) -> dict[str, Any]:
        """Its OpenID configuration; FhirError "unavailable" while it can't be had."""
        return (await self._having(""))[0]

    async def keys(self, kid: str) -> KeySet:
        """Its keys; looked for anew, not too often, where none of them has this id."""
        return (await self._having(kid))[1]

    async def _having(self, kid: str) -> tuple[dict[str, Any], KeySet]:
        try:
            return await self._kept.having(kid)
        except UnansweredError as problem:
            name = self._provider.name
            raise error(
                "unavailable", f"The OpenID provider {name} does not answer as it should; try again later."
            ) from problem

    async def _fetched(self) -> tuple[tuple[dict[str, Any], KeySet], list[str], int]:
        try:
            found, keys = await self._fetch()
        except (httpx.HTTPError, ValueError, TypeError, RecursionError, OSError) as problem:
            raise UnansweredError(str(problem)) from problem
        return (found, keys), [key.kid for key in keys.keys if key.kid], KEPT

    async def _fetch(self) -> tuple[dict[str, Any], KeySet]:
        issuer = self._provider.issuer
        async with httpx.AsyncClient(timeout=5, follow_redirects=False, verify=self.verify) as http:
            found = await _json(http, f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise ValueError("the configuration is another issuer's")
            scheme = issuer.partition(":")[0]
            if any(not str(found.get(name, "")).startswith(("https:", f"{scheme}:")) for name in ENDPOINTS):
                raise ValueError("an endpoint is missing, or is not https")
            keys = []
            for jwk in (await _json(http, found["jwks_uri"])).get("keys", ()):
                try:
                    if jwk.get("use", "sig") == "sig":
                        keys.append(key_of(jwk))
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return found, KeySet(keys)


async def _json(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with http.stream("GET", url, headers={"accept": "application/json"}) as answer:
        if answer.status_code != 200:
            raise ValueError(f"{url} answers {answer.status_code}")
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > LARGEST:
                raise ValueError(f"{url} gives too much")
    found = json.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{url} gives no object")
    return found
