"""update, update as create, conditional update (https://hl7.org/fhir/R4/http.html#update)."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.interactions.conditions import only_match, require_match, require_none
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import Prepared, body_of, id_of, prepare, store
from fhir_server.interactions.request import Request, Response


class Put(NamedTuple):
    """A stored version; created: nothing was there before, or what was there was deleted."""

    version: StoredVersion
    created: bool


async def update(environment: Environment, request: Request, type: str, id: str) -> Response:
    """Stores the next version of Type/id; makes it where the policy allows a client to choose an id."""
    resource = body_of(type, request.resource)
    id_of(id)
    if resource.get("id") != id:
        stated = f"the id {resource['id']!r:.80}" if "id" in resource else "no id"
        raise error(
            "invalid", f"The URL says {type}/{id}, the body has {stated}; make them the same.", expression=f"{type}.id"
        )
    prepared = prepare(environment, resource)

    async def work(transaction: Transaction) -> Put:
        return await put(environment, transaction, request, prepared, type, id)

    return _answer(await environment.store.commit(work), prepared)


async def put(
    environment: Environment, transaction: Transaction, request: Request, prepared: Prepared, type: str, id: str
) -> Put:
    """The part of an update that happens inside the transaction."""
    head = await transaction.read(type, id)
    require_match(request, type, id, head)
    require_none(request, type, id, head)
    if head is None and not environment.settings.update_as_create:
        raise error(
            "not-supported",
            f"{type}/{id} does not exist, and this server does not let clients choose ids; create it with POST {type}.",
        )
    version = await store(transaction, prepared, type, id, head.version + 1 if head else 1, "PUT")
    return Put(version, head is None or head.deleted)


async def conditional_update(environment: Environment, request: Request, type: str, criteria: str) -> Response:
    """Updates the one resource that the criteria match; creates it where none does."""
    resource = body_of(type, request.resource)
    if not criteria:
        raise error("required", f"PUT {type} needs criteria in the URL, or an id: {type}?identifier=… or {type}/id.")
    where = await environment.searching.criteria(type, criteria, request)
    prepared = prepare(environment, resource)
    stated = resource.get("id")

    async def work(transaction: Transaction) -> Put:
        found = await only_match(transaction, type, where, criteria)
        return await put_matched(environment, transaction, request, prepared, type, found, stated)

    return _answer(await environment.store.commit(work), prepared)


async def put_matched(
    environment: Environment,
    transaction: Transaction,
    request: Request,
    prepared: Prepared,
    type: str,
    found: StoredVersion | None,
    stated: str | None,
    new_id: str = "",
) -> Put:
    """The part of a conditional update inside the transaction; stated: the body's own id; new_id: for a creation."""
    if found is not None:
        if stated is not None and stated != found.id:
            raise error(
                "invalid",
                f"The criteria match {type}/{found.id}, the body has the id '{stated}'; leave it out or correct it.",
                expression=f"{type}.id",
            )
        require_match(request, type, found.id, found)
        require_none(request, type, found.id, found)
        return Put(await store(transaction, prepared, type, found.id, found.version + 1, "PUT"), False)
    if stated is None:
        require_match(request, type, "", None)
        return Put(
            await store(transaction, prepared, type, new_id or environment.new_id(), 1, "POST", fresh=True), True
        )
    head = await transaction.read(type, id_of(stated))
    if head is not None and not head.deleted:
        raise error(
            "conflict", f"The criteria match nothing, but {type}/{stated} exists; update it by its id or omit the id."
        )
    return await put(environment, transaction, request, prepared, type, stated)


def _answer(put: Put, prepared: Prepared) -> Response:
    version = put.version
    return Response(201 if put.created else 200, version, version.body, version.key.reference, prepared.warnings)
