"""What a person does with an application's request: choose a patient, and agree to some or all of it."""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.api import Request, Response
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import ID_PATTERN, StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.rest.auditing import NOTHING, shown
from fhir_server.rest.authorization import pages
from fhir_server.rest.authorization.exchange import Exchange, as_page, see, with_query
from fhir_server.rest.authorization.sessions import (
    asked_before,
    begun_since,
    form_token,
    renamed,
    same,
    sign_in_page,
    signed_in,
)
from fhir_server.rest.encode import Answer
from fhir_server.security.authorization import Asked, Refusal, asked, client_of, code_for, redirect
from fhir_server.security.model import Session, User
from fhir_server.security.oauth_errors import OAuthError
from fhir_server.security.redirects import place_of
from fhir_server.security.service import PAGE

OWN = ("q", "patient")  # what our own pages add to an application's request
FOUND = 20  # patients shown


def _request(exchange: Exchange) -> dict[str, str]:
    """The application's request in a form."""
    return {name: value for name, value in exchange.form.items() if name not in OWN}


async def authorize(exchange: Exchange) -> Answer:
    """GET or POST /auth/authorize: shows what is still missing, page by page, until a person has decided."""
    store = exchange.security.store
    try:
        exchange.require_single()
        client, redirect_uri = await client_of(store, exchange.form)
    except Refusal as problem:
        return as_page(pages.page("This can't go on", pages.wrong(str(problem))), 400)
    if exchange.method == "POST":
        return see(with_query("/auth/authorize", exchange.form))  # so that the session's cookie comes along
    try:
        wanted = await asked(store, exchange.form, client, redirect_uri, exchange.base)
        await exchange.require_scopes(wanted.scope)
        return await _next(exchange, wanted)
    except OAuthError as problem:
        return see(_error(exchange, redirect_uri, problem))


async def _next(exchange: Exchange, wanted: Asked) -> Answer:
    fields = _request(exchange)
    signed = await signed_in(exchange)
    if signed is None or not await _is_wanted(exchange, wanted, signed[1], signed[2]):
        if "none" in wanted.prompt:
            raise OAuthError("login_required", "Nobody is signed in, or not lately enough, or not whom you want.")
        return sign_in_page(exchange, fields, "", wanted.client.name, name=fields.get("login_hint", "")[:100])
    secret, _, user = signed
    _require_own_launch(wanted, user)
    patient = str(wanted.launch.get("patient", ""))
    if not patient and wanted.wants_patient:
        patient = own_patient(user) or exchange.form.get("patient", "")
        if not patient:
            return await _patients_page(exchange, fields, user)
    record = await _record_of(exchange, user, patient) if patient else None
    if patient and record is None:
        return await _patients_page(exchange, fields, user, "That patient is not there, or not for you to see.")
    if "none" in wanted.prompt:
        raise OAuthError("interaction_required", "A person must agree.")
    name = ""
    if record is not None:
        name = _human(msgspec.json.decode(record.body))
        caller = await _caller(exchange, user)
        await shown(exchange, caller, ("Patient", patient), 200, Response(200, record))
    carried = {**fields, "form": form_token(secret), **({"patient": patient} if patient else {})}
    asks = [scope for scope in wanted.scope.split() if scope != "launch"]
    place = place_of(wanted.redirect_uri)
    return as_page(
        pages.consent(wanted.client.name, user.name, name, place, asks, renamed(carried), wanted.client.logo_uri)
    )


async def _is_wanted(exchange: Exchange, wanted: Asked, session: Session, user: User) -> bool:
    """Whether a sign-in is one that the application wants; OAuthError where the person whom id_token_hint names was
    asked to sign in for it, and somebody else did
    (https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)."""
    now = begun_since(exchange, session)
    hint = exchange.form.get("id_token_hint", "")
    subject = await exchange.security.tokens.subject_of(hint, exchange.issuer) if hint else user.id
    if not subject:
        raise OAuthError("invalid_request", "id_token_hint is no id_token of this server.")
    if now and subject != user.id:
        raise OAuthError("login_required", "Somebody else has signed in than id_token_hint names.")
    age = (exchange.security.clock() - session.begun) // 1_000_000
    return subject == user.id and (now or not wanted.wants_sign_in(age))


