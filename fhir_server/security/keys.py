"""The keys that tokens are signed with: made at the first start, published as a JWK Set, renewed beside one another."""

from __future__ import annotations

from typing import Any

from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhir_server.security.store import SecurityStore

ALGORITHM = "ES384"
ACCEPTED = ("ES384", "RS384")  # of our own tokens, and of client assertions


class SigningKeys:
    """The newest key signs; the older ones are still believed until they are removed."""

    def __init__(self, store: SecurityStore) -> None:
        self._store = store
        self._loaded: tuple[tuple[str, ...], KeySet] | None = None
        if not store.signing_keys():
            self.renew()

    def renew(self) -> str:
        """Makes a new key that signs from now on; gives its kid."""
        key = ECKey.generate_key("P-384", {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)
        self._store.add_signing_key(str(key.kid), ALGORITHM, dict(key.as_dict(private=True)))
        return str(key.kid)

    def all(self) -> KeySet:
        """Every key that is believed, the one that signs first."""
        kept = self._store.signing_keys()
        kids = tuple(kid for kid, _, _, _ in kept)
        if self._loaded is None or self._loaded[0] != kids:
            self._loaded = kids, KeySet([key_of(jwk) for _, _, _, jwk in kept])
        return self._loaded[1]

    @property
    def current(self) -> Key:
        """The key that signs."""
        return self.all().keys[0]

    def published(self) -> dict[str, Any]:
        """The JWK Set of the public halves (RFC 7517)."""
        return {"keys": [dict(key.as_dict(private=False)) for key in self.all().keys]}


def key_of(jwk: dict[str, Any]) -> Key:
    """A key of the kinds that SMART uses; ValueError for any other."""
    kind = jwk.get("kty")
    if kind == "EC":
        return ECKey.import_key(jwk)
    if kind == "RSA":
        return RSAKey.import_key(jwk)
    raise ValueError(f"a key of type {kind!r} can't be used; SMART takes RSA and EC")
