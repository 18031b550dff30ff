"""$document: a Composition and all that it refers to as one Bundle.

https://hl7.org/fhir/R4/composition-operation-document.html
"""

from __future__ import annotations

import uuid

from fhir_server.codec.json import decode, serialize
from fhir_server.codec.references import parse_reference, references
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response

LIMIT = 5000  # resources in one document


async def document(environment: Environment, call: Call) -> Response:
    """The document Bundle, the Composition first; persist=true stores it too."""
    composition = await current(environment, call.request, call.type, call.id)
    included: dict[tuple[str, str], StoredVersion] = {(call.type, call.id): composition}
    todo = [composition]
    while todo:
        for _, text in references(decode(todo.pop().body)):
            local = parse_reference(text, call.request.base)
            if local is None or (local.type, local.id) in included:
                continue
            found = await environment.store.read(local.type, local.id)
            if found is None or found.deleted:
                continue
            if len(included) >= LIMIT:
                raise error("too-costly", f"The document would have more than {LIMIT} resources.")
            included[(local.type, local.id)] = found
            todo.append(found)
    base = call.request.base
    bundle = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": instant(environment.clock()),
        "entry": [
            {"fullUrl": f"{base}/{version.type}/{version.id}", "resource": decode(version.body)}
            for version in included.values()
        ],
    }
    if not call.parameters.flag("persist"):
        return Response(200, body=serialize(bundle))
    prepared = prepare(environment, bundle)

    async def work(transaction: Transaction) -> StoredVersion:
        return await store(transaction, prepared, "Bundle", environment.new_id(), 1, "POST")

    stored = await environment.store.commit(work)
    return Response(200, stored, stored.body, stored.key.reference)


HANDLERS = (OperationHandler("document", document, instance=True, types=("Composition",)),)
