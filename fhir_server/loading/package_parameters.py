"""Search parameters that packages bring: those that R4 does not have are stored, by which they come into force.

Most of a package's are R4's own with expectations of its own about comparators and combinations; nothing is indexed
anew for these.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions

Json = dict[str, Any]
TYPE = "SearchParameter"
SET_BY_SERVER = ("meta",)


def beyond_r4(parameters: Iterable[Json], definitions: Definitions) -> list[Json]:
    """Those with a code that R4 has not for one of the types that they are for."""
    return [
        each
        for each in parameters
        if each.get("expression")
        and any(
            definitions.is_resource(base) and each.get("code") not in definitions.search_parameters(base)
            for base in each.get("base", ())
        )
    ]


async def put_in_force(client: FhirClient, parameters: Iterable[Json]) -> AsyncIterator[tuple[Json, str]]:
    """Stores each that is not there as it is; (it, why it was refused or "")."""
    for each in parameters:
        try:
            if not isinstance(each.get("id"), str):
                raise error("required", "it has no id, under which it would be stored.")
            if _content(await _stored(client, each["id"])) != _content(each):
                await client.perform(Request("PUT", (TYPE, each["id"]), resource=each, body=json.serialize(each)))
            yield each, ""
        except FhirError as problem:
            yield each, str(problem)


async def take_out_of_force(client: FhirClient, parameters: Iterable[Json]) -> None:
    """Deletes each that is stored as the package has it; one that was changed since stays."""
    for each in parameters:
        if isinstance(each.get("id"), str) and _content(await _stored(client, each["id"])) == _content(each):
            await client.perform(Request("DELETE", (TYPE, each["id"])))


async def _stored(client: FhirClient, id: str) -> Json | None:
    try:
        return json.decode((await client.perform(Request("GET", (TYPE, id)))).body)
    except FhirError as problem:
        if problem.status in (404, 410):
            return None
        raise


def _content(parameter: Json | None) -> Json | None:
    return parameter and {name: value for name, value in parameter.items() if name not in SET_BY_SERVER}
