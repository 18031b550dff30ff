"""Tokens that were verified once, kept by digest: what is kept can't be shown as a token."""

from __future__ import annotations

import hashlib

from fhir_server.security.model import Access

MOST = 10_000


class Believed:
    """What access tokens say for a FHIR base URL; who asks looks whether they have expired or were revoked."""

    def __init__(self) -> None:
        self._kept: dict[tuple[bytes, str], Access] = {}

    def get(self, token: str, fhir_base: str) -> Access | None:
        """What a token says, None where it was not verified yet."""
        return self._kept.get((_digest(token), fhir_base))

    def keep(self, token: str, fhir_base: str, access: Access) -> None:
        """Keeps what a token says that was verified."""
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[_digest(token), fhir_base] = access

    def forget(self, token: str, fhir_base: str) -> None:
        """Has a token looked at anew."""
        self._kept.pop((_digest(token), fhir_base), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
