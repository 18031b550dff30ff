"""delete and conditional delete (https://hl7.org/fhir/R4/http.html#delete)."""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.interactions.conditions import only_match, require_match
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import id_of
from fhir_server.interactions.request import Request, Response


async def delete(environment: Environment, request: Request, type: str, id: str) -> Response:
    """Deletes a resource; one that isn't there is no error."""
    id_of(id)

    async def work(transaction: Transaction) -> StoredVersion | None:
        return await remove(environment, transaction, request, type, id)

    return Response(204, await environment.store.commit(work))


async def remove(
    environment: Environment, transaction: Transaction, request: Request, type: str, id: str
) -> StoredVersion | None:
    """The part of a delete inside the transaction; None where there is nothing to delete."""
    head = await transaction.read(type, id)
    require_match(request, type, id, head)
    if head is None or head.deleted:
        return None
    stored = await transaction.put(Write(type, id, head.version + 1, transaction.now(), "DELETE", b"", ()))
    if environment.settings.referential_integrity:
        await require_unreferenced(transaction, type, id)
    return stored


async def require_unreferenced(transaction: Transaction, type: str, id: str) -> None:
    """Refuses to delete what others refer to."""
    others = await transaction.referring(type, id)
    if others:
        raise error("integrity", f"{others[0][0]}/{others[0][1]} refers to {type}/{id}; change or delete that first.")


async def conditional_delete(environment: Environment, request: Request, type: str, criteria: str) -> Response:
    """Deletes the resource that the criteria match, or all of them where the server is set to do so."""
    if not criteria:
        raise error(
            "required", f"DELETE {type} needs criteria in the URL, or an id; without them it would empty {type}."
        )
    where = await environment.searching.criteria(type, criteria, request)
    limit = environment.settings.conditional_delete_limit
    unconditional = Request("DELETE", (type,), caller=request.caller)

    async def work(transaction: Transaction) -> StoredVersion | None:
        if environment.settings.conditional_delete == "single":
            found = await only_match(transaction, type, where, criteria)
            return await remove(environment, transaction, request, type, found.id) if found else None
        matched = await transaction.matches(type, where, limit + 1)
        if len(matched) > limit:
            raise error("too-costly", f"More than {limit} resources match; make the criteria more selective.")
        for version in matched:
            await remove(environment, transaction, unconditional, type, version.id)
        return None

    return Response(204, await environment.store.commit(work))
