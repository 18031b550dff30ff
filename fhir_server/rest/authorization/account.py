"""What people see of their own account, and what they end there."""

from __future__ import annotations

from fhir_server.core.keys import instant
from fhir_server.rest.authorization import pages
from fhir_server.rest.authorization.exchange import Exchange, as_page, see
from fhir_server.rest.authorization.sessions import form_token, same, signed_in
from fhir_server.rest.encode import Answer


async def account(exchange: Exchange) -> Answer:
    """GET /auth/account: sessions and applications of whoever is signed in."""
    signed = signed_in(exchange)
    if signed is None:
        return see("/auth/sign-in")
    secret, current, user = signed
    store = exchange.security.store
    sessions = [
        (each.id, f"{instant(each.begun)} {each.address} {each.agent}{' (here)' if each.id == current.id else ''}")
        for each in store.sessions(user.id)
    ]
    apps = [
        (family, f"{client}, since {instant(begun)}: {scope}")
        for family, client, scope, begun in store.families(user.id)
    ]
    return as_page(pages.account(user.name, sessions, apps, {"form": form_token(secret)}))


async def end(exchange: Exchange) -> Answer:
    """POST /auth/end: ends one session or one application's access."""
    signed = signed_in(exchange)
    if signed is None or not same(exchange.form.get("form", ""), signed[0]):
        return see("/auth/sign-in")
    user = signed[2]
    store = exchange.security.store
    if exchange.form.get("session"):
        store.end_session(user.id, exchange.form["session"])
    family = exchange.form.get("family", "")
    if family in {each[0] for each in store.families(user.id)}:
        store.revoke_family(family)
    return see("/auth/account")
