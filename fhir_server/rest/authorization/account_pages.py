"""The pages of a person's own account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from fhir_server.rest.authorization.pages import form, page, wrong

Rows = Iterable[tuple[str, str]]  # (id, what is shown of it)
SCRIPT = '<script type="module" src="/auth/passkeys.js"></script>'


def account(user: str, sessions: Rows, apps: Rows, own: str, fields: Mapping[str, str], message: str = "") -> str:
    """Where a user is signed in and what applications may do, each with a button that ends it; own: factors()."""
    return page(
        user,
        wrong(message)
        + f"<h2>Signed in at</h2><ul>{_rows('session', sessions, fields) or '<li>nowhere</li>'}</ul>"
        + f"<h2>Applications with access</h2><ul>{_rows('family', apps, fields) or '<li>none</li>'}</ul>"
        + own
        + form("/auth/sign-out", fields, "<button>Sign out</button>")
        + '<p><a href="/">To the server</a></p>',
    )


def factors(app: bool, recovery: int, passkeys: Rows, fields: Mapping[str, str]) -> str:
    """Authenticator app and passkeys of a user who signs in here; recovery: how many codes were made."""
    if app:
        code = '<label for="code">Code</label><input id="code" name="code" type="text" autocomplete="one-time-code">'
        first = f"<p>A code of your app is asked for, or one of {recovery} recovery codes.</p>" + form(
            "/auth/totp/end", fields, f"{code}<button>Do without</button>"
        )
    else:
        first = '<p><a href="/auth/totp">Set up an authenticator app</a></p>'
    return (
        f"<h2>Authenticator app</h2>{first}<h2>Passkeys</h2>"
        f"<ul>{_rows('passkey', passkeys, fields) or '<li>none</li>'}</ul>"
        '<button type="button" id="add-passkey" hidden>Add a passkey</button>'
        f'<p id="passkey-told" role="alert"></p>{SCRIPT}'
    )


def set_up(secret: str, image: str, fields: Mapping[str, str], message: str = "") -> str:
    """A QR code to scan, and the field for the code that the app then shows. image: an SVG element of our own."""
    spaced = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    inside = (
        '<label for="code">Code that the app shows</label>'
        '<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code" required>'
        "<button>Set up</button>"
    )
    return page(
        "Set up an authenticator app",
        f"{wrong(message)}<p>Scan this with your app, or type its key.</p>{image}"
        f'<p><code id="secret">{escape(spaced)}</code></p>' + form("/auth/totp", {**fields, "secret": secret}, inside),
    )


def recovery_codes(codes: Iterable[str]) -> str:
    """The codes that let a user in without the app, shown once."""
    listed = "".join(f"<li><code>{escape(code)}</code></li>" for code in codes)
    return page(
        "Keep these codes",
        "<p>The app is set up. Each of these codes lets you in once without it. They are not shown again.</p>"
        f'<ul>{listed}</ul><p><a href="/auth/account">To your account</a></p>',
    )


def _rows(kind: str, entries: Rows, fields: Mapping[str, str]) -> str:
    return "".join(
        f"<li>{escape(text)} {form('/auth/end', {**fields, kind: id}, '<button>End</button>')}</li>"
        for id, text in entries
    )
