"""Where an application is sent to: what a redirect URI may be, and the URI that a launch begins at.

Specification: https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2, https://www.rfc-editor.org/rfc/rfc8252#section-7
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fhir_server.security.outgoing.urls import READABLE, RefusedUrlError, absolute

THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
OF_BROWSERS = frozenset({"about", "blob", "data", "file", "javascript", "vbscript"})  # they run or open it


def require_redirect(uri: str, *, vouched: bool = False) -> None:
    """RefusedUrlError, with what to change, where no browser is sent to a URI.

    It is https, http on the person's own machine, or an application's own scheme with a dot, com.example.app:/done.
    vouched: whoever runs the server names it: http to other machines too, and a scheme without a dot, app://done.
    """
    if "#" in uri:
        raise RefusedUrlError("has a fragment (#), which browsers keep to themselves; leave it out")
    if _is_own(uri, vouched):
        if not READABLE.match(uri):
            raise RefusedUrlError("has characters that must be encoded, such as blanks")
        return
    parts = absolute(uri)
    if parts.scheme == "http" and not vouched and parts.hostname not in THIS_MACHINE:
        raise RefusedUrlError("must be https: http is for an application on the person's own machine")


def _is_own(uri: str, vouched: bool) -> bool:
    """Whether it is of an application's own scheme."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    if parts.scheme in ("http", "https", *OF_BROWSERS):
        return False
    return "." in parts.scheme or (vouched and bool(parts.scheme and parts.netloc))


def place_of(uri: str) -> str:
    """What a person is told of where an application is: its host, with the port; of an own scheme that."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"
