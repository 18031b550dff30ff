"""The keys of clients that have registered where these are (jwks_uri), fetched when such a client proves itself."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

from fhir_server.security.outgoing.addresses import Outgoing, RefusedAddressError
from fhir_server.security.outgoing.requests import Requests, UnansweredError
from fhir_server.security.outgoing.urls import RefusedUrlError, absolute

MOST = 64 * 1024  # bytes
SECONDS = 5.0


class ClientKeys:
    """For one process. networks: what may be called though it is not public, and over http; see Outgoing."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._outgoing = Outgoing(networks, setting="jwks_networks")

    @functools.cached_property
    def _requests(self) -> Requests:
        return Requests(self._outgoing)

    async def require(self, url: str) -> None:
        """RefusedUrlError, RefusedAddressError for a URL that keys are not fetched from."""
        parts = absolute(url)
        host = parts.hostname or ""
        if parts.scheme != "https" and not self._outgoing.trusts(host):
            raise RefusedUrlError("must be https")
        await self._outgoing.addresses(host, parts.port or 443)

    async def at(self, url: str) -> dict[str, Any]:
        """The JWK Set at a URL; UnansweredError where it can't be had."""
        try:
            await self.require(url)
            found = json.loads(await self._requests.fetched(url, "application/json", MOST, SECONDS))
        except (RefusedUrlError, RefusedAddressError) as problem:
            raise UnansweredError(str(problem)) from None
        except (ValueError, RecursionError):
            raise UnansweredError("What is there is no JSON.") from None
        if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
            raise UnansweredError("What is there is no JWK Set.")
        return found

    async def close(self) -> None:
        """Closes its connections."""
        if "_requests" in self.__dict__:
            await self._requests.close()