def _require_own_launch(wanted: Asked, user: User) -> None:
    """OAuthError "access_denied" where a launch was made for somebody else."""
    if wanted.launch.get("user") not in (None, user.id) or wanted.launch.get("client") not in (None, wanted.client.id):
        raise OAuthError("access_denied", "This launch is for another user or application.")


def own_patient(user: User) -> str:
    """The patient that a user is, "" for everybody else."""
    kind, _, id = user.fhir_user.partition("/")
    return id if kind == "Patient" else ""


async def _caller(exchange: Exchange, user: User) -> Caller:
    """The user, at this page."""
    return (await exchange.server.caller_of_user(user))._replace(client=PAGE)


async def _patients_page(exchange: Exchange, fields: dict[str, str], user: User, message: str = "") -> Answer:
    searched = exchange.form.get("q", "")
    query = [("_count", str(FOUND)), ("_elements", "name,birthDate")]
    if searched:
        query.append(("_filter", _filter(searched)))
    caller = await _caller(exchange, user)
    status, answered = 200, NOTHING
    try:
        answered = await exchange.server.perform(Request("GET", ("Patient",), query, base=exchange.base, caller=caller))
    except FhirError as problem:
        status, message = problem.status, message or "The patients can't be searched now."
    await shown(exchange, caller, ("Patient",), status, answered, query)
    entries = msgspec.json.decode(answered.body).get("entry", ()) if answered.body else ()
    patients = [each["resource"] for each in entries]
    found = [(each["id"], _human(each), each.get("birthDate", "")) for each in patients]
    return as_page(pages.choose_patient(fields, searched, found, message))


def _filter(searched: str) -> str:
    text = searched.replace("\\", "").replace('"', "")
    return f'name co "{text}" or identifier eq "{text}"'


def _human(patient: dict[str, Any]) -> str:
    for name in patient.get("name", ()):
        parts = [*name.get("given", ()), name.get("family", "")]
        return name.get("text") or " ".join(part for part in parts if part) or patient["id"]
    return patient["id"]


async def _record_of(exchange: Exchange, user: User, patient: str) -> StoredVersion | None:
    """A patient's own resource, None where the user may not see it."""
    if not ID_PATTERN.match(patient):
        return None
    try:
        return await exchange.server.read("Patient", patient, await _caller(exchange, user))
    except FhirError:
        return None


async def decide(exchange: Exchange) -> Answer:
    """POST /auth/decide: what a person allowed, as a code for the application."""
    fields = asked_before(exchange.form)
    signed = await signed_in(exchange)
    if signed is None:
        return see(with_query("/auth/authorize", fields))
    secret, session, user = signed
    store = exchange.security.store
    try:
        client, redirect_uri = await client_of(store, fields)
    except Refusal as problem:
        return as_page(pages.page("This can't go on", pages.wrong(str(problem))), 400)
    if not same(exchange.form.get("form", ""), secret):
        return see(with_query("/auth/authorize", fields))
    try:
        wanted = await asked(store, fields, client, redirect_uri, exchange.base)
        await exchange.require_scopes(wanted.scope)
        if not await _is_wanted(exchange, wanted, session, user):
            return see(with_query("/auth/authorize", fields))  # it became too old on the page
        if exchange.form.get("decision") != "allow":
            raise OAuthError("access_denied", "The person refused.")
        _require_own_launch(wanted, user)
        launched = str(wanted.launch.get("patient", ""))
        patient = launched or fields.get("patient", "")
        if patient and own_patient(user) not in ("", patient):
            raise OAuthError("access_denied", "That patient is not for this user to see.")
        if patient and await _record_of(exchange, user, patient) is None:
            raise OAuthError("access_denied", "That patient is not for this user to see.")
        context = {"patient": patient} if patient else {}
        kept = " ".join([*exchange.lists.get("scope", ()), *(["launch"] if "launch" in wanted.scope.split() else [])])
        if not kept:
            raise OAuthError("access_denied", "The person allowed nothing.")
        code = await code_for(store, wanted, user, session, kept, context)
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
