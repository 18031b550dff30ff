"""delete and conditional delete (https://hl7.org/fhir/R4/http.html#delete)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.interactions.conditions import only_match, require_match, require_none
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import id_of, require_changeable
from fhir_server.interactions.request import Request, Response


class Removed(NamedTuple):
    """The last version of what was deleted, and its deletion."""

    last: StoredVersion
    deletion: StoredVersion


async def delete(environment: Environment, request: Request, type: str, id: str) -> Response:
    """Deletes a resource; one that isn't there is no error."""
    id_of(id)

    async def work(transaction: Transaction) -> Removed | None:
        removed = await remove(environment, transaction, request, type, id)
        await require_unreferenced(environment, transaction, type, [id])
        return removed

    return answer_to([await environment.store.commit(work)])


async def remove(
    environment: Environment, transaction: Transaction, request: Request, type: str, id: str
) -> Removed | None:
    """The part of a delete inside the transaction; None where there is nothing to delete."""
    head = await transaction.read(type, id)
    require_match(request, type, id, head)
    require_none(request, type, id, head)
    if head is None or head.deleted:
        return None
    require_changeable(environment, type)
    deletion = Write(type, id, head.version + 1, transaction.now(), "DELETE", b"", ())
    return Removed(head, await transaction.put(deletion))


def answer_to(removed: Sequence[Removed | None]) -> Response:
    """The answer that tells of deletions."""
    there = [each for each in removed if each is not None]
    return Response(204, there[0].deletion if len(there) == 1 else None, shown=[each.last for each in there])


async def require_unreferenced(environment: Environment, transaction: Transaction, type: str, ids: list[str]) -> None:
    """With referential integrity, refuses the deletion of what others still refer to once all is deleted."""
    for id in ids if environment.settings.referential_integrity else ():
        others = await transaction.referring(type, id)
        if others:
            other = "/".join(others[0])
            raise error("integrity", f"{other} refers to {type}/{id}; change or delete that first.")


async def conditional_delete(environment: Environment, request: Request, type: str, criteria: str) -> Response:
    """Deletes the resource that the criteria match, or all of them where the server is set to do so."""
    if not criteria:
        raise error(
            "required", f"DELETE {type} needs criteria in the URL, or an id; without them it would empty {type}."
        )
    where = await environment.searching.criteria(type, criteria, request)
    limit = environment.settings.conditional_delete_limit

    async def work(transaction: Transaction) -> list[Removed | None]:
        if environment.settings.conditional_delete == "single":
            found = await only_match(transaction, type, where, criteria)
            matched = [found] if found else []
        else:
            matched = await transaction.matches(type, where, limit + 1)
        if len(matched) > limit:
            raise error("multiple-matches", f"More than {limit} resources match; make the criteria more selective.")
        removed = [await remove(environment, transaction, request, type, version.id) for version in matched]
        await require_unreferenced(environment, transaction, type, [version.id for version in matched])
        return removed

    return answer_to(await environment.store.commit(work))
