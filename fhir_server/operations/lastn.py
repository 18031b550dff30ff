"""$lastn: the newest observations of each code (https://hl7.org/fhir/R4/observation-operation-lastn.html)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fhir_server.codec import bundles
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.search_pages import search_pages

PAGE = 500
NOT_SEARCHED = ("max", "_format", "_pretty")
OWN = ("_sort", "_count", "_cursor")  # what it asks the search for itself
SUBJECTS = ("patient", "subject", "patient.identifier", "subject.identifier")


async def lastn(environment: Environment, call: Call) -> Response:
    """Runs the search newest first and keeps `max` (default 1) of each code."""
    wanted = call.parameters.whole("max", 1)
    if wanted < 1:
        raise error("value", "max must be 1 or more.", location="max")
    search = [(name, str(value)) for name, value, _ in call.parameters.entries if name not in NOT_SEARCHED]
    if own := next((name for name, _ in search if name in OWN), None):
        raise error(
            "value", f"$lastn answers newest first, in one page: leave {own} out; limit it by max.", location=own
        )
    if not any(name.partition(":")[0] in SUBJECTS for name, _ in search):
        raise error("required", "$lastn needs a subject: patient=… or subject=….", location="patient")
    inner = Request(
        "GET", ("Observation",), [*search, ("_sort", "-date"), ("_count", str(PAGE))],
        lenient=call.request.lenient, base=call.request.base, caller=call.request.caller,
    )  # fmt: skip
    query = await environment.searching.query("Observation", inner)
    groups: dict[Any, int] = {}
    kept: list[StoredVersion] = []
    async for page in search_pages(environment.index, query):
        for version in page.matches:
            key = _group(decode(version.body))
            groups[key] = groups.get(key, 0) + 1
            if groups[key] <= wanted:
                kept.append(version)
    asked = urlencode([*search, ("max", str(wanted))], safe="/:|,$", quote_via=quote)
    url = f"{call.request.base}/Observation/$lastn?{asked}"
    body = bundles.searchset(call.request.base, kept, total=len(kept), links=[bundles.Link("self", url)])
    return Response(200, body=body)


def _group(observation: dict[str, Any]) -> Any:
    """What makes two observations the same kind: their codings, or else the text of the code."""
    code = observation.get("code", {})
    codings = frozenset((c.get("system", ""), c.get("code", "")) for c in code.get("coding", ()) if c.get("code"))
    return codings or code.get("text", "")


HANDLERS = (OperationHandler("lastn", lastn, type=True, types=("Observation",), searches=True),)
