"""$meta, $meta-add, $meta-delete (https://hl7.org/fhir/R4/resource-operation-meta.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.core.query import EVERYTHING, Query
from fhir_server.interactions.conditions import require_unchanged
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from fhir_server.interactions.search_pages import search_pages

LISTS = ("profile", "security", "tag")
SET_BY_SERVER = ("id", "versionId", "lastUpdated", "source")  # of a meta that was read; they stay as they are
SCAN = 500  # resources looked at together for the meta of a type or the system

Meta = dict[str, Any]


async def meta(environment: Environment, call: Call) -> Response:
    """The meta of a resource; of a type or the system, every profile, tag and label in use there."""
    if call.id:
        version = await current(environment, call.request, call.type, call.id)
        return _answer(decode(version.body).get("meta", {}))
    types = (call.type,) if call.type else tuple(sorted(await environment.index.counts()))
    used: Meta = {}
    for type in types:
        async for page in search_pages(environment.index, Query((type,), EVERYTHING, count=SCAN)):
            for version in page.matches:
                _add(used, decode(version.body).get("meta", {}))
    return _answer(used)


async def meta_add(environment: Environment, call: Call) -> Response:
    """Adds profiles, tags and labels to a resource as a new version, unless it has them all."""
    return await _change(environment, call, _add)


async def meta_delete(environment: Environment, call: Call) -> Response:
    """Takes profiles, tags and labels from a resource as a new version, unless it has none of them."""
    return await _change(environment, call, _remove)


async def _change(environment: Environment, call: Call, apply: Any) -> Response:
    given = call.parameters.one("meta")
    if not isinstance(given, dict):
        raise error("required", "The parameter 'meta' must be there, as valueMeta.", location="meta")
    for name, value in given.items():
        if name not in LISTS + SET_BY_SERVER:
            raise error("value", f"valueMeta may have {', '.join(LISTS)}, not '{name[:40]}'.", location="meta")
        if name in LISTS and not isinstance(value, list):
            raise error("value", f"valueMeta.{name} must be an array.", location="meta")

    async def work(transaction: Transaction) -> tuple[StoredVersion, Meta]:
        head = await transaction.reads.read(call.type, call.id)  # the answer shows its meta
        if head is None or head.deleted:
            raise error("not-found", f"There is no {call.type}/{call.id} here.")
        require_unchanged(call.request, call.type, call.id, head)
        resource = decode(head.body)
        changed = resource.setdefault("meta", {})
        before = serialize(changed)
        apply(changed, given)
        if serialize(changed) == before:
            return head, changed
        version = await store(transaction, prepare(environment, resource), call.type, call.id, head.version + 1, "PUT")
        return version, decode(version.body)["meta"]

    _, changed = await environment.store.commit(work)
    return _answer(changed)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return (one.get("system"), one.get("code")) == (other.get("system"), other.get("code"))
    return one == other


def _add(changed: Meta, given: Meta) -> None:
    for name in LISTS:
        for item in given.get(name, ()):
            have = changed.setdefault(name, [])
            if not any(_same(item, other) for other in have):
                have.append(item)


def _remove(changed: Meta, given: Meta) -> None:
    for name in LISTS:
        gone = given.get(name, ())
        kept = [item for item in changed.get(name, ()) if not any(_same(item, other) for other in gone)]
        if kept:
            changed[name] = kept
        else:
            changed.pop(name, None)


def _answer(found: Meta) -> Response:
    body = {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": found}]}
    return Response(200, body=serialize(body))


HANDLERS = (
    OperationHandler("meta", meta, system=True, type=True, instance=True),
    OperationHandler("meta-add", meta_add, instance=True, affects_state=True),
    OperationHandler("meta-delete", meta_delete, instance=True, affects_state=True),
)
