"""One thing that happened, as it is kept: small, and without any content of a record."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fhir_server.core.ports import Caller

MOST_PATIENTS = 1000  # of one event; and versions


class Event(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """recorded: microseconds since 1970 UTC; kind: rest, login, logout, token, account, break-glass.

    interaction: a code of http://hl7.org/fhir/restful-interaction; action: C, R, U, D or E; outcome: 0 success, 4 the
    caller's failure, 8 the server's; path: below the base; patients: ids of those whose data was given or changed;
    written: the versions that were committed with the event, Type/id/_history/number.
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
    written: tuple[str, ...] = ()


def parts_of(event: Event) -> Iterator[Event]:
    """The event, as several where it is about more patients, or versions, than one has."""
    if len(event.patients) <= MOST_PATIENTS and len(event.written) <= MOST_PATIENTS:
        yield event
        return
    for begin in range(0, max(len(event.patients), len(event.written)), MOST_PATIENTS):
        some = slice(begin, begin + MOST_PATIENTS)
        yield msgspec.structs.replace(event, patients=event.patients[some], written=event.written[some])


def of_request(
    recorded: int,
    caller: Caller,
    told: tuple[str, str],
    status: int,
    path: str,
    *,
    query: str = "",
    address: str = "",
    patients: tuple[str, ...] = (),
    written: tuple[str, ...] = (),
) -> Event:
    """Of what a caller asked for; told: the interaction and its action, status: with what it is answered."""
    return Event(
        recorded=recorded,
        kind="rest",
        interaction=told[0],
        action=told[1],
        outcome=outcome_of(status),
        status=status,
        path=path[:500],
        query=query[:2000],
        user=caller.user,
        client=caller.client,
        fhir_user=caller.fhir_user,
        address=address,
        purpose=caller.purpose,
        reason=caller.reason,
        patients=patients,
        written=written,
    )


def of_signing(
    recorded: int, kind: str, status: int, *, user: str, client: str, path: str = "", address: str = ""
) -> Event:
    """Of a sign-in or sign-out, a token, or a change of who may do what; kind: see Event."""
    return Event(
        recorded=recorded,
        kind=kind,
        interaction=kind,
        action="E",
        outcome="0" if status < 400 else "4",
        status=status,
        path=path,
        user=user,
        client=client,
        address=address,
    )


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
