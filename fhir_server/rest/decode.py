"""From an ASGI scope and body to a Request (https://hl7.org/fhir/R4/http.html)."""

from __future__ import annotations

import base64
import zlib
from typing import Any, NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from fhir_server.codec import json, xml
from fhir_server.codec.asgi import text_of
from fhir_server.codec.formats import body_format, request_format
from fhir_server.codec.references import localise
from fhir_server.core.errors import error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.settings import Settings
from fhir_server.definitions import Definitions
from fhir_server.interactions.request import GRAPHQL, Request

MOST_PARAMETERS = 1000
READ_CONDITIONS = frozenset(("if-match", "if-unmodified-since", "if-none-match", "if-modified-since"))
ONCE = (b"content-type", b"content-encoding", b"if-none-exist", b"x-provenance", b"x-security-context")
LISTS = frozenset((  # headers whose values are lists, that may come on several lines (RFC 9110, section 5.3)
    "accept", "accept-encoding", "access-control-request-headers", "if-match", "if-none-match", "prefer",
    "x-forwarded-for",
    # no lists, but of two lines neither is to count: together they are no date, which is ignored, and nobody's token
    "if-modified-since", "if-unmodified-since", "authorization",
))  # fmt: skip
PATCH_TYPES = ("application/json-patch+json", "application/xml-patch+xml", "application/merge-patch+json")
LONGEST_NUMBER = 10  # digits of seconds


def headers_of(scope: dict[str, Any]) -> dict[str, str]:
    """The headers by lower-case name; lists of several lines are joined, of others the last line wins."""
    found = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if len(found) < len(scope["headers"]):
        lines: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            lines.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        found |= {name: ", ".join(lines[name]) for name in LISTS & lines.keys()}
    return found


def require_once(scope: dict[str, Any]) -> None:
    """FhirError "value" for two lines of a header that says one thing, as either could be what is meant."""
    names = [name for name, _ in scope["headers"] if name in ONCE]
    for name in set(names) if len(names) > 1 else ():
        if names.count(name) > 1:
            text = name.decode()
            raise error("value", f"The header {text} is there more than once; send it once.", location=f"header:{text}")


async def read_body(receive: Any, headers: dict[str, str], settings: Settings) -> bytes:
    """The whole body, unpacked; FhirError "too-large" as soon as it passes the limit, "malformed" if it breaks off."""
    limit = settings.max_body_bytes
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] != "http.request":
        raise broken_off()
    body = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] != "http.request":
                raise broken_off()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit:
                raise _too_large(limit)
        body = b"".join(parts)
    if len(body) > limit:
        raise _too_large(limit)
    return _unpacked(body, headers.get("content-encoding", ""), limit)


def broken_off() -> Exception:
    """For a body whose end never came, or whose chunks are not well-formed."""
    return error("malformed", "The body broke off before its end; send all that Content-Length or the chunks announce.")


def _too_large(limit: int) -> Exception:
    return error("too-large", f"The body is larger than {limit // 2**20} MiB; send it in parts.")


def _unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    encoding = encoding.strip().lower()
    if not body or not encoding or encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise error("unsupported-media", f"Content-Encoding {encoding[:40]} is not understood; send gzip or none.")
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        unpacked = unpacker.decompress(body, limit + 1)
    except zlib.error as problem:
        raise error("malformed", "The body is not what Content-Encoding says.") from problem
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise error("malformed", "The packed body broke off before its end; send it whole.")
    if unpacker.unused_data:
        raise error("malformed", "Something stands behind the end of the packed body; send one member of gzip alone.")
    return unpacked


def address_of(scope: dict[str, Any], headers: dict[str, str], trust_proxy: bool) -> str:
    """The address that a request is from: the last that a trusted proxy names."""
    if trust_proxy and "x-forwarded-for" in headers:
        return headers["x-forwarded-for"].rpartition(",")[2].strip()
    client = scope.get("client")
    return client[0] if client else ""


