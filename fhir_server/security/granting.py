"""The token endpoint's grants: a code, a refresh token, or a client by itself become tokens.

RFC 6749; https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token and
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from fhir_server.security.ended_families import EndedFamilies
from fhir_server.security.model import CONTEXT, Client, Grant, Refresh, User
from fhir_server.security.oauth_errors import OAuthError, required
from fhir_server.security.scopes import granted, resource_scopes
from fhir_server.security.store import AccountStore
from fhir_server.security.store.port import OFFLINE_LIFE
from fhir_server.security.tokens import Tokens

ONLINE_LIFE = 12 * 3600 * 1_000_000


class Granting:
    """Answers token requests of an authenticated client."""

    def __init__(self, store: AccountStore, tokens: Tokens, ended: EndedFamilies) -> None:
        self._store = store
        self._tokens = tokens
        self._ended = ended

    async def answer(
        self, client: Client, form: Mapping[str, str], issuer: str, fhir_base: str
    ) -> tuple[dict[str, Any], str]:
        """The token response, and the user that it is for, "" for none; OAuthError."""
        kind = required(form, "grant_type")
        kinds = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh,
            "client_credentials": self._by_itself,
        }
        if kind not in kinds:
            raise OAuthError("unsupported_grant_type", f"grant_type must be one of {', '.join(kinds)}.")
        if kind not in client.grants:
            raise OAuthError("unauthorized_client", f"This client may not use {kind}.")
        await self._ended.forget()
        grant, refresh = await kinds[kind](client, form)
        return await self._response(grant, refresh, issuer, fhir_base), grant.user

    async def _by_code(self, client: Client, form: Mapping[str, str]) -> tuple[Grant, str]:
        code = await self._store.take_code(required(form, "code"))
        if code is None or code.grant.client != client.id:
            raise OAuthError("invalid_grant", "The code is not known, was used before, or has expired.")
        if form.get("redirect_uri", "") != code.redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri is not the one that the code was asked for with.")
        verifier = form.get("code_verifier", "")
        found = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not 43 <= len(verifier) <= 128 or not hmac.compare_digest(found, code.challenge):
            raise OAuthError("invalid_grant", "code_verifier is not what code_challenge was made of.")
        return code.grant, await self._new_refresh(client, code.grant)

    async def _by_refresh(self, client: Client, form: Mapping[str, str]) -> tuple[Grant, str]:
        shown = required(form, "refresh_token")
        known = await self._store.refresh_token(shown)
        if known is not None and known.grant.client != client.id:
            raise OAuthError("invalid_grant", "The refresh token is another client's.")
        scope = form.get("scope", "")
        narrowed = granted(scope, known.grant.scope) if known and scope else ""
        if known and scope and set(narrowed.split()) != set(scope.split()):
            raise OAuthError("invalid_scope", "A refresh can't give more than was granted at first.")
        refresh = await self._store.take_refresh(shown)
        user = await self._alive(refresh) if refresh is not None else None
        if refresh is None or user is None:
            raise OAuthError("invalid_grant", "The refresh token is not known, was used before, or has ended.")
        grant = msgspec.structs.replace(refresh.grant, fhir_user=user.fhir_user)
        new = await self._new_refresh(client, grant)
        return (msgspec.structs.replace(grant, scope=narrowed) if narrowed else grant), new

    async def _alive(self, refresh: Refresh) -> User | None:
        """Whose it is, None where the account is closed or the sign-in has ended."""
        user = await self._store.user(refresh.grant.user)
        if user is None or not user.active:
            return None
        return user if not refresh.session or await self._store.session_goes_on(user.id, refresh.session) else None

    async def _by_itself(self, client: Client, form: Mapping[str, str]) -> tuple[Grant, str]:
        if client.public:
            raise OAuthError("unauthorized_client", "A public client can't get a token by itself.")
        scope = granted(form.get("scope", ""), client.scopes)
        scope = " ".join(str(each) for each in resource_scopes(scope) if each.context == "system")
        if not scope:
            raise OAuthError("invalid_scope", "No system scope that was asked for can be granted to this client.")
        family = secrets.token_urlsafe(16)
        await self._store.begin_family(family, "", client.id, scope)
        return Grant(family=family, client=client.id, scope=scope), ""

    async def _new_refresh(self, client: Client, grant: Grant) -> str:
        scopes = set(grant.scope.split())
        session = str(grant.context.get("_session", ""))
        if "refresh_token" not in client.grants or not scopes & {"offline_access", "online_access"}:
            return ""
        secret = secrets.token_urlsafe(32)
        online = "offline_access" not in scopes
        life = ONLINE_LIFE if online else OFFLINE_LIFE
        refresh = Refresh(grant=grant, expires=self._store.clock() + life, session=session if online else "")
        await self._store.put_refresh(secret, refresh)
        return secret

    async def _response(self, grant: Grant, refresh: str, issuer: str, fhir_base: str) -> dict[str, Any]:
        user = await self._store.user(grant.user) if grant.user else None
        roles = user.roles if user else ()
        answer: dict[str, Any] = {
            "access_token": await self._tokens.access_token(grant, issuer, fhir_base, roles),
            "token_type": "Bearer",
            "expires_in": self._tokens.lifetime(grant),
            "scope": grant.scope,
        }
        answer |= {name: grant.context[name] for name in CONTEXT if name in grant.context}
        if refresh:
            answer["refresh_token"] = refresh
        if "openid" in grant.scope.split() and grant.user:
            answer["id_token"] = await self._tokens.id_token(grant, issuer, fhir_base)
        return answer
