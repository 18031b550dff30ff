"""The callers of access tokens that were shown lately, each found by one look-up.

What is kept of a token is its digest, which can't be shown as one. A caller counts as long as its token has neither
expired nor been revoked, and nothing has changed that the caller was made of: policies, Consents, search parameters.
"""

from __future__ import annotations

import hashlib

from fhir_server.core.ports import Caller, Clock
from fhir_server.interactions.callers import Callers
from fhir_server.security.store import AccountStore

MOST = 10_000


class Recognised:
    """Of this server's own tokens; those of an outside provider are asked about each time."""

    def __init__(self, store: AccountStore, callers: Callers, clock: Clock) -> None:
        self._store = store
        self._callers = callers
        self._clock = clock
        self._kept: dict[tuple[bytes, str], tuple[Caller, object]] = {}

    def get(self, token: str, fhir_base: str) -> Caller | None:
        """Whose a token is, None where that must be found out anew."""
        key = (_digest(token), fhir_base)
        known = self._kept.get(key)
        if known is None:
            return None
        caller, made_of = known
        access = caller.access
        if (
            access.expires > self._clock() // 1_000_000
            and made_of == self._callers.made_of()
            and self._store.known_good(access.family, access.jti)
        ):
            return caller
        del self._kept[key]
        return None

    def keep(self, token: str, fhir_base: str, caller: Caller, made_of: object) -> None:
        """Keeps whose a token is that was verified just now; made_of: as it was before its caller was made."""
        if caller.access.family:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[_digest(token), fhir_base] = (caller, made_of)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
