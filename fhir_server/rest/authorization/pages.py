"""The pages of the authorization server: plain HTML that works without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 30rem; margin: 8vh auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 1.5rem 0 0 } label { display: block; margin: .7rem 0 .2rem }
input[type=text], input[type=password], input[type=search] { width: 100%; box-sizing: border-box; padding: .5rem; font: inherit }
button { font: inherit; padding: .5rem 1rem; margin: 1rem .5rem 0 0; cursor: pointer }
.wrong { border-left: 4px solid #b3261e; padding: .3rem .8rem } .quiet { opacity: .75; font-size: .9rem }
ul.choice { list-style: none; padding: 0 } ul.choice label { margin: .3rem 0 } table { border-spacing: .5rem .2rem }
"""  # noqa: E501

MEANINGS = {
    "openid": "know who you are",
    "fhirUser": "know your record as a user",
    "profile": "know your profile",
    "launch": "take over what you were looking at",
    "launch/patient": "know which patient you choose",
    "launch/encounter": "know the encounter at hand",
    "online_access": "keep access while you are signed in",
    "offline_access": "keep access when you are not signed in, until you end it",
}
VERBS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}
WHOSE = {"patient": "of the patient", "user": "that you may see", "system": "of the whole server"}


def page(title: str, body: str) -> str:
    """A whole page."""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
        f"<main><h1>{escape(title)}</h1>{body}</main></html>"
    )


def hidden(fields: Mapping[str, str]) -> str:
    """Fields that a form carries on."""
    return "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in fields.items())


def form(action: str, fields: Mapping[str, str], inside: str) -> str:
    """A form that is posted."""
    return f'<form method="post" action="{escape(action)}">{hidden(fields)}{inside}</form>'


def wrong(message: str) -> str:
    """A message that something is wrong, "" for none."""
    return f'<p class="wrong" role="alert">{escape(message)}</p>' if message else ""


def sign_in(
    server: str,
    client: str,
    fields: Mapping[str, str],
    message: str,
    outside: Iterable[tuple[str, str]] = (),
    name: str = "",
) -> str:
    """Name, password and, for those who have set it up, a code; outside: (URL, title) of other providers; name: what
    was typed before."""
    at_name, at_password = ("", " autofocus") if name else (" autofocus", "")
    why = f"<p>{escape(client)} wants to use {escape(server)}.</p>" if client else ""
    inside = (
        '<label for="name">Name</label>'
        f'<input id="name" name="name" type="text" value="{escape(name)}" autocomplete="username"{at_name} required>'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password"'
        f"{at_password} required>"
        '<label for="code">Code of your authenticator app, if you have one</label>'
        '<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code">'
        "<button>Sign in</button>"
    )
    passkey = (
        '<button type="button" id="show-passkey" hidden>Sign in with a passkey</button>'
        '<p id="passkey-told" role="alert"></p><script type="module" src="/auth/passkeys.js"></script>'
    )
    others = "".join(
        f'<p><a href="{escape(url)}">Sign in with {escape(title or "your organisation’s account")}</a></p>'
        for url, title in outside
    )
    return page("Sign in", wrong(message) + why + form("/auth/sign-in", fields, inside) + passkey + others)


def choose_patient(
    fields: Mapping[str, str], searched: str, found: Iterable[tuple[str, str, str]], message: str = ""
) -> str:
    """Search for a patient and choose one; found: (id, name, birth date)."""
    rows = "".join(
        f'<li><label><input type="radio" name="patient" value="{escape(id)}" required> {escape(name)} '
        f'<span class="quiet">{escape(born)} · {escape(id)}</span></label></li>'
        for id, name, born in found
    )
    search = (
        f'<form method="get" action="/auth/authorize">{hidden(fields)}'
        f'<label for="q">Name or identifier</label><input id="q" name="q" type="search" value="{escape(searched)}">'
        "<button>Search</button></form>"
    )
    chosen = (
        f'<form method="get" action="/auth/authorize">{hidden(fields)}<ul class="choice">{rows}</ul>'
        "<button>Go on with this patient</button></form>"
        if rows
        else '<p class="quiet">No patient found that you may see.</p>'
    )
    return page("Choose a patient", wrong(message) + search + chosen)


def consent(
    client: str, user: str, patient: str, place: str, scopes: Iterable[str], fields: Mapping[str, str], logo: str
) -> str:
    """What the application asks for, each scope to be left out at will; place: where the answer goes, as anybody may
    have given the application its name."""
    items = "".join(
        f'<li><label><input type="checkbox" name="scope" value="{escape(scope)}" checked> {escape(meaning(scope))} '
        f'<span class="quiet">{escape(scope)}</span></label></li>'
        for scope in scopes
    )
    image = f'<img src="{escape(logo)}" alt="" height="48">' if logo else ""
    about = f"<p>Patient: <b>{escape(patient)}</b></p>" if patient else ""
    goes = f'<p class="quiet">The access is given to <b>{escape(place)}</b>.</p>'
    inside = (
        f'<ul class="choice">{items}</ul><button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Refuse</button>'
    )
    lead = f"{image}<p>Signed in as <b>{escape(user)}</b>. {escape(client)} asks to:</p>{about}"
    return page(f"{client} asks for access", lead + form("/auth/decide", fields, inside + goes))


def meaning(scope: str) -> str:
    """What a scope lets an application do, in words."""
    if scope in MEANINGS:
        return MEANINGS[scope]
    from fhir_server.security.scopes import resource_scope

    found = resource_scope(scope)
    if found is None:
        return scope
    verbs = ", ".join(VERBS[each] for each in found.interactions)
    what = "everything" if found.type == "*" else found.type
    limit = f" where {found.criteria}" if found.criteria else ""
    return f"{verbs} {what} {WHOSE[found.context]}{limit}"
