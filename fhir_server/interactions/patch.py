"""patch and conditional patch (https://hl7.org/fhir/R4/http.html#patch)."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.interactions.conditions import only_match, require_match, require_none
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.patching import PatchDocument, document_of
from fhir_server.interactions.preparing import id_of, prepare, store
from fhir_server.interactions.request import Request, Response


async def patch(environment: Environment, request: Request, type: str, id: str) -> Response:
    """Changes a resource by a JSON Patch, an XML Patch or a FHIRPath Patch."""
    id_of(id)
    document = document_of(request.content_type, request.body, request.resource, environment.definitions)

    async def work(transaction: Transaction) -> StoredVersion:
        return await change(environment, transaction, request, document, type, id)

    version = await environment.store.commit(work)
    return Response(200, version, version.body, version.key.reference)


async def conditional_patch(environment: Environment, request: Request, type: str, criteria: str) -> Response:
    """Changes the one resource that the criteria match."""
    if not criteria:
        raise error("required", f"PATCH {type} needs criteria in the URL, or an id.")
    where = await environment.searching.criteria(type, criteria, request)
    document = document_of(request.content_type, request.body, request.resource, environment.definitions)

    async def work(transaction: Transaction) -> StoredVersion:
        found = await only_match(transaction, type, where, criteria)
        if found is None:
            raise error("not-found", f"No {type} matches {criteria}.")
        return await change(environment, transaction, request, document, type, found.id)

    version = await environment.store.commit(work)
    return Response(200, version, version.body, version.key.reference)


async def change(
    environment: Environment, transaction: Transaction, request: Request, document: PatchDocument, type: str, id: str
) -> StoredVersion:
    """The part of a patch inside the transaction."""
    head = await transaction.reads.read(type, id)  # a patch tells what it meets
    require_match(request, type, id, head)
    require_none(request, type, id, head)
    if head is None:
        raise error("not-found", f"There is no {type}/{id} here.")
    if head.deleted:
        raise error("deleted", f"{type}/{id} was deleted; a patch can't bring it back, an update can.")
    patched = document.apply(decode(head.body))
    _require_same_resource(patched, type, id)
    return await store(transaction, prepare(environment, patched), type, id, head.version + 1, "PATCH")


def _require_same_resource(patched: dict[str, Any], type: str, id: str) -> None:
    if patched.get("resourceType") != type or patched.get("id") != id:
        raise error("unprocessable", f"A patch may change neither resourceType nor id of {type}/{id}.")
