"""The REST endpoints of the work list, and of the letters that are written from it."""

from __future__ import annotations

import base64

from fhir_server.core.errors import error
from fhir_server.subsystems.billing import actions, denials
from fhir_server.subsystems.billing.desk import posted
from fhir_server.subsystems.billing.facts import Json, known, ours, rows
from fhir_server.subsystems.billing.payment_endpoints import desk_of
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint

LAST = 1000


async def work(billing: Billing, call: Call) -> Answer:
    """The work list, what is due first at its head."""
    kind = call.query.get("kind", "")
    sql = "SELECT * FROM item WHERE closed = '' AND ? IN ('', kind) ORDER BY deadline, id LIMIT ?"
    return Answer({"work": [dict(row) for row in rows(billing.store, sql, (kind, LAST))]})


async def appeal(billing: Billing, call: Call) -> Answer:
    """Appeals a denial."""
    made = await actions.appeal(billing, call.client, call.path["id"], call.required("reason"), call.now, call.who)
    text = base64.b64decode(made["content"][0]["attachment"]["data"]).decode()
    return Answer({"letter": f"DocumentReference/{made['id']}", "text": text}, status=201)


async def letter(billing: Billing, call: Call) -> Answer:
    """What a letter says."""
    attachment = _letter(billing, call)
    return Answer({"title": attachment["title"], "text": base64.b64decode(attachment["data"]).decode()})


async def letter_file(billing: Billing, call: Call) -> Answer:
    """A letter as a file to print."""
    attachment = _letter(billing, call)
    type = f"{attachment['contentType']}; charset=utf-8"
    return Answer(base64.b64decode(attachment["data"]), type, filename=f"{call.path['id']}.txt")


def _letter(billing: Billing, call: Call) -> Json:
    found = known(billing.store, f"DocumentReference/{call.path['id']}")
    if found is None or not ours(found, "appeal"):
        raise error("not-found", f"There is no letter {call.path['id']}; the Task that is appealed names its letters.")
    return found["content"][0]["attachment"]


async def complete(billing: Billing, call: Call) -> Answer:
    """Closes a work item."""
    return Answer(
        await actions.complete(billing, call.client, call.path["id"], call.required("reason"), call.now, call.who)
    )


async def write_off(billing: Billing, call: Call) -> Answer:
    """Writes a final denial off."""
    made = await denials.write_off(desk_of(billing, call), call.path["id"], call.required("reason"))
    return Answer(posted(made), status=201)


async def bill_patient(billing: Billing, call: Call) -> Answer:
    """Bills a final denial to the patient."""
    agreement = str(call.fields.get("agreement") or "").strip()
    made = await denials.bill_patient(desk_of(billing, call), call.path["id"], call.required("reason"), agreement)
    return Answer(posted(made), status=201)


ENDPOINTS = (
    Endpoint("GET", "/work", "The work list, what is due first at its head", work, ("kind",)),
    Endpoint("POST", "/work/{id}/appeal", "Appeal a denial by a letter", appeal, (), ("reason",)),
    Endpoint("GET", "/letters/{id}", "What a letter of appeal says", letter),
    Endpoint("GET", "/letters/{id}/file", "A letter of appeal as a file", letter_file, (), (), "text/plain"),
    Endpoint("POST", "/work/{id}/write-off", "Write off what was denied for good", write_off, (), ("reason",)),
    Endpoint(
        "POST",
        "/work/{id}/bill-patient",
        "Bill what was denied for good to the patient",
        bill_patient,
        (),
        ("reason", "agreement"),
    ),
    Endpoint("POST", "/work/{id}/complete", "Close a work item", complete, (), ("reason",)),
)
