"""The keys of clients that have registered where these are (jwks_uri), fetched when such a client proves itself.

They are kept for as long as they came with (Cache-Control), and looked for anew where an assertion names a key that is
not among them (https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html).
"""

from __future__ import annotations

import functools
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.core.ports import Clock
from fhir_server.security.kept_keys import KeptKeys
from fhir_server.security.outgoing.addresses import Outgoing, RefusedAddressError
from fhir_server.security.outgoing.requests import Requests, UnansweredError
from fhir_server.security.outgoing.urls import RefusedUrlError, absolute

MOST_BYTES = 64 * 1024  # of the keys of one client
MOST_KEYS = 20  # each is looked at for each assertion
SECONDS = 5.0
UNSAID = 60  # seconds that keys are kept which came without a word of it
LONGEST = 3600  # and that they are kept at most: what a client takes out of its keys is to end some day
PAUSE = 10  # seconds between two looks for a key that was not there
SETS = 1000  # that are kept in a process

NEVER = re.compile(r"(?:^|,)\s*no-(?:store|cache)\b", re.I)
AGE = re.compile(r"(?:^|,)\s*max-age\s*=\s*\"?(\d{1,9})\b", re.I)


class ClientKeys:
    """For one process. networks: what may be called though it is not public, and over http; see Outgoing."""

    def __init__(self, networks: Sequence[str], clock: Clock) -> None:
        self._outgoing = Outgoing(networks, setting="jwks_networks")
        self._clock = clock
        self._kept: OrderedDict[str, KeptKeys[dict[str, Any]]] = OrderedDict()

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

    async def at(self, url: str, kid: str) -> dict[str, Any]:
        """The JWK Set at a URL, for an assertion by the key of this id ("": it names none); UnansweredError where it
        can't be had."""
        kept = self._kept.get(url)
        if kept is None:
            kept = self._kept[url] = KeptKeys(functools.partial(self._fetched, url), self._clock, PAUSE)
        self._kept.move_to_end(url)
        while len(self._kept) > SETS:
            self._kept.popitem(last=False)
        return await kept.having(kid)

    async def _fetched(self, url: str) -> tuple[dict[str, Any], list[str], int]:
        """The JWK Set at a URL, the ids of its keys, and for how many seconds it may be kept."""
        try:
            await self.require(url)
            answer = await self._requests.fetched(url, "application/json", MOST_BYTES, SECONDS)
            found = json.loads(answer.body)
        except (RefusedUrlError, RefusedAddressError) as problem:
            raise UnansweredError(str(problem)) from None
        except (ValueError, RecursionError):
            raise UnansweredError("What is there is no JSON.") from None
        if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
            raise UnansweredError("What is there is no JWK Set.")
        if len(found["keys"]) > MOST_KEYS:
            raise UnansweredError(f"What is there has more than {MOST_KEYS} keys.")
        kids = [key["kid"] for key in found["keys"] if isinstance(key, dict) and "kid" in key]
        return found, kids, seconds_kept(answer.headers)

    async def close(self) -> None:
        """Closes its connections."""
        if "_requests" in self.__dict__:
            await self._requests.close()


def seconds_kept(headers: Mapping[str, str]) -> int:
    """How long what came with these headers may be kept (RFC 9111)."""
    said = headers.get("cache-control", "")
    if NEVER.search(said):
        return 0
    most = AGE.search(said)
    if most is None:
        return 0 if "expires" in headers else UNSAID
    age = headers.get("age", "0")
    return max(0, min(int(most[1]), LONGEST) - (int(age) if re.fullmatch(r"[0-9]{1,9}", age) else 0))
