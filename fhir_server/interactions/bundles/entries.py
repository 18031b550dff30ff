"""The entries of a batch or transaction as requests, and the answers as entries of the response Bundle."""

from __future__ import annotations

import base64
import email.utils
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

from fhir_server.codec.bundles import EntryResponse
from fhir_server.codec.json import serialize
from fhir_server.core.errors import error, operation_outcome
from fhir_server.interactions import app_state
from fhir_server.interactions.bundles.bundle_elements import ENTRY, REQUEST, require_bundle_elements
from fhir_server.interactions.request import Request, Response
from fhir_server.search.dates import date_range

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

STATUS_TEXT = {
    200: "200 OK", 201: "201 Created", 202: "202 Accepted", 204: "204 No Content", 304: "304 Not Modified",
    400: "400 Bad Request", 401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found",
    405: "405 Method Not Allowed", 406: "406 Not Acceptable", 409: "409 Conflict", 410: "410 Gone",
    412: "412 Precondition Failed", 413: "413 Content Too Large", 415: "415 Unsupported Media Type",
    422: "422 Unprocessable Entity", 429: "429 Too Many Requests", 500: "500 Internal Server Error",
    501: "501 Not Implemented", 503: "503 Service Unavailable", 507: "507 Insufficient Storage",
}  # fmt: skip


def entry_request(raw: Any, number: int, outer: Request) -> Request:
    """Bundle.entry as a Request."""
    where = f"Bundle.entry[{number}]"
    asked = raw.get("request") if isinstance(raw, dict) else None
    if not isinstance(asked, dict) or not isinstance(asked.get("method"), str) or not isinstance(asked.get("url"), str):
        raise error("required", f"{where} needs a request with method and url.", expression=f"{where}.request")
    require_bundle_elements(raw, ENTRY, where)
    require_bundle_elements(asked, REQUEST, f"{where}.request")
    if not isinstance(raw.get("fullUrl", ""), str):
        raise error("value", f"{where}.fullUrl must be a string, the entry's URL.", expression=f"{where}.fullUrl")
    method = asked["method"]
    if method not in METHODS:
        raise error("value", f"{where} asks for the method '{method[:20]}'; it must be one of {', '.join(METHODS)}.",
                    expression=f"{where}.request.method")  # fmt: skip
    path, query = split_url(asked["url"], outer.base)
    if path and path[0] in ("http:", "https:"):
        raise error("value", f"{where} asks {asked['url'][:100]}, which is not below {outer.base or 'the base URL'}.",
                    expression=f"{where}.request.url")  # fmt: skip
    made = Request(
        method="GET" if method == "HEAD" else method,
        head=method == "HEAD",
        path=path,
        query=query,
        prefer=outer.prefer,
        lenient=outer.lenient,
        base=outer.base,
        caller=outer.caller,
        provenance=outer.provenance,
    )
    if len(asked) > 2:  # more than method and url
        made.if_match = _text(asked, "ifMatch", where)
        made.if_none_match = _text(asked, "ifNoneMatch", where)
        made.if_none_exist = _text(asked, "ifNoneExist", where)
        made.if_modified_since = _http_date(_text(asked, "ifModifiedSince", where), where)
    resource = raw.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise error("invalid", f"{where}.resource must be a resource.", expression=f"{where}.resource")
    if method == "PATCH" and resource is not None and resource.get("resourceType") == "Binary":
        made.body, made.content_type = _patch_of(resource, where)
    else:
        made.resource = resource
        made.content_type = "application/fhir+json" if resource is not None else ""
    app_state.take(made)
    return made


def _text(asked: dict[str, Any], name: str, where: str) -> str:
    value = asked.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value:
        text = f"{where}.request.{name} must be a string with something in it."
        raise error("value", text, expression=f"{where}.request.{name}")
    return value


def _http_date(text: str, where: str) -> str:
    """An instant as the header has it."""
    if not text:
        return ""
    found = date_range(text) if "T" in text else None
    if found is None:
        raise error("value", f"{where}.request.ifModifiedSince must be an instant such as 2026-11-24T08:00:00Z.",
                    expression=f"{where}.request.ifModifiedSince")  # fmt: skip
    return email.utils.formatdate(found[0] // 1_000_000, usegmt=True)


def _patch_of(binary: dict[str, Any], where: str) -> tuple[bytes, str]:
    try:
        media = str(binary["contentType"]).partition(";")[0].strip().lower()
        return base64.b64decode(binary["data"], validate=True), media
    except (KeyError, ValueError, TypeError) as problem:
        raise error(
            "invalid",
            f"{where}.resource must be a Binary with contentType and base64 data.",
            expression=f"{where}.resource",
        ) from problem


def split_url(url: str, base: str) -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """Path segments and query of an entry's URL, relative to the base or absolute under it."""
    if base and url.startswith(base):
        url = url[len(base) :]
    path, _, query = url.partition("?")
    segments = tuple([unquote(segment) if "%" in segment else segment for segment in path.split("/") if segment])
    if not query:
        return segments, []
    if "&" in query or "+" in query:
        return segments, parse_qsl(query, keep_blank_values=True)
    name, _, value = query.partition("=")  # most criteria are one parameter, and parse_qsl takes ten times as long
    return segments, [(_unquoted(name), _unquoted(value))]


def _unquoted(text: str) -> str:
    """What unquote makes of it; of ASCII, which URLs are, in half the time."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text).decode("utf-8", "replace") if text.isascii() else unquote(text)


def entry_response(outer: Request, asked: Request, answer: Response) -> EntryResponse:
    """A Response as an entry of the response Bundle."""
    version = answer.version
    written = asked.method in ("POST", "PUT", "PATCH", "DELETE") and version is not None
    keep_body = not written or outer.prefer == "representation"
    outcome = answer.issues or (written and outer.prefer == "OperationOutcome")
    return EntryResponse(
        STATUS_TEXT[answer.status],
        answer.location,
        str(version.version) if version else "",
        version.updated if version else 0,
        f"{outer.base}/{version.type}/{version.id}" if version and keep_body and not version.deleted else "",
        _resource_of(answer) if keep_body and not asked.head else b"",
        serialize(operation_outcome(answer.issues)) if outcome else b"",
    )


def _resource_of(answer: Response) -> bytes:
    """The body; one that is no FHIR resource as a Binary."""
    if not answer.content_type or not answer.body:
        return answer.body
    data = base64.b64encode(answer.body).decode()
    return serialize({"resourceType": "Binary", "contentType": answer.content_type, "data": data})
