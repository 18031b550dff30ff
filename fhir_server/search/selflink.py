"""The self link of a search: what was understood, not what was asked (https://hl7.org/fhir/R4/search.html#conformance)."""

from __future__ import annotations

import re
from urllib.parse import quote

from fhir_server.core.query import Query

_READABLE = ":/|,$*"  # characters of search values that need no escaping in the query of a URL
_AS_IT_IS = re.compile(rf"[A-Za-z0-9_.~{re.escape(_READABLE)}-]*").fullmatch
CURSOR = "_cursor"


def self_link(url: str, query: Query, cursor: str | None = None) -> str:
    """The URL of a search with the parameters that were used; cursor: of another page, "" for the first one."""
    pairs = [(name, value) for name, value in query.used if cursor is None or name != CURSOR]
    if cursor:
        pairs.append((CURSOR, cursor))
    asked = "&".join(f"{_escape(name)}={_escape(value)}" for name, value in pairs)
    return f"{url}?{asked}" if asked else url


def _escape(text: str) -> str:
    return text if _AS_IT_IS(text) else quote(text, safe=_READABLE, errors="replace")
