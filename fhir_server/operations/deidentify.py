"""$de-identify: a resource or Bundle without what identifies a person; $k-anonymity: how well that hides somebody.

Neither is R4's; the names and parameters are ours (docs/how-to/de-identification.md).
"""

from __future__ import annotations

import asyncio
import datetime
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require
from fhir_server.interactions.search_pages import search_pages

PAGE = 500


def deidentifier(environment: Environment, dates: str = "shift") -> Any:
    """What de-identifies with this server's secret and rules."""
    from fhir_server.security.deidentification import Deidentifier, key_of, load

    settings = environment.settings
    today = datetime.datetime.fromtimestamp(environment.clock() / 1e6, datetime.UTC).date()
    return Deidentifier(environment.definitions, load(settings.deidentify_rules), key_of(settings.data), today, dates)


async def deidentify(environment: Environment, call: Call) -> Response:
    """The resource that is stored, or that came with the call.

    The audit log is told of what is stored, never of the answer: its pseudonyms beside a patient would tell whose.
    """
    resource = call.parameters.one("resource")
    shown: list[StoredVersion] = []
    if call.id:
        shown.append(await current(environment, call.request, call.type, call.id))
        resource = decode(shown[0].body)
    if not isinstance(resource, dict):
        raise error(
            "required", "$de-identify needs the parameter 'resource', or a resource's URL.", location="resource"
        )
    made = deidentifier(environment, str(call.parameters.one("dates") or "shift"))
    return Response(200, body=serialize(await asyncio.to_thread(made, resource)), shown=shown)


async def k_anonymity(environment: Environment, call: Call) -> Response:
    """Over all resources of the type that the caller may see, as they would be de-identified."""
    from fhir_server.security.deidentification import anonymity
    from fhir_server.security.deidentification.anonymity import QUASI_IDENTIFIERS

    require(call.request.caller, "s", call.type)
    quasi = [str(each) for each in call.parameters.all("quasi")] or list(QUASI_IDENTIFIERS)
    threshold = call.parameters.whole("threshold", 5)
    clean = deidentifier(environment, "year")
    found: list[dict[str, Any]] = []
    async for page in search_pages(environment.index, Query((call.type,), count=PAGE)):
        found += await asyncio.to_thread(lambda: [clean(decode(version.body)) for version in page.matches])  # noqa: B023
    report = await asyncio.to_thread(anonymity, found, environment.definitions, call.type, quasi, threshold)
    listed = [{"name": name, "valueInteger": value} for name, value in report._asdict().items()]
    return Response(200, body=serialize({"resourceType": "Parameters", "parameter": listed}))


HANDLERS = (
    OperationHandler(
        "de-identify", deidentify, system=True, type=True, instance=True, parameters=("resource", "dates")
    ),
    OperationHandler("k-anonymity", k_anonymity, type=True, parameters=("quasi", "threshold")),
)
