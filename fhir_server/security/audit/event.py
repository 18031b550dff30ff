"""One thing that happened, as it is kept: small, and without any content of a record."""

from __future__ import annotations

import re

import msgspec

_ID = rb"([A-Za-z0-9\-.]{1,64})"
_OWN, _OWN_ID = b'"resourceType":"Patient","id":"', re.compile(_ID + b'["/]')
_PATIENT = re.compile(b"Patient/(?=" + _ID + b'["/])')
_REFERENCE, _OTHER = b'"reference":"', b'"other":{'
LONGEST = 256  # bytes of a reference before Patient/
MOST_PATIENTS = 1000  # of one event


class Event(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """recorded: microseconds since 1970 UTC; kind: rest, login, logout, token, break-glass.

    interaction: a code of http://hl7.org/fhir/restful-interaction; action: C, R, U, D or E; outcome: 0 success, 4 the
    caller's failure, 8 the server's; path: below the base; patients: ids of those whose data was given or changed.
    """

    recorded: int
    kind: str
    interaction: str
    action: str
    outcome: str
    status: int
    path: str = ""
    query: str = ""
    user: str = ""
    client: str = ""
    fhir_user: str = ""
    address: str = ""
    purpose: str = ""
    reason: str = ""
    patients: tuple[str, ...] = ()


AT_INSTANCE = {"GET": ("read", "R"), "HEAD": ("read", "R"), "PUT": ("update", "U"), "PATCH": ("patch", "U"),
               "DELETE": ("delete", "D"), "POST": ("operation", "E")}  # fmt: skip
AT_TYPE = {"GET": ("search-type", "E"), "HEAD": ("search-type", "E"), "POST": ("create", "C"), "PUT": ("update", "U"),
           "PATCH": ("patch", "U"), "DELETE": ("delete", "D")}  # fmt: skip


def interaction_of(method: str, path: tuple[str, ...]) -> tuple[str, str]:
    """The interaction that a method and a path ask for, and its action."""
    last = path[-1] if path else ""
    if last.startswith("$"):
        return "operation", "E"
    if last == "_search":
        return ("search-type", "E") if len(path) > 1 else ("search-system", "E")
    if "_history" in path:
        kinds = {1: "history-system", 2: "history-type", 3: "history-instance"}
        return kinds.get(len(path), "vread"), "R"
    if not path:
        return ("search-system", "E") if method in ("GET", "HEAD") else ("transaction", "E")
    if len(path) == 1:
        return AT_TYPE.get(method, ("operation", "E"))
    if len(path) == 2:
        return AT_INSTANCE.get(method, ("operation", "E"))
    return "search-type", "E"


def outcome_of(status: int) -> str:
    """The outcome of an HTTP status: 0 success, 4 the caller's failure, 8 the server's."""
    return "0" if status < 400 else "4" if status < 500 else "8"


def patients_in(path: tuple[str, ...], given: bytes, asked: bytes) -> tuple[str, ...]:
    """Ids of the patients that a path is about, whose data was given, or that a Bundle that came refers to."""
    found = dict.fromkeys([path[1]]) if len(path) > 1 and path[0] == "Patient" and path[1][:1] not in "$_" else {}
    at = given.find(_OWN)
    while at >= 0:
        own = _OWN_ID.match(given, at + len(_OWN))
        if own is not None:
            found[own[1].decode()] = None
        at = given.find(_OWN, at + len(_OWN))
    for named in _PATIENT.finditer(given):
        if _refers(given, named.start()):
            found[named[1].decode()] = None
    for body in (asked, given) if not path and asked else ():  # a Bundle, and where its entries are now
        for named in _PATIENT.finditer(body):
            if body[named.start() - 1 : named.start()] in (b"/", b'"'):
                found[named[1].decode()] = None
    return tuple(found)[:MOST_PATIENTS]


def _refers(body: bytes, at: int) -> bool:
    """Whether what begins at or before a place is a reference of canonical JSON, but for Patient.link.other's."""
    begins = at - len(_REFERENCE)
    if body[at - 1 : at] == b"/":  # after a base URL
        begins = body.rfind(b'"', max(0, at - LONGEST), at) + 1 - len(_REFERENCE)
    return begins >= 0 and body.startswith(_REFERENCE, begins) and not body.startswith(_OTHER, begins - len(_OTHER))
