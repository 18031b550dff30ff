"""What a request shows of who makes it: an access token, or the cookie of a sign-in at this server's own pages.

A browser sends cookies by itself, so what changes something must carry a header too that a page of another origin
can't send: its request would be asked for first (https://fetch.spec.whatwg.org/#http-cors-protocol) and refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie

from fhir_server.core.errors import error

SESSION_COOKIE = "hms_session"  # below /auth, also when another site leads a person there
PAGE_COOKIE = "hms_page"  # everywhere, never in a request that another site's page makes
PAGE_HEADER = "x-hms-page"
SAFE = ("GET", "HEAD", "OPTIONS")
REALM = {"WWW-Authenticate": 'Bearer realm="fhir"'}


def bearer(headers: Mapping[str, str]) -> str:
    """The access token of an Authorization header, "" where there is no such header; FhirError "login" for others."""
    shown = headers.get("authorization", "")
    if not shown:
        return ""
    kind, _, token = shown.partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise error("login", "This needs an access token: Authorization: Bearer …", headers=REALM)
    return token.strip()


def cookie(headers: Mapping[str, str], name: str) -> str:
    """A cookie's value, "" for none."""
    sent = headers.get("cookie", "")
    if name not in sent:
        return ""
    try:
        found = SimpleCookie(sent).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def require_own_page(method: str, headers: Mapping[str, str]) -> None:
    """FhirError "forbidden" where a request with a cookie may have been made by another site's page."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise error("forbidden", "A sign-in counts for this server's own pages only; others send an access token.")
    if method not in SAFE and PAGE_HEADER not in headers:
        raise error("forbidden", "With a sign-in's cookie, what changes something carries the header X-HMS-Page: 1.")
