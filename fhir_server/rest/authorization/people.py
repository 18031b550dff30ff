"""What a person does: sign in, choose a patient, agree, and look at what goes on.

Every form carries a token that only its own browser can know (CSRF), and the application's request, which is checked
anew at each step.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any

import msgspec

from fhir_server.api import Request
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import ID_PATTERN, instant
from fhir_server.rest.auditing import noted
from fhir_server.rest.authorization import pages
from fhir_server.rest.authorization.exchange import Exchange, as_json, as_page, see, with_query
from fhir_server.rest.encode import Answer
from fhir_server.security.authorization import Asked, Refusal, asked, client_of, code_for, redirect
from fhir_server.security.credentials import PAGE_HEADER, SESSION_COOKIE, require_own_page
from fhir_server.security.model import Session, User
from fhir_server.security.oauth_errors import OAuthError

FORM = "hms_form"
OWN_PLACE = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z")  # of a page of this server: never "//host" or "/\\host"
OWN = ("q", "patient")  # what our own pages add to an application's request
FOUND = 20  # patients shown


def _request(exchange: Exchange) -> dict[str, str]:
    """The application's request in a form."""
    return {name: value for name, value in exchange.form.items() if name not in OWN}


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def _signed_in(exchange: Exchange) -> tuple[str, Session, User] | None:
    secret = exchange.cookie(SESSION_COOKIE)
    found = exchange.security.signed_in(secret)
    return (secret, *found) if found else None


async def authorize(exchange: Exchange) -> Answer:
    """GET or POST /auth/authorize: shows what is still missing, page by page, until a person has decided."""
    store = exchange.security.store
    try:
        exchange.require_single()
        client, redirect_uri = client_of(store, exchange.form)
    except Refusal as problem:
        return as_page(pages.page("This can't go on", pages.wrong(str(problem))), 400)
    if exchange.method == "POST":
        return see(with_query("/auth/authorize", exchange.form))  # so that the session's cookie comes along
    try:
        wanted = asked(store, exchange.form, client, redirect_uri, exchange.base)
        return await _next(exchange, wanted)
    except OAuthError as problem:
        return see(_error(exchange, redirect_uri, problem))


async def _next(exchange: Exchange, wanted: Asked) -> Answer:
    fields = _request(exchange)
    signed = _signed_in(exchange)
    stale = wanted.prompt == "login" and signed and exchange.security.clock() - signed[1].begun > 120_000_000
    if signed is None or stale:
        if wanted.prompt == "none":
            raise OAuthError("login_required", "Nobody is signed in.")
        return _sign_in_page(exchange, fields, "", wanted.client.name)
    secret, _, user = signed
    if wanted.launch.get("user") not in (None, user.id) or wanted.launch.get("client") not in (None, wanted.client.id):
        raise OAuthError("access_denied", "This launch is for another user or application.")
    patient = str(wanted.launch.get("patient", ""))
    if not patient and wanted.wants_patient:
        patient = own_patient(user) or exchange.form.get("patient", "")
        if not patient:
            return await _patients_page(exchange, fields, user)
    shown = await _name_of(exchange, user, patient) if patient else ""
    if patient and not shown:
        return await _patients_page(exchange, fields, user, "That patient is not there, or not for you to see.")
    if wanted.prompt == "none":
        raise OAuthError("interaction_required", "A person must agree.")
    carried = {**fields, "patient": patient, "form": _token(secret)} if patient else {**fields, "form": _token(secret)}
    asks = [scope for scope in wanted.scope.split() if scope != "launch"]
    return as_page(pages.consent(wanted.client.name, user.name, shown, asks, _renamed(carried), wanted.client.logo_uri))


def _renamed(fields: dict[str, str]) -> dict[str, str]:
    """The request's scope under another name: the consent form's own scope fields are what was agreed to."""
    return {"asked_scope" if name == "scope" else name: value for name, value in fields.items()}


def own_patient(user: User) -> str:
    """The patient that a user is, "" for everybody else."""
    kind, _, id = user.fhir_user.partition("/")
    return id if kind == "Patient" else ""


async def _patients_page(exchange: Exchange, fields: dict[str, str], user: User, message: str = "") -> Answer:
    searched = exchange.form.get("q", "")
    query = [("_count", str(FOUND)), ("_elements", "name,birthDate")]
    if searched:
        query.append(("_filter", _filter(searched)))
    found = []
    try:
        caller = await exchange.server.caller_of_user(user)
        bundle = msgspec.json.decode(
            (await exchange.server.perform(Request("GET", ("Patient",), query, base=exchange.base, caller=caller))).body
        )
        found = [
            (entry["resource"]["id"], _human(entry["resource"]), entry["resource"].get("birthDate", ""))
            for entry in bundle.get("entry", ())
        ]
    except FhirError:
        message = message or "The patients can't be searched now."
    return as_page(pages.choose_patient(fields, searched, found, message))


def _filter(searched: str) -> str:
    text = searched.replace("\\", "").replace('"', "")
    return f'name co "{text}" or identifier eq "{text}"'


def _human(patient: dict[str, Any]) -> str:
    for name in patient.get("name", ()):
        parts = [*name.get("given", ()), name.get("family", "")]
        return name.get("text") or " ".join(part for part in parts if part) or patient["id"]
    return patient["id"]


async def _name_of(exchange: Exchange, user: User, patient: str) -> str:
    """What a patient is called, "" where the user may not see it."""
    if not ID_PATTERN.match(patient):
        return ""
    try:
        version = await exchange.server.read("Patient", patient, await exchange.server.caller_of_user(user))
    except FhirError:
        return ""
    return _human(msgspec.json.decode(version.body))


