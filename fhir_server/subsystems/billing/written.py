"""What billing writes to FHIR: ChargeItems of proposals, Tasks of work items, what a file of a payer says."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from typing import NamedTuple

from fhir_server.codec.json import decode
from fhir_server.subsystems.billing import invoices, notices
from fhir_server.subsystems.billing.answers import payment, response
from fhir_server.subsystems.billing.cents import cents_of, money
from fhir_server.subsystems.billing.facts import Json, known
from fhir_server.subsystems.billing.items import OF_ITEM, task
from fhir_server.subsystems.billing.models import CPT, MODIFIER, SOURCE, STANDS, SYSTEM, X12_TYPE
from fhir_server.subsystems.billing.received import text_of, understand
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.writing import same


class Wanted(NamedTuple):
    """Resources to write, the rule that made them, and the sources, with versions, that they were made of."""

    rule: str
    sources: tuple[str, ...]
    resources: list[Json]


def wanted(store: SubsystemStore, kind: str, id: str) -> Wanted:
    """What has to be written for something that changed; nothing where FHIR says it already."""
    if kind == "charge":
        return _charge(store, id)
    if kind == "item":
        return _item(store, id)
    if kind == "invoice":
        return Wanted("invoice", *invoices.wanted(store, id))
    if kind == "payment":
        return Wanted("notice", *notices.wanted(store, id))
    return _file(store, id)


def claimed(claim: Json, source: str) -> list[tuple]:
    """What a Claim charged for a source: code, modifiers, units, day, cents."""
    found = []
    for item in claim.get("item", ()):
        made_of = next(
            (each["valueReference"]["reference"] for each in item.get("extension", ()) if each["url"] == SOURCE), ""
        )
        if made_of.partition("/_history/")[0] == source:
            units = format(Decimal(str(item["quantity"]["value"])).normalize(), "f")
            code = item["productOrService"]["coding"][0]["code"]
            modifiers = " ".join(each["coding"][0]["code"] for each in item.get("modifier", ()))
            found.append((code, modifiers, units, item["servicedDate"], cents_of(item["net"])))
    return sorted(found)


def document(content: bytes, direction: str, kind: str, now: str, number: str) -> Json:
    """The DocumentReference that keeps a file. direction: incoming or outgoing; number: tells two arrivals apart."""
    digest = hashlib.sha256(content).hexdigest()
    return {
        "resourceType": "DocumentReference",
        "id": f"x12-{digest[:32]}-{number}",
        "meta": {"tag": [{"system": SYSTEM, "code": direction}]},
        "status": "current",
        "type": {"coding": [{"system": f"{SYSTEM}:file", "code": kind or "unknown"}]},
        "date": now,
        "content": [{"attachment": {"contentType": X12_TYPE, "data": base64.b64encode(content).decode()}}],
    }


def _charge(store: SubsystemStore, id: str) -> Wanted:
    row = store.row("SELECT * FROM charge WHERE id = ?", (id,))
    stored = store.row("SELECT body FROM fact WHERE type = 'ChargeItem' AND id = ?", (id,))
    if row is None:
        if stored is None:
            return Wanted("", (), [])
        made = {**decode(bytes(stored["body"])), "status": "entered-in-error"}
        made["meta"] = {"tag": made["meta"]["tag"]}
        return Wanted("withdrawn", (), [] if same(stored["body"], made) else [made])
    if not row["patient"]:
        return Wanted("", (), [])
    source = f"{row['source']}/_history/{row['version']}"
    claim = store.row(
        f"SELECT 1 FROM claim, json_each(claim.sources) WHERE encounter = ? AND {STANDS} AND json_each.key = ?",
        (row["encounter"], row["source"]),
    )
    made: Json = {
        "resourceType": "ChargeItem",
        "id": id,
        "meta": {"tag": [{"system": SYSTEM, "code": "charge"}]},
        "extension": [{"url": SOURCE, "valueReference": {"reference": source}}],
        "status": "billed" if claim else "planned",
        "code": {"coding": [{"system": row["system"] or SYSTEM, "code": row["code"]}], "text": row["text"]},
        "subject": {"reference": row["patient"]},
        "quantity": {"value": Decimal(row["units"])},
        "note": [{"text": f"Rule {row['rule']}" + (f"; {row['problem']}" if row["problem"] else "")}],
    }
    others = store.rows("SELECT source, version FROM charge WHERE same = ? AND same <> '' ORDER BY source", (id,))
    if row["same"]:
        made["status"] = "not-billable"
        made["partOf"] = [{"reference": f"ChargeItem/{row['same']}"}]
        made["note"].append({"text": f"Told of twice: charged by ChargeItem/{row['same']}"})
    elif others:
        said = ", ".join(each["source"] for each in others)
        made["note"].append({"text": f"Told of by {said} too: charged once"})
    made["extension"] += [
        {"url": MODIFIER, "valueCodeableConcept": {"coding": [{"system": CPT, "code": each}]}}
        for each in row["modifiers"].split()
    ]
    if row["hcpcs"] and row["hcpcs"] != row["code"]:
        made["code"]["coding"].append({"system": CPT, "code": row["hcpcs"]})
    if row["encounter"]:
        made["context"] = {"reference": row["encounter"]}
    if row["date"]:
        made["occurrenceDateTime"] = row["date"]
    if row["cents"] is not None:
        made["priceOverride"] = money(row["cents"])
    if row["definition"]:
        made["definitionCanonical"] = [row["definition"]]
    sources = (source, *(f"{each['source']}/_history/{each['version']}" for each in others))
    return Wanted(f"charge: {row['rule']}", sources, [] if stored and same(stored["body"], made) else [made])


def _item(store: SubsystemStore, id: str) -> Wanted:
    row = store.row("SELECT * FROM item WHERE id = ?", (id,))
    found = store.row("SELECT body FROM fact WHERE type = 'Task' AND id = ?", (id,))
    if row is None:
        return Wanted("", (), [])
    made = task(row)
    if found is not None:
        stored = decode(bytes(found["body"]))
        finished = stored.get("status") in ("completed", "cancelled", "rejected", "failed")
        if finished == bool(row["closed"]):
            return Wanted("", (), [])
        stored.pop("statusReason", None)
        own = {name: made[name] for name in OF_ITEM if name in made}
        made = {**stored, **own, "meta": {"tag": stored["meta"]["tag"]}}
    return Wanted(f"work: {row['kind']}", (), [made])


def _file(store: SubsystemStore, id: str) -> Wanted:
    file = store.row("SELECT * FROM file WHERE id = ?", (id,))
    if file is not None and file["state"] == "read" and "271" in file["kind"].split("+"):
        return _eligibility(store, id)
    if file is None or file["state"] != "posted":
        return Wanted("", (), [])
    answers = store.rows(
        "SELECT a.*, c.patient, c.kind FROM answer a JOIN claim c ON c.id = a.claim WHERE a.file = ? ORDER BY number",
        (id,),
    )
    made = [payment(file, answers), *(response(row) for row in answers)]
    fresh = [each for each in made if known(store, f"{each['resourceType']}/{each['id']}") is None]
    return Wanted("835", (f"DocumentReference/{id}/_history/1",), fresh)


def _eligibility(store: SubsystemStore, id: str) -> Wanted:
    """A CoverageEligibilityResponse for each answer of a 271 to a question of ours."""
    kept = known(store, f"DocumentReference/{id}")
    made: list[Json] = []
    for number, answer in enumerate(understand(text_of(kept)).eligibilities if kept else ()):
        request = known(store, f"CoverageEligibilityRequest/{answer.trace}")
        response = f"eligible-{hashlib.sha256(f'{id}|{number}'.encode()).hexdigest()[:24]}"
        if request is None or known(store, f"CoverageEligibilityResponse/{response}") is not None:
            continue
        insurance: Json = {"coverage": request["insurance"][0]["coverage"]}
        if answer.active is not None:
            insurance["inforce"] = answer.active
        said = "; ".join(
            [*(f"{code} {service} {text}".strip() for code, service, text in answer.benefits), *answer.refusals]
        )
        made.append(
            {
                "resourceType": "CoverageEligibilityResponse",
                "id": response,
                "status": "active",
                "purpose": ["validation"],
                "meta": {"tag": [{"system": SYSTEM, "code": "eligibility"}]},
                "patient": request["patient"],
                "created": (kept or {})["date"],
                "request": {"reference": f"CoverageEligibilityRequest/{answer.trace}"},
                "outcome": "complete",
                "insurer": request["insurer"],
                "insurance": [insurance],
                **({"disposition": said} if said else {}),
            }
        )
    return Wanted("271", (f"DocumentReference/{id}/_history/1",), made)
