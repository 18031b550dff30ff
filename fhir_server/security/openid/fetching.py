"""What is fetched of a provider: its configuration and its keys, kept for a while, the keys anew where one is missing.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
from typing import Any

import httpx
from joserfc.jwk import KeySet

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.security.keys import key_of
from fhir_server.security.openid.configuration import Provider

LARGEST = 256 * 1024
KEPT = 3600_000_000  # microseconds
PAUSE = 30_000_000  # between two looks for a key that was not there, and after a failure
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Fetching:
    """Of one provider, in one process. verify: what its certificate must be of."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = asyncio.Lock()
        self._found: dict[str, Any] = {}
        self._keys = KeySet([])
        self._fetched = self._tried = -KEPT

    @functools.cached_property
    def verify(self) -> ssl.SSLContext:
        """The TLS context of calls to the provider."""
        return ssl.create_default_context(cafile=self._provider.authorities or None)

    async def configuration(self) -> dict[str, Any]:
        """Its OpenID configuration; FhirError "unavailable" while it can't be had."""
        await self._refresh("")
        return self._found

    async def keys(self, kid: str) -> KeySet:
        """Its keys; looked for anew, not too often, where none of them has this id."""
        await self._refresh(kid)
        return self._keys

    def _current(self, kid: str, now: int) -> bool:
        if now - self._tried < PAUSE:
            return bool(self._found)
        known = not kid or any(key.kid == kid for key in self._keys.keys)
        return bool(self._found) and now - self._fetched < KEPT and known

    async def _refresh(self, kid: str) -> None:
        if self._current(kid, self._clock()):
            return
        async with self._lock:
            now = self._clock()
            if self._current(kid, now):
                return
            if now - self._tried >= PAUSE:
                self._tried = now
                try:
                    await self._fetch()
                    self._fetched = now
                except (httpx.HTTPError, ValueError, OSError) as problem:
                    if not self._found:
                        raise _away(self._provider) from problem
            if not self._found:
                raise _away(self._provider)

    async def _fetch(self) -> None:
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
        self._found, self._keys = found, KeySet(keys)


def _away(provider: Provider) -> Exception:
    return error("unavailable", f"The OpenID provider {provider.name} does not answer as it should; try again later.")


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
