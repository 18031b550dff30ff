"""The keys that tokens are signed with: made at the first start, published as a JWK Set, renewed beside one another."""

from __future__ import annotations

from typing import Any

from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhir_server.security.store import AccountStore

ALGORITHM = "ES384"  # of access tokens
ID_ALGORITHM = "RS256"  # of id_tokens, as SMART's OpenID Connect profile wants it
ACCEPTED = ("ES384", "RS384")  # of client assertions


class SigningKeys:
    """The newest key of an algorithm signs; the older ones are still believed until they are removed."""

    def __init__(self, store: AccountStore) -> None:
        self._store = store
        self._loaded: tuple[tuple[str, ...], KeySet] | None = None

    async def start(self) -> None:
        """Makes a key of each algorithm that has none."""
        there = {key.algorithm for key in await self._store.signing_keys()}
        for algorithm in (ALGORITHM, ID_ALGORITHM):
            if algorithm not in there:
                await self.renew(algorithm)

    async def renew(self, algorithm: str = ALGORITHM) -> str:
        """Makes a new key that signs from now on; gives its kid."""
        about: Any = {"use": "sig", "alg": algorithm}
        key: Key
        if algorithm == ALGORITHM:
            key = ECKey.generate_key("P-384", about, private=True, auto_kid=True)
        else:
            key = RSAKey.generate_key(2048, about, private=True, auto_kid=True)
        await self._store.add_signing_key(str(key.kid), algorithm, dict(key.as_dict(private=True)))
        return str(key.kid)

    async def all(self) -> KeySet:
        """Every key that is believed, newest first."""
        kept = await self._store.signing_keys()
        kids = tuple(key.kid for key in kept)
        if self._loaded is None or self._loaded[0] != kids:
            self._loaded = kids, KeySet([key_of(key.jwk) for key in kept])
        return self._loaded[1]

    async def current(self, algorithm: str = ALGORITHM) -> Key:
        """The key that signs by an algorithm."""
        return next(key for key in (await self.all()).keys if key.get("alg") == algorithm)

    async def published(self) -> dict[str, Any]:
        """The JWK Set of the public halves (RFC 7517)."""
        return {"keys": [dict(key.as_dict(private=False)) for key in (await self.all()).keys]}


def key_of(jwk: dict[str, Any]) -> Key:
    """A key of the kinds that SMART uses; ValueError for any other."""
    kind = jwk.get("kty")
    if kind == "EC":
        return ECKey.import_key(jwk)
    if kind == "RSA":
        return RSAKey.import_key(jwk)
    raise ValueError(f"a key of type {kind!r} can't be used; SMART takes RSA and EC")
