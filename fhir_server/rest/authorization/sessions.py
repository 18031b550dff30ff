"""Signing in and out: by password, and what goes on in a browser that is signed in.

Every form carries a token that only its own browser can know (CSRF), and the application's request, which is checked
anew at each step.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping

from fhir_server.core.errors import FhirError
from fhir_server.rest.auditing import noted
from fhir_server.rest.authorization import pages
from fhir_server.rest.authorization.exchange import Exchange, as_json, as_page, see, with_query
from fhir_server.rest.encode import Answer
from fhir_server.security.credentials import PAGE_HEADER, SESSION_COOKIE, require_own_page
from fhir_server.security.model import Session, User

FORM = "hms_form"
SHOWN = "shown"  # the field that says when the page to sign in was shown for an application's request
OWN_PLACE = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z")  # of a page of this server: never "//host" or "/\\host"


def form_token(secret: str) -> str:
    """What a form carries that belongs to a cookie's secret."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def _shown(secret: str, moment: str, fields: Mapping[str, str]) -> str:
    """The field SHOWN, which only this browser's pages can make, and for one request (its state)."""
    said = f"{moment} {fields.get('state', '')}"
    return f"{moment}.{hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()}"


def begun_since(exchange: Exchange, session: Session) -> bool:
    """Whether a person has signed in since the page to do so was shown for this application's request."""
    shown, secret = exchange.form.get(SHOWN, ""), exchange.cookie(FORM)
    moment = shown.partition(".")[0]
    good = bool(secret) and hmac.compare_digest(shown.encode(), _shown(secret, moment, exchange.form).encode())
    return good and int(moment) <= session.begun


async def signed_in(exchange: Exchange) -> tuple[str, Session, User] | None:
    """(secret, sign-in, user) of the browser, None for nobody."""
    secret = exchange.cookie(SESSION_COOKIE)
    found = await exchange.security.signed_in(secret)
    return (secret, *found) if found else None


def renamed(fields: dict[str, str]) -> dict[str, str]:
    """The request's scope under another name: the consent form's own scope fields are what was agreed to."""
    return {"asked_scope" if name == "scope" else name: value for name, value in fields.items()}


def sign_in_page(
    exchange: Exchange, fields: dict[str, str], message: str, client: str = "", status: int = 200, name: str = ""
) -> Answer:
    """The page to sign in; fields: what is wanted afterwards, client: the application that wants it, name: of whom."""
    secret = exchange.cookie(FORM) or secrets.token_urlsafe(32)
    if "client_id" in fields:
        fields = {**fields, SHOWN: _shown(secret, str(exchange.security.clock()), fields)}
    carried = {**renamed(fields), "form": form_token(secret)}
    outside = [
        (with_query("/auth/outside", {**fields, "provider": each.settings.name}), each.settings.title)
        for each in exchange.security.providers.values()
        if each.settings.client_id
    ]
    html = pages.sign_in(exchange.server.settings.server_name, client, carried, message, outside, name)
    cookie = exchange.set_cookie(FORM, secret, 3600)
    return as_page(html, status, cookie, script=f"{exchange.issuer}/auth/passkeys.js")


async def sign_in(exchange: Exchange) -> Answer:
    """POST /auth/sign-in; GET shows the form by itself. next: the place of a page of this server to go to then."""
    fields = asked_before(exchange.form)
    if exchange.method == "GET":
        return sign_in_page(exchange, {"next": own_place(fields)} if "next" in fields else {}, "")
    form = exchange.form
    if not same(form.get("form", ""), exchange.cookie(FORM)):
        return sign_in_page(exchange, fields, "The form was too old; please try again.", status=400)
    try:
        secret, session = await exchange.security.sign_in(
            form.get("name", ""), form.get("password", ""), form.get("code", ""), exchange.address,
            exchange.headers.get("user-agent", ""), exchange.browser,
        )  # fmt: skip
    except FhirError as problem:
        await noted(exchange, "login", problem.status, form.get("name", "")[:100])
        return sign_in_page(exchange, fields, str(problem), status=problem.status, name=form.get("name", "")[:100])
    await noted(exchange, "login", 200, session.user)
    return go_on(exchange, fields, secret)


def go_on(exchange: Exchange, fields: dict[str, str], secret: str) -> Answer:
    """Leads whoever has just signed in to where they wanted to go."""
    then = with_query("/auth/authorize", fields) if "client_id" in fields else own_place(fields)
    return see(then, *exchange.session_cookies(secret))


def own_place(fields: dict[str, str]) -> str:
    """Where a person wanted to go within this server."""
    wanted = fields.get("next", "")
    return wanted if OWN_PLACE.match(wanted) else "/auth/account"


def asked_before(form: Mapping[str, str]) -> dict[str, str]:
    """The application's request as our own forms carry it."""
    ours = {"name", "password", "code", "form", "scope", "decision"}
    found = {name: value for name, value in form.items() if name not in ours}
    if "asked_scope" in found:
        found["scope"] = found.pop("asked_scope")
    return found


def same(token: str, secret: str) -> bool:
    """Whether a form's token is the one that belongs to a cookie's secret."""
    return bool(secret) and hmac.compare_digest(token.encode(), form_token(secret).encode())


async def sign_out(exchange: Exchange) -> Answer:
    """POST /auth/sign-out: ends this session; by the form of the account's page, or by another page's own request."""
    signed = await signed_in(exchange)
    by_page = PAGE_HEADER in exchange.headers
    if by_page:
        require_own_page("POST", exchange.headers)
    if signed is not None and (by_page or same(exchange.form.get("form", ""), signed[0])):
        await exchange.security.store.end_session(signed[2].id, signed[1].id)
        await noted(exchange, "logout", 200, signed[2].id)
    return see("/auth/sign-in", *exchange.session_cookies(""))


async def session(exchange: Exchange) -> Answer:
    """GET /auth/session: {"open": false, "user": whoever is signed in at this browser, or null}, for the pages."""
    signed = await signed_in(exchange)
    if signed is None:
        return as_json({"open": False, "user": None})
    user = signed[2]
    return as_json({"open": False, "user": {"name": user.name, "fhirUser": user.fhir_user, "roles": list(user.roles)}})
