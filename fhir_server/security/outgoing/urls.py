"""URLs that are called: absolute ones of http, of which every part means the same to everybody who reads them."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

LONGEST = 4096
READABLE = re.compile(r"[!-~]+\Z")


class RefusedUrlError(Exception):
    """A URL that is not called; the text says what to change."""


def absolute(text: str) -> SplitResult:
    """The parts of an http or https URL; RefusedUrlError for anything else, a user or password, a fragment."""
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        raise _unreadable() from None
    if not good or len(text) > LONGEST or not READABLE.match(text) or "\\" in text:
        raise _unreadable()
    if "@" in parts.netloc:
        raise RefusedUrlError("has a user or password in it")
    if parts.fragment:
        raise RefusedUrlError("has a fragment (#), which is not sent; leave it out")
    return parts


def _unreadable() -> RefusedUrlError:
    return RefusedUrlError("must be an absolute http or https URL, its host and path encoded as URLs are")


def climbs(path: str) -> bool:
    """Whether a path has segments, encoded or not, by which whoever answers may go up and elsewhere."""
    return any(segment in (".", "..") for segment in re.split(r"[/\\]", unquote(unquote(path))))
