"""What the server says of a Subscription: its status, and why it is in error."""

from __future__ import annotations

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.subscriptions.criteria import TYPE


async def note(
    environment: Environment, version: StoredVersion, status: str, problem: str = ""
) -> StoredVersion | None:
    """Stores the next version with a status and an error, "" for none; None where another was stored meanwhile."""
    resource = decode(version.body)
    resource["status"] = status
    resource.pop("error", None)
    if problem:
        resource["error"] = problem
    prepared = prepare(environment, resource)

    async def work(transaction: Transaction) -> StoredVersion | None:
        head = await transaction.read(TYPE, version.id)
        if head is None or head.version != version.version:
            return None
        return await store(transaction, prepared, TYPE, version.id, version.version + 1, "PUT")

    return await environment.store.commit(work)
