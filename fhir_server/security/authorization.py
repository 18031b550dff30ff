"""An authorization request: what an app may ask for, and the code that it gets.

RFC 6749 section 4.1, PKCE (RFC 7636, S256 only), SMART App Launch
(https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code), RFC 9207 (iss in the answer).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from fhir_server.security.model import CONTEXT, Client, Code, Grant, Session, User
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.scopes import REFRESHING, granted, known
from fhir_server.security.store import AccountStore

CODE_LIFE = 60_000_000  # microseconds
_SECONDS = re.compile(r"[0-9]{1,10}\Z")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}\Z")


class Refusal(Exception):
    """Shown to a person: the client or its redirect URI is not known, so nothing can be answered to the client."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request that holds: what the client asked for, cut down to what it may have."""

    client: Client
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    launch: dict[str, Any] = {}
    nonce: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None

    def wants_sign_in(self, age: int) -> bool:
        """Whether a person must sign in for this request, who has signed in so many seconds ago
        (https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)."""
        return bool(self.prompt & {"login", "select_account"}) or (self.max_age is not None and age > self.max_age)

    @property
    def wants_patient(self) -> bool:
        """Whether a person must choose a patient."""
        scopes = self.scope.split()
        asks = "launch/patient" in scopes or any(scope.startswith("patient/") for scope in scopes)
        return asks and "patient" not in self.launch


async def client_of(store: AccountStore, form: Mapping[str, str]) -> tuple[Client, str]:
    """The client and its redirect URI; Refusal where an answer could go to somebody else."""
    client = await store.client(form.get("client_id", ""))
    if client is None or not client.active or "authorization_code" not in client.grants:
        raise Refusal("This application is not registered here. Register it with `hms client add`.")
    redirect_uri = form.get("redirect_uri", "")
    if not redirect_uri and len(client.redirect_uris) == 1:
        redirect_uri = client.redirect_uris[0]
    if redirect_uri not in client.redirect_uris:
        sent = f"The redirect_uri {redirect_uri[:200]}" if redirect_uri else "The redirect_uri is missing, or"
        raise Refusal(f"{sent} is none of those that this application has registered, letter for letter.")
    return client, redirect_uri


async def asked(
    store: AccountStore, form: Mapping[str, str], client: Client, redirect_uri: str, fhir_base: str
) -> Asked:
    """What is asked for; OAuthError where it can't be, to be sent to the redirect URI."""
    if form.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "response_type must be code.")
    if not form.get("state"):
        raise OAuthError("invalid_request", "state is required: a value that nobody can guess, checked on return.")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.match(form.get("code_challenge", "")):
        raise OAuthError("invalid_request", "PKCE is required: code_challenge_method=S256 and a code_challenge.")
    if form.get("aud", "").rstrip("/") != fhir_base.rstrip("/"):
        raise OAuthError("invalid_request", f"aud must be the FHIR base URL, {fhir_base}.")
    for name in ("request", "request_uri"):
        if form.get(name):
            raise OAuthError(f"{name}_not_supported", f"{name} is not supported; send the parameters themselves.")
    if form.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "response_mode can be query only.")
    if form.get("max_age") and not _SECONDS.match(form["max_age"]):
        raise OAuthError("invalid_request", "max_age is a number of seconds.")
    prompt = frozenset(form.get("prompt", "").split())
    if "none" in prompt and len(prompt) > 1:
        raise OAuthError("invalid_request", "prompt=none stands alone.")
    wanted = form.get("scope", "").split()
    if not wanted:
        raise OAuthError("invalid_scope", "scope is required.")
    scope = granted(" ".join(wanted), client.scopes)
    if not scope:
        wrong = [text for text in wanted if not known(text)]
        why = f"{wrong[0]!r} is no SMART scope" if wrong else "this application may have none of them"
        raise OAuthError("invalid_scope", f"No scope can be granted: {why}.")
    launch: dict[str, Any] = {}
    if form.get("launch"):
        found = await store.launch(form["launch"])
        if found is None:
            raise OAuthError("invalid_request", "launch is not known or has expired; launch the app again.")
        launch = found
    return Asked(
        client=client,
        redirect_uri=redirect_uri,
        state=form["state"],
        scope=scope,
        challenge=form["code_challenge"],
        launch=launch,
        nonce=form.get("nonce", ""),
        prompt=prompt,
        max_age=int(form["max_age"]) if form.get("max_age") else None,
    )


async def code_for(
    store: AccountStore, asked: Asked, user: User, session: Session, scope: str, context: Mapping[str, Any]
) -> str:
    """The redirect with a code once the user has agreed to (some of) the scopes; context as chosen and launched."""
    kept = granted(scope, asked.scope)
    family = secrets.token_urlsafe(16)
    grant = Grant(
        family=family,
        client=asked.client.id,
        scope=kept,
        user=user.id,
        fhir_user=user.fhir_user,
        context=_allowed({**asked.launch, **context}, set(kept.split())),
        nonce=asked.nonce,
        authenticated=session.begun,
    )
    if "online_access" in REFRESHING & set(kept.split()):
        grant = msgspec.structs.replace(grant, context={**grant.context, "_session": session.id})
    secret = secrets.token_urlsafe(32)
    await store.put_code(
        secret,
        Code(
            grant=grant,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            expires=store.clock() + CODE_LIFE,
        ),
    )
    return secret


def _allowed(context: Mapping[str, Any], scopes: set[str]) -> dict[str, Any]:
    """What an application is told of a context: with launch all of it, else what another scope of its has it know
    (https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-context-data)."""
    by = {each.partition("/")[0] for each in scopes if "." in each} | scopes
    names = {"patient": {"launch", "launch/patient", "patient"}, "encounter": {"launch", "launch/encounter"}}
    return {name: value for name, value in context.items() if name in CONTEXT and names.get(name, {"launch"}) & by}


def redirect(redirect_uri: str, issuer: str, **parameters: str) -> str:
    """The redirect URI with the answer, and with iss so that a client can't mix up servers (RFC 9207)."""
    separator = "&" if urlsplit(redirect_uri).query else "?"
    return redirect_uri + separator + urlencode({**{k: v for k, v in parameters.items() if v}, "iss": issuer})