def path_of(scope: dict[str, Any], prefix: str) -> tuple[str, ...]:
    """The decoded segments below the FHIR base; an encoded slash stays within its segment."""
    raw = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else scope["path"]
    below = path[len(prefix) :] if path.startswith(prefix) else path[1:].partition("/")[2]  # as in /%66hir/Patient
    return tuple(unquote(segment) if "%" in segment else segment for segment in below.split("/") if segment)


def query_of(scope: dict[str, Any]) -> list[tuple[str, str]]:
    """The query's names and values in order; FhirError "value" where it isn't UTF-8 or has too many."""
    text = scope["query_string"]
    if not text:
        return []
    return pairs(text, "query")


def pairs(data: bytes, where: str) -> list[tuple[str, str]]:
    """application/x-www-form-urlencoded text as pairs; characters beyond ASCII may stand as they are, in UTF-8."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise error("value", f"The {where} can't be read: it must be UTF-8.") from None
    try:
        if text.count("&") >= MOST_PARAMETERS:
            raise ValueError
        halves = [part.partition("=") for part in text.split("&") if part]
        if "%" not in text and "+" not in text:
            return [(name, value) for name, _, value in halves]
        return [(_decoded(name), _decoded(value)) for name, _, value in halves]
    except ValueError as problem:
        raise error(
            "value", f"The {where} can't be read: it must be UTF-8, at most {MOST_PARAMETERS} parameters."
        ) from problem


def _decoded(text: str) -> str:
    text = text.replace("+", " ")
    return unquote_to_bytes(text).decode() if "%" in text else text


CONDITIONS = ("if-match", "if-none-match", "if-none-exist")  # a write must not go without what these ask


class Preferences(NamedTuple):
    """What a Prefer header asks for: return, "" for nothing; handling=lenient, wait=seconds, None for none; async."""

    wanted: str = ""
    lenient: bool | None = None
    wait: float | None = None
    respond_async: bool = False


RETURNED = {each.lower(): each for each in ("minimal", "representation", "OperationOutcome")}


def preferences(header: str) -> Preferences:
    """Of `return=minimal; handling=lenient, wait=0`; of one that is stated twice the first (RFC 7240, section 2)."""
    found = Preferences()
    seen: set[str] = set()
    for part in header.replace(";", ",").split(","):
        name, _, value = part.partition("=")
        name, value = name.strip().lower(), value.strip().strip('"').lower()
        if name in seen:
            continue
        seen.add(name)
        if name == "return" and value in RETURNED:
            found = found._replace(wanted=RETURNED[value])
        elif name == "respond-async":
            found = found._replace(respond_async=True)
        elif name == "handling":
            found = found._replace(lenient=value == "lenient")
        elif name == "wait" and value.isascii() and value.isdigit() and len(value) < LONGEST_NUMBER:
            found = found._replace(wait=float(value))
    return found


async def request_of(
    scope: dict[str, Any],
    receive: Any,
    headers: dict[str, str],
    path: tuple[str, ...],
    base: str,
    settings: Settings,
    definitions: Definitions,
    caller: Caller = OPEN,
) -> Request:
    """The interaction that an HTTP request asks for."""
    method = scope["method"]
    require_once(scope)
    for name in CONDITIONS:
        if headers.get(name) == "":
            raise error(
                "value", f"The header {name} is empty; give it a value or leave it out.", location=f"header:{name}"
            )
    prefer = preferences(headers["prefer"]) if "prefer" in headers else Preferences()
    request = Request(
        method="GET" if method == "HEAD" else method,
        path=path,
        query=query_of(scope),
        if_match=headers.get("if-match", ""),
        if_none_match=headers.get("if-none-match", ""),
        if_none_exist=text_of(headers.get("if-none-exist", "")),
        if_modified_since=headers.get("if-modified-since", ""),
        if_unmodified_since=headers.get("if-unmodified-since", ""),
        prefer=prefer.wanted,
        lenient=settings.lenient if prefer.lenient is None else prefer.lenient,
        wait=prefer.wait,
        respond_async=prefer.respond_async,
        accept=headers.get("accept", ""),
        last_event_id=headers.get("last-event-id", ""),
        base=base,
        caller=caller,
        provenance=headers.get("x-provenance", ""),
    )
    if method in ("POST", "PUT", "PATCH"):
        body = await read_body(receive, headers, settings)
        _take_body(request, body, headers, definitions)
    return request


def _take_body(request: Request, body: bytes, headers: dict[str, str], definitions: Definitions) -> None:
    stated = headers.get("content-type", "")
    media = stated.partition(";")[0].strip().lower()
    request.content_type = media
    if request.method == "POST" and request.path[-1:] == ("_search",):
        if media and media != "application/x-www-form-urlencoded":
            raise error("unsupported-media", "POST _search takes application/x-www-form-urlencoded.")
        request.query = request.query + pairs(body, "body")
        return
    if not body:
        return
    if request.method == "PATCH" and media in PATCH_TYPES:
        request.body = body
        return
    if request.path[:1] == ("Binary",) and len(request.path) <= 2 and _is_content(body, media, stated):
        request.resource = _binary(request, body, stated or "application/octet-stream", headers)
        localise(request.resource, request.base)
    elif request.path == ("$import",) and media in ("application/fhir+ndjson", "application/ndjson"):
        request.body = body
    elif request.path[-1:] == ("$graphql",) and media in (GRAPHQL, "application/json"):
        _take_query(request, body)
    elif request_format(stated).name == "xml":
        _take_xml(request, body, definitions)
    elif request.method == "PATCH" and body.lstrip()[:1] == b"[":
        raise error("unsupported-media", "A JSON Patch is sent with the Content-Type application/json-patch+json.")
    else:
        request.body = body
        request.resource = json.parse(body)
        _localise(request, body)


def _take_xml(request: Request, body: bytes, definitions: Definitions) -> None:
    if request.path[-1:] == ("$validate",):  # XML that is none of R4's: that is what is asked
        request.resource, request.misread = xml.read(body, definitions)
    else:
        request.resource = xml.parse(body, definitions)
        _localise(request, body)


def _take_query(request: Request, body: bytes) -> None:
    """A body of $graphql: the query itself, GraphQL's JSON, or a Parameters."""
    request.body = body
    if request.content_type != GRAPHQL:
        sent = json.parse(body)
        request.resource = sent if "resourceType" in sent else None


