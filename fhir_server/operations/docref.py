"""$docref: the references to a patient's documents (US Core, OperationDefinition/docref).

http://hl7.org/fhir/us/core/OperationDefinition/docref. Documents are not made on demand here: those that are stored are
told, and with on-demand=true none.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fhir_server.codec import bundles
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.search_pages import search_pages
from fhir_server.search.parse.escaping import escape

DEFINITION = "http://hl7.org/fhir/us/core/OperationDefinition/docref"
PARAMETERS = ("patient", "start", "end", "type", "on-demand", "profile")
PAGE = 500


async def docref(environment: Environment, call: Call) -> Response:
    """The current ones whose care dates overlap start to end; without both, the newest of each type of document."""
    patient = call.parameters.one("patient")
    if not patient:
        raise error("required", "$docref needs the id of a patient: patient=….", location="patient")
    start, end = call.parameters.one("start"), call.parameters.one("end")
    search = [("patient", f"Patient/{str(patient).removeprefix('Patient/')}"), ("status", "current")]
    search += [("period", f"{prefix}{value}") for prefix, value in (("ge", start), ("le", end)) if value]
    types = [_written(value) for value in call.parameters.all("type")]
    for name, values in (("type", types), ("_profile", call.parameters.texts("profile"))):
        if values:
            search.append((name, ",".join(values)))
    inner = Request(
        "GET", ("DocumentReference",), [*search, ("_sort", "-date"), ("_count", str(PAGE))],
        base=call.request.base, caller=call.request.caller,
    )  # fmt: skip
    query = await environment.searching.query("DocumentReference", inner)
    found: list[StoredVersion] = []
    if not call.parameters.flag("on-demand"):
        async for page in search_pages(environment.index, query):
            found += page.matches
    if not start and not end:
        found = _newest(found)
    given = [(name, _written(value)) for name, value, _ in call.parameters.entries if name in PARAMETERS]
    link = bundles.Link("self", f"{call.request.base}/DocumentReference/$docref?{urlencode(given)}")
    return Response(200, body=bundles.searchset(call.request.base, found, total=len(found), links=[link]))


def _written(value: Any) -> str:
    """A parameter's value as in a URL: a Coding is a token; FhirError for what is of no such type."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    system, code = (value.get("system", ""), value.get("code")) if isinstance(value, dict) else ("", None)
    if not isinstance(code, str) or not isinstance(system, str):
        raise error(
            "value",
            "$docref takes texts, type as a token (http://loinc.org|34133-9) or a Coding that has a code, and "
            "on-demand as true or false.",
        )
    return f"{escape(system)}|{escape(code)}" if system else escape(code)


def _newest(found: list[StoredVersion]) -> list[StoredVersion]:
    """The first of each type of document."""
    first: dict[Any, StoredVersion] = {}
    for version in found:
        concept = decode(version.body).get("type", {})
        codings = frozenset((each.get("system"), each.get("code")) for each in concept.get("coding", ()))
        first.setdefault(codings or concept.get("text"), version)
    return [*first.values()]


HANDLERS = (
    OperationHandler(
        "docref", docref, type=True, types=("DocumentReference",), parameters=PARAMETERS, url=DEFINITION
    ),
)  # fmt: skip
