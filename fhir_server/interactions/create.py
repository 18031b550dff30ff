"""create and conditional create (https://hl7.org/fhir/R4/http.html#create)."""

from __future__ import annotations

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.interactions.conditions import only_match
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import body_of, prepare, store
from fhir_server.interactions.request import Request, Response


async def create(environment: Environment, request: Request, type: str, criteria: str = "") -> Response:
    """Stores a new resource under an id of the server's; with If-None-Exist only where nothing matches.

    criteria: those of the URL, where some clients put them instead of the header.
    """
    resource = body_of(type, request.resource)
    criteria = request.if_none_exist.removeprefix(f"{type}?").removeprefix("?") or criteria
    where = await environment.searching.criteria(type, criteria, request) if criteria else None
    prepared = prepare(environment, resource)

    async def work(transaction: Transaction) -> tuple[StoredVersion, bool]:
        if where is not None:
            found = await only_match(transaction, type, where, criteria)
            if found is not None:
                return found, False
        return await store(transaction, prepared, type, environment.new_id(), 1, "POST", fresh=True), True

    version, made = await environment.store.commit(work)
    return Response(
        201 if made else 200, version, version.body, version.key.reference, prepared.warnings if made else []
    )