def _localise(request: Request, body: bytes) -> None:
    """References to resources of this server made relative, but those of a Bundle that is to be kept as it is."""
    if not request.base or request.method == "PATCH" or request.resource is None:
        return
    if request.base.encode() not in body and b"\\/" not in body:  # how some write a slash in JSON
        return
    kept = request.path and (request.path[-1].startswith("$") or request.resource.get("resourceType") == "Bundle")
    if not kept and localise(request.resource, request.base):
        request.body = request.body and json.serialize(request.resource)


def _is_content(body: bytes, media: str, stated: str) -> bool:
    """Whether a body sent to Binary is its content, and no resource: so is JSON or XML that is not FHIR's."""
    format = body_format(stated)
    if format is None or "fhir" in media:
        return format is None
    return (b'"resourceType"' if format.name == "json" else b"http://hl7.org/fhir") not in body


def _binary(request: Request, body: bytes, content_type: str, headers: dict[str, str]) -> dict[str, Any]:
    """A Binary resource of content that came as it is (https://hl7.org/fhir/R4/binary.html#rest)."""
    resource: dict[str, Any] = {"resourceType": "Binary"}
    if len(request.path) == 2:
        resource["id"] = request.path[1]
    resource["contentType"] = content_type
    if "x-security-context" in headers:
        resource["securityContext"] = {"reference": headers["x-security-context"]}
    resource["data"] = base64.b64encode(body).decode()
    return resource
