"""X-Request-Id: given by the caller, else by us where something failed; in the log and in the answer.

https://hl7.org/fhir/R4/http.html#custom
"""

from __future__ import annotations

import re
import secrets

from structlog.contextvars import bind_contextvars

HEADER = "x-request-id"
_PATTERN = re.compile(r"[A-Za-z0-9._:/+=-]{1,100}\Z")


def identify(headers: dict[str, str]) -> None:
    """Puts the id into the lines that this request logs; makes one where none is fit for a log."""
    given = headers.get(HEADER, "")
    if not _PATTERN.match(given):
        headers[HEADER] = given = secrets.token_hex(8)
    bind_contextvars(request=given)
