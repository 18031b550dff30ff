"""The conditions that headers put on an interaction (https://hl7.org/fhir/R4/http.html#concurrency)."""

from __future__ import annotations

import email.utils
import re
from datetime import UTC

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.core.query import Clause
from fhir_server.interactions import app_state
from fhir_server.interactions.request import Request

_ETAG = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?\Z')
_HTTP_DATE = re.compile(  # its three forms (RFC 9110, section 5.6.7)
    r"(?:\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|\w{6,9}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT"
    r"|\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\Z",
    re.ASCII,
)


def etag_versions(header: str, name: str) -> list[str]:
    """The version ids in an If-Match or If-None-Match header; ["*"] for any."""
    versions = []
    for part in header.split(","):
        text = part.strip()
        match = _ETAG.match(text)
        if text == "*":
            versions.append("*")
        elif match:
            versions.append(match[1])
        else:
            raise error("value", f'{name} must be like W/"3", not {text[:80]!r}.', location=f"header:{name}")
    return versions


def require_match(request: Request, type: str, id: str, head: StoredVersion | None) -> None:
    """What `require_unchanged` asks of a write; of an app's state If-Match must be there."""
    if type == app_state.TYPE:
        app_state.require_condition(request, head)
    require_unchanged(request, type, id, head)


def require_unchanged(request: Request, type: str, id: str, head: StoredVersion | None) -> None:
    """If-Match: the newest version must be one that the caller has seen; without it If-Unmodified-Since: none newer.

    So RFC 9110 has it, section 13.2.2. id: "" where criteria match nothing.
    """
    if not request.if_match:
        _require_unmodified(request, type, id, head)
        return
    newest = str(head.version) if head is not None and not head.deleted else ""
    wanted = etag_versions(request.if_match, "If-Match")
    if not newest:
        what = f"{type}/{id} does not exist" if id else f"the criteria match no {type}"
        raise error("precondition", f"If-Match: {request.if_match}, but {what}.")
    if newest not in wanted and "*" not in wanted:
        raise error(
            "precondition",
            f"If-Match: {request.if_match}, but {type}/{id} is at version {newest}; read it and try again.",
            location="header:If-Match",
        )


def _require_unmodified(request: Request, type: str, id: str, head: StoredVersion | None) -> None:
    if not request.if_unmodified_since or head is None or head.deleted:
        return
    since = _seconds(request.if_unmodified_since)
    if since is not None and head.updated // 1_000_000 > since:
        raise error(
            "precondition",
            f"If-Unmodified-Since: {request.if_unmodified_since}, but {type}/{id} was changed after that, "
            f"to version {head.version}; read it and try again.",
            location="header:If-Unmodified-Since",
        )


def _seconds(date: str) -> float | None:
    """An HTTP date as seconds since 1970; None for what is none, which a condition is to ignore."""
    try:
        return (
            email.utils.parsedate_to_datetime(date).replace(tzinfo=UTC).timestamp() if _HTTP_DATE.match(date) else None
        )
    except ValueError:
        return None


def require_none(request: Request, type: str, id: str, head: StoredVersion | None) -> None:
    """If-None-Match on a write: `*` means that the resource must not exist, a version that it must be another."""
    if not request.if_none_match or head is None or head.deleted:
        return
    versions = etag_versions(request.if_none_match, "If-None-Match")
    if "*" in versions or str(head.version) in versions:
        raise error(
            "precondition",
            f"If-None-Match: {request.if_none_match}, but {type}/{id} exists at version {head.version}.",
            location="header:If-None-Match",
        )


def not_modified(request: Request, version: StoredVersion) -> bool:
    """Whether a conditional read is answered by 304."""
    if request.if_none_match:
        versions = etag_versions(request.if_none_match, "If-None-Match")
        return "*" in versions or str(version.version) in versions
    if request.if_modified_since:
        since = _seconds(request.if_modified_since)
        return since is not None and version.updated // 1_000_000 <= since
    return False


async def only_match(transaction: Transaction, type: str, where: Clause, criteria: str) -> StoredVersion | None:
    """The one current resource that the criteria name, None for none; FhirError "multiple-matches" for more."""
    found = await transaction.matches(type, where, 2)
    if len(found) > 1:
        raise error(
            "multiple-matches",
            f"The criteria {type}?{criteria} match more than one resource; make them more selective.",
        )
    return found[0] if found else None
