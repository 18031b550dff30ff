"""A request to DICOMweb and the answer to it, free of ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.ports import Caller
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.web.writing import Writing

DICOM_JSON = "application/dicom+json"
SWITCHING = 101  # to the event channel

# Keeps in the audit log that a request of this ASGI scope was answered: the interaction and its action, the status, ids
# of the patients whose data was given or changed. FhirError "unavailable" where it can't: then no answer must go out.
Note = Callable[[dict[str, Any], Caller, tuple[str, str], int, tuple[str, ...]], Awaitable[None]]


class WebRequest(NamedTuple):
    """What is asked: the segments below the base, the query in order, headers by lower-case name, this base's URL.

    about: gets the references of the patients whose data is given or changed.
    """

    method: str
    path: tuple[str, ...]
    query: list[tuple[str, str]]
    headers: dict[str, str]
    base: str
    archive: Archive
    about: set[str]
    who: str = ""
    visible: Callable[[str], bool] | None = None  # whether the caller sees the ImagingStudy of a reference
    writing: Writing | None = None  # what the caller may write, None where that is everything

    def parameter(self, name: str) -> str:
        """The last value of a parameter, "" for none."""
        return next((value for key, value in reversed(self.query) if key.lower() == name.lower()), "")

    def accept(self) -> str:
        """What may be answered: the parameter accept, else the header."""
        return self.parameter("accept") or self.headers.get("accept", "") or "*/*"


class WebAnswer(NamedTuple):
    """Status, headers, and the body in one piece or in many."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes | Iterable[bytes] = b""


def json_answer(value: Any, status: int = 200, *headers: tuple[str, str], type: str = DICOM_JSON) -> WebAnswer:
    """An answer of JSON."""
    return WebAnswer(status, [("content-type", type), *headers], msgspec.json.encode(value))


def not_found(what: str) -> Exception:
    """Nothing of that name is in the archive."""
    return error("not-found", f"There is no {what} in the archive.")


def reason(problem: Exception) -> str:
    """What a library says of a failure: its first line, as a stack may follow."""
    return next(iter(str(problem).splitlines()), "").rstrip(".: ") or type(problem).__name__


def tagged(request: WebRequest, tag: str, answer: WebAnswer) -> WebAnswer:
    """An answer with its ETag; 304 where the caller has it already."""
    quoted = f'"{tag}"'
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if quoted in known or "*" in known:
        return WebAnswer(304, [("etag", quoted)])
    return answer._replace(headers=[*answer.headers, ("etag", quoted)])


def ranged(request: WebRequest, answer: WebAnswer) -> WebAnswer:
    """The part of a whole body that a Range header asks for (RFC 9110 section 14); FhirError "range" for none such."""
    wanted = request.headers.get("range", "")
    body = answer.body
    headers = [*answer.headers, ("accept-ranges", "bytes")]
    if not isinstance(body, bytes) or not wanted.startswith("bytes=") or "," in wanted or answer.status != 200:
        return answer._replace(headers=headers)
    first, _, last = wanted.removeprefix("bytes=").strip().partition("-")
    if not (first.isdigit() or first == "") or not (last.isdigit() or last == "") or first == last == "":
        return answer._replace(headers=headers)
    start = int(first) if first else max(0, len(body) - int(last))
    end = min(int(last), len(body) - 1) if first and last else len(body) - 1
    if start > end or start >= len(body):
        told = f"Range asks for {wanted[:60]}; there are {len(body)} bytes, the first of which is 0."
        raise error("range", told, headers={"content-range": f"bytes */{len(body)}"})
    headers.append(("content-range", f"bytes {start}-{end}/{len(body)}"))
    return WebAnswer(206, headers, body[start : end + 1])
