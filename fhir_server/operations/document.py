"""$document: a Composition and all that it refers to as one Bundle.

https://hl7.org/fhir/R4/composition-operation-document.html
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import LocalReference, parse_reference, references
from fhir_server.core.errors import error
from fhir_server.core.keys import ResourceKey, StoredVersion, instant
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.read import current, referenced
from fhir_server.interactions.request import Response
from fhir_server.operations.graph import of_graph

LIMIT = 5000  # resources in one document


async def document(environment: Environment, call: Call) -> Response:
    """The document Bundle, the Composition first; persist=true stores it too.

    It has all that the Composition refers to, and what that refers to, or what a GraphDefinition (graph) says.
    """
    composition = await current(environment, call.request, call.type, _id(call))
    if call.parameters.one("graph") is None:
        included = await _referred(environment, call, composition)
    else:
        included = await of_graph(environment, call, composition)
    base = call.request.base
    bundle = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": instant(environment.clock()),
        "entry": [
            {"fullUrl": f"{base}/{version.type}/{version.id}", "resource": decode(version.body)} for version in included
        ],
    }
    if not call.parameters.flag("persist"):
        return Response(200, body=serialize(bundle))
    prepared = prepare(environment, bundle)

    async def work(transaction: Transaction) -> StoredVersion:
        return await store(transaction, prepared, "Bundle", environment.new_id(), 1, "POST")

    stored = await environment.store.commit(work)
    return Response(200, stored, stored.body, stored.key.reference)


def _id(call: Call) -> str:
    """The Composition's id, of the URL or of the parameter id, which may be a URL here too."""
    given = call.parameters.one("id")
    if given is None and call.id:
        return call.id
    local = parse_reference(given, call.request.base) if isinstance(given, str) and "/" in given else None
    id = local.id if local is not None and local.type == call.type else given
    if not isinstance(id, str) or "/" in id:
        text = f"$document needs the URL {call.type}/[id]/$document, or the parameter id, a {call.type} of this server."
        raise error("required", text, location="id")
    if call.id and id != call.id:
        raise error("value", f"The URL is of {call.type}/{call.id}, the parameter id of {id[:64]}.", location="id")
    return id


async def _referred(environment: Environment, call: Call, composition: StoredVersion) -> Collection[StoredVersion]:
    included: dict[ResourceKey, StoredVersion] = {composition.key: composition}
    looked_for: set[LocalReference] = set()
    todo = [composition]
    while todo:
        for _, text in references(decode(todo.pop().body)):
            local = parse_reference(text, call.request.base)
            if local is None or local in looked_for:
                continue
            looked_for.add(local)
            found = await referenced(environment, local)
            if found is None or found.key in included:
                continue
            if len(included) >= LIMIT:
                raise error("too-costly", f"The document would have more than {LIMIT} resources.")
            included[found.key] = found
            todo.append(found)
    return included.values()


HANDLERS = (OperationHandler("document", document, type=True, instance=True, types=("Composition",)),)
