"""What the mapping engine asks of the store, asked of a FHIR server as any client asks it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.api import Request
from fhir_server.client import FhirClient, pages, searched
from fhir_server.codec import json
from fhir_server.core.errors import FhirError
from fhir_server.definitions import load

SAME = {"patient", "subject"}  # two names of one parameter in most types of the compartment


class ClientReader:
    """Reads through a FHIR client; fulfils mappings.hl7v2.reader.Reader."""

    def __init__(self, client: FhirClient) -> None:
        self._client = client

    async def find(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """The resources that have any of the identifiers wanted of their type."""
        return await self._client.identified(wanted)

    async def read(self, reference: str) -> dict[str, Any] | None:
        """The resource of a reference; None where there is none."""
        try:
            answer = await self._client.perform(Request("GET", tuple(reference.split("/")[:2])))
        except FhirError as problem:
            if problem.category in ("not-found", "deleted"):
                return None
            raise
        return json.parse(answer.body)

    async def referring(self, reference: str) -> list[dict[str, Any]]:
        """The resources that refer to a patient: those of the compartment, and others, such as tasks."""
        type, id = reference.split("/")[:2]
        found = await searched(self._client, (type, id, "*"), [])
        beside = [("_id", id), *(("_revinclude", path) for path in _beside_the_compartment())]
        async for bundle in pages(self._client, (type,), beside):
            found += [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == "include"]
        return list({(one["resourceType"], one["id"]): one for one in found}.values())

    async def about(self, type_name: str, reference: str) -> list[dict[str, Any]]:
        """The resources of a type that are about a patient."""
        return await self.search(type_name, [("patient", reference)])

    async def search(self, type_name: str, query: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """All matches of a search."""
        return await searched(self._client, (type_name,), query)

    async def any(self, type_name: str, query: list[tuple[str, str]]) -> bool:
        """Whether a search has a match."""
        answer = await self._client.perform(Request("GET", (type_name,), [*query, ("_count", "1"), ("_total", "none")]))
        return bool(json.parse(answer.body).get("entry"))


@functools.cache
def _beside_the_compartment() -> tuple[str, ...]:
    """The parameters (Task:subject) by which a resource refers to a patient without being in the compartment."""
    definitions = load()
    members = definitions.compartments["Patient"].members
    found = []
    for type in sorted(definitions.resource_types):
        inside = set(members.get(type, ()))
        for code, parameter in definitions.search_parameters(type).items():
            told = code in inside or (code in SAME and inside & SAME)
            if parameter.type == "reference" and "Patient" in parameter.targets and not told:
                found.append(f"{type}:{code}")
    return tuple(found)
