"""What people see of their own account, and what they end there."""

from __future__ import annotations

import functools

import msgspec

from fhir_server.core.keys import instant
from fhir_server.rest.auditing import changed
from fhir_server.rest.authorization import account_pages
from fhir_server.rest.authorization.exchange import Exchange, as_page, see
from fhir_server.rest.authorization.sessions import form_token, same, signed_in
from fhir_server.rest.encode import Answer
from fhir_server.security.model import User


async def account(exchange: Exchange) -> Answer:
    """GET /auth/account: sessions, applications, authenticator app and passkeys of whoever is signed in."""
    return await account_page(exchange)


async def account_page(exchange: Exchange, message: str = "", status: int = 200) -> Answer:
    """The account's page, with what went wrong before it."""
    signed = await signed_in(exchange)
    if signed is None:
        return see("/auth/sign-in")
    secret, current, user = signed
    store = exchange.security.store
    sessions = [
        (each.id, f"{instant(each.begun)} {each.address} {each.agent}{' (here)' if each.id == current.id else ''}")
        for each in await store.sessions(user.id)
    ]
    apps = [
        (family.id, f"{family.client}, since {instant(family.begun)}: {family.scope}")
        for family in await store.families(user.id)
    ]
    fields = {"form": form_token(secret)}
    own = ""
    if not user.provider:
        passkeys = [(each["id"], f"{each['name']}, since {instant(each['added'])}") for each in user.passkeys]
        own = account_pages.factors(bool(user.totp), len(user.recovery), passkeys, fields)
    html = account_pages.account(user.name, sessions, apps, own, fields, message)
    return as_page(html, status, script=f"{exchange.issuer}/auth/passkeys.js")


async def end(exchange: Exchange) -> Answer:
    """POST /auth/end: ends one session, one application's access, or one passkey."""
    signed = await signed_in(exchange)
    if signed is None or not same(exchange.form.get("form", ""), signed[0]):
        return see("/auth/sign-in")
    user = signed[2]
    store = exchange.security.store
    if exchange.form.get("session"):
        await store.end_session(user.id, exchange.form["session"])
    family = exchange.form.get("family", "")
    if family in {each.id for each in await store.families(user.id)}:
        await store.revoke_family(family)
    passkey = exchange.form.get("passkey", "")
    if any(each["id"] == passkey for each in user.passkeys):
        await store.change_user(user.id, functools.partial(_without, passkey=passkey))
    await changed(exchange, 200, user.id)
    return see("/auth/account")


def _without(user: User, passkey: str) -> User:
    return msgspec.structs.replace(user, passkeys=tuple(each for each in user.passkeys if each["id"] != passkey))