def _sign_in_page(
    exchange: Exchange, fields: dict[str, str], message: str, client: str = "", status: int = 200
) -> Answer:
    secret = exchange.cookie(FORM) or secrets.token_urlsafe(32)
    carried = {**_renamed(fields), "form": _token(secret)}
    html = pages.sign_in(exchange.server.settings.server_name, client, carried, message)
    return as_page(html, status, exchange.set_cookie(FORM, secret, 3600))


async def sign_in(exchange: Exchange) -> Answer:
    """POST /auth/sign-in; GET shows the form by itself. next: the place of a page of this server to go to then."""
    fields = _asked_before(exchange)
    if exchange.method == "GET":
        return _sign_in_page(exchange, {"next": _own_place(fields)} if "next" in fields else {}, "")
    form = exchange.form
    if not _same(form.get("form", ""), exchange.cookie(FORM)):
        return _sign_in_page(exchange, fields, "The form was too old; please try again.", status=400)
    try:
        secret, session = await exchange.security.sign_in(
            form.get("name", ""), form.get("password", ""), form.get("code", ""), exchange.address,
            exchange.headers.get("user-agent", ""),
        )  # fmt: skip
    except FhirError as problem:
        await noted(exchange, "login", problem.status, form.get("name", "")[:100])
        return _sign_in_page(exchange, fields, str(problem), status=problem.status)
    await noted(exchange, "login", 200, session.user)
    then = with_query("/auth/authorize", fields) if "client_id" in fields else _own_place(fields)
    return see(then, *exchange.session_cookies(secret))


def _own_place(fields: dict[str, str]) -> str:
    """Where a person wanted to go within this server."""
    wanted = fields.get("next", "")
    return wanted if OWN_PLACE.match(wanted) else "/auth/account"


def _asked_before(exchange: Exchange) -> dict[str, str]:
    """The application's request as our own forms carry it."""
    ours = {"name", "password", "code", "form", "scope", "decision"}
    found = {name: value for name, value in exchange.form.items() if name not in ours}
    if "asked_scope" in found:
        found["scope"] = found.pop("asked_scope")
    return found


def _same(token: str, secret: str) -> bool:
    return bool(secret) and hmac.compare_digest(token, _token(secret))


async def decide(exchange: Exchange) -> Answer:
    """POST /auth/decide: what a person allowed, as a code for the application."""
    fields = _asked_before(exchange)
    signed = _signed_in(exchange)
    if signed is None:
        return see(with_query("/auth/authorize", fields))
    secret, session, user = signed
    store = exchange.security.store
    try:
        client, redirect_uri = client_of(store, fields)
    except Refusal as problem:
        return as_page(pages.page("This can't go on", pages.wrong(str(problem))), 400)
    if not _same(exchange.form.get("form", ""), secret):
        return see(with_query("/auth/authorize", fields))
    try:
        wanted = asked(store, fields, client, redirect_uri, exchange.base)
        if exchange.form.get("decision") != "allow":
            raise OAuthError("access_denied", "The person refused.")
        context = {}
        patient = fields.get("patient", "")
        if patient and "patient" not in wanted.launch:
            if own_patient(user) not in ("", patient) or not await _name_of(exchange, user, patient):
                raise OAuthError("access_denied", "That patient is not for this user to see.")
            context["patient"] = patient
        kept = " ".join([*exchange.lists.get("scope", ()), *(["launch"] if "launch" in wanted.scope.split() else [])])
        if not kept:
            raise OAuthError("access_denied", "The person allowed nothing.")
        code = code_for(store, wanted, user, session, kept, context)
    except OAuthError as problem:
        return see(_error(exchange, redirect_uri, problem, fields.get("state", "")))
    return see(redirect(redirect_uri, exchange.issuer, code=code, state=wanted.state))


def _error(exchange: Exchange, redirect_uri: str, problem: OAuthError, state: str = "") -> str:
    return redirect(
        redirect_uri,
        exchange.issuer,
        error=problem.error,
        error_description=problem.description,
        state=state or exchange.form.get("state", ""),
    )


async def account(exchange: Exchange) -> Answer:
    """GET /auth/account: sessions and applications of whoever is signed in."""
    signed = _signed_in(exchange)
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
    return as_page(pages.account(user.name, sessions, apps, {"form": _token(secret)}))


async def end(exchange: Exchange) -> Answer:
    """POST /auth/end: ends one session or one application's access."""
    signed = _signed_in(exchange)
    if signed is None or not _same(exchange.form.get("form", ""), signed[0]):
        return see("/auth/sign-in")
    user = signed[2]
    store = exchange.security.store
    if exchange.form.get("session"):
        store.end_session(user.id, exchange.form["session"])
    family = exchange.form.get("family", "")
    if family in {each[0] for each in store.families(user.id)}:
        store.revoke_family(family)
    return see("/auth/account")


async def sign_out(exchange: Exchange) -> Answer:
    """POST /auth/sign-out: ends this session; by the form of the account's page, or by another page's own request."""
    signed = _signed_in(exchange)
    by_page = PAGE_HEADER in exchange.headers
    if by_page:
        require_own_page("POST", exchange.headers)
    if signed is not None and (by_page or _same(exchange.form.get("form", ""), signed[0])):
        exchange.security.store.end_session(signed[2].id, signed[1].id)
        await noted(exchange, "logout", 200, signed[2].id)
    return see("/auth/sign-in", *exchange.session_cookies(""))


async def session(exchange: Exchange) -> Answer:
    """GET /auth/session: {"open": false, "user": whoever is signed in at this browser, or null}, for the pages."""
    signed = _signed_in(exchange)
    if signed is None:
        return as_json({"open": False, "user": None})
    user = signed[2]
    return as_json({"open": False, "user": {"name": user.name, "fhirUser": user.fhir_user, "roles": list(user.roles)}})
