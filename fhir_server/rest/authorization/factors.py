"""Setting up what proves a person beside the password: an authenticator app, and passkeys."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

from fhir_server.core.errors import FhirError, error
from fhir_server.rest.auditing import changed, noted
from fhir_server.rest.authorization import account_pages
from fhir_server.rest.authorization.account import account_page
from fhir_server.rest.authorization.exchange import Exchange, as_json, as_page, see, with_query
from fhir_server.rest.authorization.sessions import asked_before, form_token, go_on, same, signed_in
from fhir_server.rest.encode import Answer
from fhir_server.security import second_factor, totp
from fhir_server.security.credentials import require_own_page
from fhir_server.security.model import Session, User
from fhir_server.security.passkeys import Passkeys

RECENT = 900_000_000  # microseconds since the sign-in, within which factors may be added


async def _recently(exchange: Exchange) -> tuple[str, Session, User] | None:
    """Whoever has signed in here not long ago: a browser left alone must not get a factor of somebody else's."""
    signed = await signed_in(exchange)
    if signed is None or signed[2].provider or exchange.security.clock() - signed[1].begun > RECENT:
        return None
    return signed


async def app(exchange: Exchange) -> Answer:
    """GET /auth/totp shows what to scan, POST takes the code that the app shows then."""
    signed = await _recently(exchange)
    if signed is None:
        return see(with_query("/auth/sign-in", {"next": "/auth/totp"}))
    secret, _, user = signed
    if user.totp:
        return see("/auth/account")
    form = exchange.form
    if exchange.method == "GET" or not same(form.get("form", ""), secret):
        return _to_scan(exchange, totp.new_secret(), user, secret)
    try:
        _, codes = await second_factor.set_up(
            exchange.security.store, user, form.get("secret", ""), form.get("code", "")
        )
    except FhirError as problem:
        return _to_scan(exchange, form.get("secret", ""), user, secret, str(problem))
    await changed(exchange, 200, user.id)
    return as_page(account_pages.recovery_codes(codes))


def _to_scan(exchange: Exchange, key: str, user: User, secret: str, message: str = "") -> Answer:
    import segno

    uri = totp.uri(key, user.name, exchange.server.settings.server_name)
    image = segno.make(uri, micro=False).svg_inline(scale=4, border=4, light="white", title="QR code", omitsize=False)
    html = account_pages.set_up(key, image, {"form": form_token(secret)}, message)
    return as_page(html, 400 if message else 200)


async def end_app(exchange: Exchange) -> Answer:
    """POST /auth/totp/end: a user does without the app, whose code is asked for once more."""
    signed = await signed_in(exchange)
    if signed is None or not same(exchange.form.get("form", ""), signed[0]):
        return see("/auth/sign-in")
    user = signed[2]
    subject = f"app:{user.id}"  # nobody but who is signed in guesses at it
    try:
        await exchange.security.throttle.require(subject)
        if user.totp:
            await second_factor.take_away(exchange.security.store, user, exchange.form.get("code", ""))
    except FhirError as problem:
        if problem.category == "value":
            await exchange.security.throttle.failed(subject)
        await changed(exchange, problem.status, user.id)
        return await account_page(exchange, str(problem), problem.status)
    await changed(exchange, 200, user.id)
    return see("/auth/account")


def _passkeys(exchange: Exchange) -> Passkeys:
    require_own_page("POST", exchange.headers)
    return Passkeys(exchange.security.store, exchange.issuer, exchange.server.settings.server_name)


def _sent(exchange: Exchange) -> dict[str, Any]:
    if not isinstance(exchange.json, dict):
        raise error("value", "Send a JSON object.")
    return exchange.json


async def _own(exchange: Exchange) -> User:
    signed = await _recently(exchange)
    if signed is None:
        raise error("login", "Sign in again first: that was too long ago.")
    return signed[2]


async def offer_passkey(exchange: Exchange) -> Answer:
    """POST /auth/passkeys/offer: what a browser needs to make a passkey."""
    return as_json(await _passkeys(exchange).offer(await _own(exchange)))


async def add_passkey(exchange: Exchange) -> Answer:
    """POST /auth/passkeys/add: {"credential": what the browser made, "name": …}."""
    sent = _sent(exchange)
    user = await _passkeys(exchange).add(await _own(exchange), sent.get("credential"), str(sent.get("name", "")))
    await changed(exchange, 201, user.id)
    return as_json({"passkeys": len(user.passkeys)}, 201)


async def ask_passkey(exchange: Exchange) -> Answer:
    """POST /auth/passkeys/ask: what a browser needs to show a passkey."""
    return as_json(await _passkeys(exchange).ask())


async def show_passkey(exchange: Exchange) -> Answer:
    """POST /auth/passkeys/sign-in: {"credential": …, "fields": the sign-in form's}; {"location": where to go on}."""
    sent, security = _sent(exchange), exchange.security
    try:
        user = await _passkeys(exchange).recognised(sent.get("credential"))
    except FhirError as problem:
        await noted(exchange, "login", problem.status, "")
        raise
    secret, _ = await security.begin_session(
        user, exchange.address, exchange.headers.get("user-agent", ""), ("webauthn",), exchange.browser
    )
    await noted(exchange, "login", 200, user.id)
    fields = sent.get("fields")
    given = (
        {name: value for name, value in fields.items() if isinstance(value, str)} if isinstance(fields, dict) else {}
    )
    led = go_on(exchange, asked_before(given), secret)
    headers = dict(led.headers)
    cookies = [header for header in led.headers if header[0] == b"set-cookie"]
    return as_json({"location": headers[b"location"].decode()}, 200, *cookies)


@functools.cache
def _script() -> bytes:
    return resources.files("fhir_server.rest.authorization").joinpath("passkeys.js").read_bytes()


async def script(exchange: Exchange) -> Answer:
    """GET /auth/passkeys.js."""
    headers = [(b"content-type", b"text/javascript; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    return Answer(200, headers, _script())
