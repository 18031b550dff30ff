"""A provider at work: reading its tokens, and signing people in by the authorization code flow with PKCE."""

from __future__ import annotations

import base64
import hmac
import warnings
from collections.abc import Mapping
from typing import Any

import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.security import unverified
from fhir_server.security.believed import Believed
from fhir_server.security.model import Access, User
from fhir_server.security.openid import claims
from fhir_server.security.openid.configuration import Provider
from fhir_server.security.openid.fetching import Fetching
from fhir_server.security.tokens import SKEW, refused
from fhir_server.security.unverified import LONGEST

MOST_TOLD = 500  # characters of what a provider says of a failure
NO_ACCESS_TOKENS = ("ID", "Refresh", "Offline", "Logout")  # what Keycloak calls its other tokens in the claim typ

log = structlog.get_logger("openid")


class Pending(msgspec.Struct, frozen=True):
    """A sign-in that has begun in a browser, kept there; fields: where it goes on."""

    provider: str
    state: str
    nonce: str
    verifier: str
    fields: dict[str, str] = {}

    def packed(self) -> str:
        """As a cookie's value."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def unpacked(value: str) -> Pending | None:
    """What a cookie's value says, None for what is none."""
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)), type=Pending)
    except ValueError:
        return None


class OpenIdProvider:
    """One outside provider."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self.settings = provider
        self.fetching = Fetching(provider, clock)
        self._clock = clock
        self._believed = Believed()

    async def read(self, token: str, fhir_base: str) -> Access:
        """What an access token of the provider says; FhirError "login" where it is not one, not now or not for us."""
        now = self._clock() // 1_000_000
        access = self._believed.get(token, fhir_base)
        if access is None:
            said = await self._verified(token)
            self._require_access_token(said, self.settings.audience or fhir_base, now)
            access = claims.access(self.settings, said, fhir_base)
            if not access.user:
                raise refused("it does not say whose it is")
            self._believed.keep(token, fhir_base, access)
        if access.expires <= now:
            self._believed.forget(token, fhir_base)
            raise refused("it has expired")
        return access

    async def _verified(self, token: str) -> dict[str, Any]:
        """The claims of a token that the provider has signed, by a key of its own and a pinned algorithm."""
        if len(token) > LONGEST:
            raise refused("it is too long")
        keys = await self.fetching.keys(str(unverified.header(token).get("kid", "")))
        try:
            found = jwt.decode(token, keys, algorithms=list(self.settings.algorithms)).claims
        except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
            raise refused("its signature is not the provider's") from None
        if found.get("iss") != self.settings.issuer:
            raise refused("it is another issuer's")
        return found

    @staticmethod
    def _require_access_token(said: dict[str, Any], audience: str, now: int) -> None:
        of = said.get("aud")
        if audience not in (of if isinstance(of, list) else [of]):
            raise refused("it is for another server")
        if said.get("typ") in NO_ACCESS_TOKENS or "nonce" in said or "at_hash" in said:
            raise refused("it is no access token")
        _require_times(said, now)

    async def begin(self, redirect_uri: str, fields: dict[str, str]) -> tuple[str, Pending]:
        """Where to send a browser to sign in there, and what it must bring back."""
        from authlib.common.security import generate_token

        found = await self.fetching.configuration()
        pending = Pending(self.settings.name, generate_token(32), generate_token(32), generate_token(64), fields)
        client = _client_class()(
            self.settings.client_id, redirect_uri=redirect_uri, scope=self.settings.asks, code_challenge_method="S256"
        )
        url, _ = client.create_authorization_url(
            found["authorization_endpoint"], pending.state, pending.verifier, nonce=pending.nonce, **_passed(fields)
        )
        return url, pending

    async def finish(self, pending: Pending, form: dict[str, str], redirect_uri: str, fhir_base: str) -> User:
        """Who has signed in there, once the browser is back; FhirError "login" where that can't be believed.

        FhirError "forbidden" for an account that has neither a role nor a record here.
        """
        from authlib.integrations.base_client.errors import OAuthError as Refused
        from httpx import HTTPError

        if not hmac.compare_digest(form.get("state", "").encode(), pending.state.encode()):
            raise error("login", "This sign-in was not begun in this browser; please begin again.")
        if form.get("iss", self.settings.issuer) != self.settings.issuer:
            raise error("login", "The answer is another provider's; please begin again.")
        if "code" not in form:
            self._tell(form.get("error", ""), form.get("error_description", ""))
            raise error("login", "The other side did not sign you in.")
        found = await self.fetching.configuration()
        client: Any = _client_class()(
            self.settings.client_id, self.settings.secret or None, redirect_uri=redirect_uri, timeout=5,
            verify=self.fetching.verify,
            token_endpoint_auth_method="client_secret_basic" if self.settings.secret else "none",
        )  # fmt: skip
        try:
            token = await client.fetch_token(found["token_endpoint"], code=form["code"], code_verifier=pending.verifier)
        except (Refused, HTTPError, ValueError) as problem:
            self._tell(type(problem).__name__, str(problem))
            raise error("login", "The other side did not confirm the sign-in; please begin again.") from None
        finally:
            await client.aclose()
        said = await self._verified(str(token.get("id_token", "")))
        self._require_id_token(said, pending.nonce)
        user = claims.user(self.settings, said, fhir_base)
        if user is None:
            raise error(
                "forbidden", "Your account has no role and no record here; ask whoever looks after this server."
            )
        return user

    def _tell(self, problem: str, description: str) -> None:
        """The log has why a sign-in failed: the page does not tell whoever signs in, and the operator has to see it."""
        told = {"problem": problem[:MOST_TOLD], "description": description[:MOST_TOLD]}
        log.warning("a sign-in failed at its provider", provider=self.settings.name, **told)

    def _require_id_token(self, said: dict[str, Any], nonce: str) -> None:
        """https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation"""
        of = said.get("aud")
        audiences = of if isinstance(of, list) else [of]
        own = self.settings.client_id
        if own not in audiences or said.get("azp", own) != own or (len(audiences) > 1 and "azp" not in said):
            raise refused("the id_token is for another application")
        if not hmac.compare_digest(str(said.get("nonce", "")).encode(), nonce.encode()):
            raise refused("the id_token belongs to another sign-in")
        _require_times(said, self._clock() // 1_000_000)


def _passed(fields: Mapping[str, str]) -> dict[str, str]:
    """What an application wants of a sign-in, for the provider too."""
    again = [each for each in fields.get("prompt", "").split() if each in ("login", "select_account")]
    wanted = {"prompt": " ".join(again), **{name: fields.get(name, "") for name in ("max_age", "login_hint")}}
    return {name: value for name, value in wanted.items() if value}


def _client_class() -> Any:
    """Authlib's client, without what it tells developers of the HTTP library that it is built on."""
    from authlib.deprecate import AuthlibDeprecationWarning  # which asks for being shown, so it comes first

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AuthlibDeprecationWarning)
        from authlib.integrations.httpx_client import AsyncOAuth2Client
    return AsyncOAuth2Client


def _require_times(said: dict[str, Any], now: int) -> None:
    expires = said.get("exp")
    if not isinstance(expires, int | float) or expires <= now:
        raise refused("it has expired")
    if any(isinstance(said.get(name), int | float) and said[name] > now + SKEW for name in ("nbf", "iat")):
        raise refused("it is from the future")
