"""$ihe-pix: the other identifiers of a patient (IHE PIXm, ITI-83, https://profiles.ihe.net/ITI/PIXm/ITI-83.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference
from fhir_server.core.errors import FhirError, error
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Request, Response


async def ihe_pix(environment: Environment, call: Call) -> Response:
    """targetIdentifier for each other identifier, targetId for each patient that has it, of the patient of
    sourceIdentifier and those linked to it; targetSystem narrows to some systems."""
    source = str(call.parameters.one("sourceIdentifier") or "")
    system, bar, value = source.partition("|")
    if not bar or not value or not system:
        raise error("required", "sourceIdentifier must be system|value.", location="sourceIdentifier")
    wanted = call.parameters.texts("targetSystem")
    for target in wanted:
        if not await _find(environment, call, f"{target}|"):
            raise _unknown("forbidden", target, "targetSystem")
    patients = await _find(environment, call, source)
    if not patients:
        if not await _find(environment, call, f"{system}|"):
            raise _unknown("invalid", system, "sourceIdentifier")
        raise error("not-found", f"No patient has the identifier {source}.", location="sourceIdentifier")
    linked = [link.get("other", {}).get("reference", "") for one in patients for link in one.get("link", ())]
    ids = {one["id"] for one in patients}
    for id in filter(None, (_patient(reference, call.request.base) for reference in linked)):
        found = await _search(environment, call, [("_id", id)]) if id not in ids else []
        ids.add(id)
        patients.extend(found)
    parameters: list[dict[str, Any]] = []
    for patient in patients:
        for identifier in patient.get("identifier", ()):
            other = (identifier.get("system"), identifier.get("value")) != (system, value)
            if other and (not wanted or identifier.get("system") in wanted):
                parameters.append({"name": "targetIdentifier", "valueIdentifier": identifier})
    for patient in patients:
        parameters.append({"name": "targetId", "valueReference": {"reference": f"Patient/{patient['id']}"}})
    return Response(200, body=serialize({"resourceType": "Parameters", "parameter": parameters}))


def _patient(reference: str, base: str) -> str:
    """The id of a patient who is here; "" for a related person, and for whoever is elsewhere."""
    local = parse_reference(reference, base)
    return local.id if local is not None and local.type == "Patient" else ""


def _unknown(category: str, system: str, location: str) -> FhirError:
    text = f"{system[:100]} is no system of patient identifiers here."
    return error(category, text, location=location, code="code-invalid")


async def _find(environment: Environment, call: Call, token: str) -> list[dict[str, Any]]:
    return await _search(environment, call, [("identifier", token)])


async def _search(environment: Environment, call: Call, query: list[tuple[str, str]]) -> list[dict[str, Any]]:
    request = Request(
        "GET", ("Patient",), [*query, ("_count", "50")], base=call.request.base, caller=call.request.caller
    )
    page = await environment.index.search(await environment.searching.query("Patient", request))
    return [decode(version.body) for version in page.matches]


HANDLERS = (
    OperationHandler(
        "ihe-pix", ihe_pix, type=True, types=("Patient",), parameters=("sourceIdentifier", "targetSystem")
    ),
)  # fmt: skip
