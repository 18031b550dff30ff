"""Tokens: signed, read, and what they say (RFC 9068 access tokens, OpenID Connect id_tokens)."""

from __future__ import annotations

import secrets
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from fhir_server.core.errors import error
from fhir_server.security.believed import Believed
from fhir_server.security.keys import ALGORITHM, ID_ALGORITHM, SigningKeys
from fhir_server.security.model import CONTEXT, Access, Grant
from fhir_server.security.scopes import IDENTITY
from fhir_server.security.store import AccountStore
from fhir_server.security.unverified import LONGEST

SERVICE_SECONDS = 300  # the most that SMART recommends for backend services
SKEW = 60  # seconds that another's clock may be off
AT_TYPE = "at+jwt"
ID_TYPE = "JWT"
REALM = {"WWW-Authenticate": 'Bearer realm="fhir", error="invalid_token"'}


def refused(why: str) -> Exception:
    """401 with what a client needs to know, and no more."""
    return error("login", f"The access token is not accepted: {why}. Get a new one.", headers=REALM)


class Tokens:
    """Signs for one issuer and one audience, the FHIR base URL; believes what it has signed and nobody has revoked."""

    def __init__(self, store: AccountStore, keys: SigningKeys, seconds: int) -> None:
        self._store = store
        self._keys = keys
        self.seconds = seconds
        self._believed = Believed()

    def _now(self) -> int:
        return self._store.clock() // 1_000_000

    async def _sign(self, claims: dict[str, Any], kind: str, algorithm: str = ALGORITHM) -> str:
        key = await self._keys.current(algorithm)
        return jwt.encode({"alg": algorithm, "kid": key.kid, "typ": kind}, claims, key, algorithms=[algorithm])

    def lifetime(self, grant: Grant) -> int:
        """Seconds that an access token of a grant is good for: a service by itself gets another at any time."""
        return self.seconds if grant.user else min(self.seconds, SERVICE_SECONDS)

    async def access_token(
        self, grant: Grant, issuer: str, audience: str, roles: tuple[str, ...] = (), seconds: int = 0
    ) -> str:
        """An access token of a grant; seconds: how long it is good for, 0 for as long as is usual."""
        now = self._now()
        claims = {
            "iss": issuer,
            "aud": audience,
            "sub": grant.user or grant.client,
            "client_id": grant.client,
            "scope": grant.scope,
            "iat": now,
            "exp": now + (seconds or self.lifetime(grant)),
            "jti": secrets.token_urlsafe(16),
            "sid": grant.family,
        }
        if grant.user:
            claims |= {"user": grant.user, "fhirUser": grant.fhir_user, "roles": list(roles)}
        claims |= {name: grant.context[name] for name in CONTEXT if name in grant.context}
        return await self._sign(claims, AT_TYPE)

    async def id_token(self, grant: Grant, issuer: str, fhir_base: str) -> str:
        """An id_token of a grant with openid (https://openid.net/specs/openid-connect-core-1_0.html#IDToken)."""
        now = self._now()
        claims: dict[str, Any] = {
            "iss": issuer,
            "aud": grant.client,
            "sub": grant.user,
            "iat": now,
            "exp": now + self.seconds,
            "auth_time": grant.authenticated // 1_000_000,
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        if IDENTITY & set(grant.scope.split()) - {"openid"} and grant.fhir_user:
            claims["fhirUser"] = f"{fhir_base}/{grant.fhir_user}"
        return await self._sign(claims, ID_TYPE, ID_ALGORITHM)

    async def subject_of(self, id_token: str, issuer: str) -> str:
        """Whose an id_token of this server is, be it over or not; "" for one that is none."""
        keys = await self._keys.all()
        try:
            found = jwt.decode(id_token[:LONGEST], keys, algorithms=[ID_ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
            return ""
        good = found.header.get("typ") == ID_TYPE and found.claims.get("iss") == issuer
        return str(found.claims.get("sub", "")) if good else ""

    async def read(self, token: str, issuer: str, audience: str) -> Access:
        """What an access token of this server says; FhirError "login" where it is not one, not now or not for us."""
        access = self._believed.get(token, audience)
        if access is None:
            access = await self._verified(token, issuer, audience)
            self._believed.keep(token, audience, access)
        if access.expires <= self._now():
            self._believed.forget(token, audience)
            raise refused("it has expired")
        if not await self._store.good(access.family, access.jti):
            self._believed.forget(token, audience)
            raise refused("it was revoked")
        return access

    async def _verified(self, token: str, issuer: str, audience: str) -> Access:
        if len(token) > LONGEST:
            raise refused("it is too long")
        keys = await self._keys.all()
        try:
            found = jwt.decode(token, keys, algorithms=[ALGORITHM])
        except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
            raise refused("its signature is not this server's") from None
        claims = found.claims
        if found.header.get("typ") != AT_TYPE:
            raise refused("it is no access token")
        if claims.get("iss") != issuer or claims.get("aud") != audience:
            raise refused("it is for another server")
        if int(claims.get("iat", 0)) > self._now() + SKEW:
            raise refused("it is from the future")
        return Access(
            client=str(claims["client_id"]),
            scope=str(claims["scope"]),
            user=str(claims.get("user", "")),
            fhir_user=str(claims.get("fhirUser", "")),
            patient=str(claims.get("patient", "")),
            encounter=str(claims.get("encounter", "")),
            family=str(claims["sid"]),
            jti=str(claims["jti"]),
            issuer=issuer,
            roles=tuple(claims.get("roles", ())),
            expires=int(claims["exp"]),
        )
