"""batch and transaction (https://hl7.org/fhir/R4/http.html#transaction).

A batch's entries stand alone: each is performed like a request of its own. A transaction is in transaction.py.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fhir_server.codec import bundles
from fhir_server.codec.bundles import EntryResponse
from fhir_server.codec.json import serialize
from fhir_server.codec.references import references
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.interactions.bundles.bundle_elements import BUNDLE, require_bundle_elements
from fhir_server.interactions.bundles.conditional_references import may_have, resolve_stored
from fhir_server.interactions.bundles.entries import STATUS_TEXT, entry_request, entry_response
from fhir_server.interactions.bundles.transaction import PAUSE_EVERY, transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Performed, Request, Response, all_told

TOGETHER = 64  # entries of a batch that are under way at once, so that their commits share a flush


async def batch(environment: Environment, request: Request) -> Response:
    """Performs a Bundle that was posted to the base URL."""
    bundle = request.resource
    if bundle is None or bundle.get("resourceType") != "Bundle":
        raise error("invalid", "POST to the base URL takes a Bundle of type batch or transaction.")
    type = bundle.get("type")
    if type not in ("batch", "transaction"):
        raise error(
            "invalid",
            f"A Bundle of type '{str(type)[:40]}' can't be performed; it must be batch or transaction."
            if type is not None
            else "The Bundle has no type; give it batch or transaction.",
            expression="Bundle.type",
        )
    require_bundle_elements(bundle, BUNDLE, BUNDLE)
    listed = bundle.get("entry", [])
    if not isinstance(listed, list):
        raise error("invalid", "Bundle.entry must be an array.", expression="Bundle.entry")
    if type == "transaction":
        requests = []
        for number, raw in enumerate(listed):
            requests.append(entry_request(raw, number, request))
            if number % PAUSE_EVERY == PAUSE_EVERY - 1:
                await asyncio.sleep(0)
        return await transaction(environment, request, listed, requests)
    answers: list[tuple[EntryResponse, Response | None, Performed | None]] = []
    conditional = may_have(request.body)
    names = {raw["fullUrl"] for raw in listed if isinstance(raw, dict) and _is_name(raw.get("fullUrl"))}
    for start in range(0, len(listed), TOGETHER):
        part = enumerate(listed[start : start + TOGETHER], start)
        answers += await asyncio.gather(
            *(_one(environment, request, raw, number, conditional, names) for number, raw in part)
        )
    body = bundles.responses("batch-response", [entry for entry, _, _ in answers])
    performed = [each for _, _, each in answers if each is not None]
    return Response(200, body=body, shown=all_told(answer for _, answer, _ in answers), performed=performed)


async def _one(
    environment: Environment, request: Request, raw: Any, number: int, conditional: bool, names: set[str]
) -> tuple[EntryResponse, Response | None, Performed | None]:
    """An entry's answer, as an entry of the Bundle and as it is, None for a failure; and what is noted of it."""
    assert environment.perform is not None
    mine = None
    try:
        mine = entry_request(raw, number, request)
        mine.noting = request.noting and request.noting.of_entry()
        if not mine.path and mine.method == "POST":
            raise error(
                "invalid", "A batch can't hold another Bundle to perform.", expression=f"Bundle.entry[{number}]"
            )
        if names and mine.resource is not None:
            _refuse_names(mine.resource, names, number)
        if conditional and mine.method in ("POST", "PUT"):
            await resolve_stored(environment, mine)
        answer = await environment.perform(environment, mine)
        noted = Performed(mine, answer.status, answer.told, answer.about) if mine.method == "GET" else None
        return entry_response(request, mine, answer), answer, noted
    except FhirError as problem:
        failed = EntryResponse(STATUS_TEXT[problem.status], outcome=serialize(operation_outcome(problem.issues)))
        return failed, None, Performed(mine, problem.status, ()) if mine is not None else None


def _is_name(full_url: object) -> bool:
    """Whether a fullUrl is only a name by which other entries may refer to this one."""
    return isinstance(full_url, str) and full_url.startswith("urn:")


def _refuse_names(resource: dict[str, Any], names: set[str], number: int) -> None:
    """FhirError where a resource refers to another entry, which a batch has no id for."""
    for path, text in references(resource):
        if text in names:
            raise error(
                "invalid",
                f"{path} refers to {text}, another entry of this batch, whose entries stand alone. "
                "Send a transaction, in which such references are resolved.",
                expression=f"Bundle.entry[{number}].resource{path[path.find('.') :]}",
            )
