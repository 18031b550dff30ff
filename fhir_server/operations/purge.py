"""$purge: erasure of a patient with everything of the compartment, in every version, and a receipt.

R4 has no operation for it; the name and the receipt are ours (docs/decisions). What is in the compartments of several
patients is not erased with one of them: the answer names it. The feed keeps a change of method ERASE for each resource,
so that every consumer forgets it too. What interfaces keep of the patient goes first, and exports and imports whose
files have something of the record: where one of them can't be reached the record is still there, and the erasure is
asked for again. Where bodies are encrypted, the patient's key is destroyed: what backups have can't be read any more. A
legal hold (a Flag) refuses it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.erasing import Erased
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.ports import Transaction
from fhir_server.core.query import Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.owners import owner_of
from fhir_server.interactions.preparing import prepare, store
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.search_pages import search_pages
from fhir_server.search.parse.escaping import escape
from fhir_server.security.policies import WAY

PAGE = 500
HOLD = "legal-hold"  # the code of a Flag


async def purge(environment: Environment, call: Call) -> Response:
    """Erases the patient and the compartment in one commit; answers with the receipt, which is stored as AuditEvent."""
    administers = call.request.caller.administers
    if administers is not None and not administers("purge", "cruds"):
        raise error("forbidden", f"An erasure can't be undone: it takes a scope for everything and a role. {WAY}")
    if environment.seen_by.restriction is not None:
        raise error("forbidden", "Only a caller who may see everything can erase.")
    if environment.whole is not None:
        environment = environment.whole.seen_as(environment.seen_by)
    newest = await environment.store.read(call.type, call.id)
    if newest is None:
        raise error("not-found", f"There is no {call.type}/{call.id} here.")
    await _require_free(environment, call.id)
    members = await _compartment(environment, call)
    reference = f"{call.type}/{call.id}"
    mentioned = [key for key in await environment.store.mentions(reference) if key not in members]
    heads = await environment.store.read_many(mentioned)
    deleted = [key for key, head in zip(mentioned, heads, strict=True) if head is not None and head.deleted]
    beside = await _beside(environment, call, frozenset(f"{type}/{id}" for type, id in (*members, *deleted)))

    async def work(transaction: Transaction) -> tuple[Counter[str], list[str], str]:
        erased: Counter[str] = Counter()
        left = []
        for type, id in mentioned:
            head = await transaction.read(type, id)
            if head is not None and head.deleted:
                members.append((type, id))
            else:
                left.append(f"{type}/{id}")
        for type, id in members:
            if await transaction.erase(type, id):
                erased[type] += 1
        receipt = receipt_of(environment, reference, erased + beside)
        stored = await store(transaction, prepare(environment, receipt), "AuditEvent", environment.new_id(), 1, "POST")
        return erased, left, stored.key.reference

    keys = getattr(environment.store, "keys", None)
    if keys is not None:
        keys.doom(reference)  # the next start destroys it if this one ends before
    erased, left, receipt = await environment.store.commit(work)
    destroyed = keys is not None and keys.destroy(reference)
    parameters: list[dict[str, Any]] = [
        {"name": "receipt", "valueReference": {"reference": receipt}},
        {"name": "erased", "valueInteger": sum(erased.values())},
        *({"name": "type", "part": [{"name": "code", "valueCode": type}, {"name": "erased", "valueInteger": number}]}
          for type, number in sorted(erased.items())),
        *([{"name": "keyDestroyed", "valueBoolean": destroyed}] if keys is not None else []),
        *({"name": what, "valueInteger": number} for what, number in sorted(beside.items())),
        *({"name": "stillMentionedBy", "valueReference": {"reference": other}} for other in left),
    ]  # fmt: skip
    return Response(200, body=serialize({"resourceType": "Parameters", "parameter": parameters}))


async def _require_free(environment: Environment, id: str) -> None:
    """FhirError "conflict" where an active Flag with the code legal-hold is on the patient."""
    about = environment.searching.about("Flag", ("Patient", id))
    assert about is not None
    page = await environment.index.search(Query(("Flag",), about, count=PAGE))
    for version in page.matches:
        flag = decode(version.body)
        codes = [coding.get("code") for coding in flag.get("code", {}).get("coding", ())]
        if flag.get("status") == "active" and HOLD in codes:
            raise error("conflict", f"Flag/{version.id} is a legal hold: the patient can't be erased until it ends.")


async def _beside(environment: Environment, call: Call, record: frozenset[str]) -> Counter[str]:
    """Has erased what interfaces keep; how many of what."""
    erased: Counter[str] = Counter()
    if environment.erasures:
        patient = Erased(f"{call.type}/{call.id}", await _identifiers(environment, call), record)
        for erase in environment.erasures:
            erased.update(await erase(patient))
    return erased


async def _identifiers(environment: Environment, call: Call) -> frozenset[tuple[str, str]]:
    """Of every version; see Erased."""
    found: set[tuple[str, str]] = set()
    cursor = ""
    while True:
        page = await environment.store.history(call.type, call.id, cursor=cursor, count=PAGE)
        for version in page.versions:
            for one in decode(version.body).get("identifier", ()) if version.body else ():
                if one.get("value"):
                    found.add((one.get("system", ""), one["value"]))
        cursor = page.next
        if not cursor:
            break
    values = {value for _, value in found}
    alone = {("", value) for value in values if not await _others_have(environment, call, value)}
    return frozenset({each for each in found if each[0]} | alone)


async def _others_have(environment: Environment, call: Call, value: str) -> bool:
    where = await environment.searching.criteria_of(call.type, [("identifier", escape(value))], call.request)
    page = await environment.index.search(Query((call.type,), where, count=2))
    return any(version.id != call.id for version in page.matches)


async def _compartment(environment: Environment, call: Call) -> list[tuple[str, str]]:
    """The patient, and what is in this compartment and in no other patient's."""
    fields, extract = environment.searching.fields, environment.searching.extract

    def owned(version: StoredVersion) -> bool:
        own = fields.membership(version.type, "Patient").fields
        owner = owner_of(version.type, version.id, extract(decode(version.body)), own)
        return owner == f"{call.type}/{call.id}"

    members = [(call.type, call.id)]
    inner = Request("GET", call.request.path, [("_count", str(PAGE))], base=call.request.base)
    asked = await environment.searching.query(None, inner, (call.type, call.id))
    async for page in search_pages(environment.index, asked):
        members += [(v.type, v.id) for v in page.matches if v.type != call.type and owned(v)]
    return members


def receipt_of(
    environment: Environment, reference: str, erased: Counter[str], by: str = "erasure by $purge"
) -> dict[str, Any]:
    """What stays: when, how many of which type, and a digest of the reference; nothing of the patient."""
    counts = ", ".join(f"{number} {type}" for type, number in sorted(erased.items()))
    system = "http://terminology.hl7.org/CodeSystem/"
    return {
        "resourceType": "AuditEvent",
        "type": {
            "system": f"{system}iso-21089-lifecycle",
            "code": "destroy",
            "display": "Destroy/Delete Record Lifecycle Event",
        },
        "action": "D",
        "recorded": instant(environment.clock()),
        "outcome": "0",
        "agent": [{"requestor": True, "name": by}],
        "source": {"observer": {"display": environment.settings.server_name}},
        "entity": [
            {
                "name": f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}",
                "description": f"Erased in every version: {counts}.",
            }
        ],
    }


HANDLERS = (OperationHandler("purge", purge, instance=True, types=("Patient",), affects_state=True),)
