"""The callers of access tokens that were shown lately, each found by one look-up.

What is kept of a token is the digest of the header that showed it, which can't be shown as one. A caller counts as long
as its token has neither expired nor been revoked, and nothing has changed that the caller was made of: policies,
Consents, search parameters.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from fhir_server.core.ports import Caller, Clock
from fhir_server.interactions.access.callers import Callers
from fhir_server.security.store import AccountStore

MOST = 10_000


class Known(NamedTuple):
    """Whose a token is, what FHIR base it was shown to, when it ends (microseconds), and what it may be revoked by."""

    caller: Caller
    base: str
    expires: int
    family: str
    jti: str


class Recognised:
    """Of this server's own tokens; those of an outside provider are asked about each time."""

    def __init__(self, store: AccountStore, callers: Callers, clock: Clock) -> None:
        self._store = store
        self._callers = callers
        self._clock = clock
        self._kept: dict[bytes, Known] = {}
        self._made_of: object = None  # what all of these are made of

    def get(self, shown: str, fhir_base: str) -> Caller | None:
        """Whose the token of an Authorization header is, None where that must be found out anew."""
        key = sha256(shown.encode("utf-8", "surrogatepass")).digest()
        self._look(self._callers.made_of())
        known = self._kept.get(key)
        if known is None:
            return None
        caller, base, expires, family, jti = known
        if base == fhir_base and expires > self._clock() and self._store.known_good(family, jti):
            return caller
        self._kept.pop(key, None)
        return None

    def keep(self, shown: str, fhir_base: str, caller: Caller, made_of: object) -> None:
        """Keeps whose the token of an Authorization header is that was verified just now.

        made_of: as it was before its caller was made.
        """
        access = caller.access
        if access.family:
            self._look(made_of)
            if len(self._kept) >= MOST:
                self._kept.clear()
            key = sha256(shown.encode("utf-8", "surrogatepass")).digest()
            self._kept[key] = Known(caller, fhir_base, access.expires * 1_000_000, access.family, access.jti)

    def _look(self, made_of: object) -> None:
        """Forgets all callers that are made of something else, and what they hold with them."""
        if made_of != self._made_of:
            self._kept.clear()
            self._made_of = made_of
