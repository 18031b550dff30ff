"""What a person does: claims an encounter, sends claims, loads a payer's file, corrects, voids, appeals."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from fhir_server.client import FhirClient
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import accounts, claiming, denials, letters, posting, self_pay, written
from fhir_server.subsystems.billing.claim_data import answer_to, data_of
from fhir_server.subsystems.billing.coverages import eligibility
from fhir_server.subsystems.billing.days import today
from fhir_server.subsystems.billing.facts import Json, known, rows
from fhir_server.subsystems.billing.models import SELF_PAY, STANDS
from fhir_server.subsystems.billing.payments import INVOICE
from fhir_server.subsystems.billing.received import text_of, understand
from fhir_server.subsystems.billing.scrub import Finding, findings
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.writing import put_all, stored

AFTER = {"P": "S", "S": "T", "T": "A", **{one: chr(ord(one) + 1) for one in "ABCDEFG"}}  # SBR01 of who pays next


def checked(billing: Billing, claim: Json) -> list[Finding]:
    """What the scrub says of a Claim."""
    store = billing.store
    coverage = claim["insurance"][0]["coverage"]["reference"]
    day = min((each["servicedDate"] for each in claim["item"]), default="")
    eligible = eligibility(store, claim["patient"]["reference"], coverage, day)
    return findings(data_of(store, claim, billing.zone), billing.edits, eligible)


async def claim_encounter(billing: Billing, client: FhirClient, encounter: str, now: int, who: str) -> Json:
    """Locks the charges of an encounter into a Claim; FhirError "business-rule" with the findings that hold it back."""
    async with billing.desk:
        _not_billed(billing, encounter)
        claim = claiming.make(billing.store, encounter, _next(billing, encounter), instant(now), zone=billing.zone)
        return await _put(billing, client, claim, now, who, "claim")


async def bill_patient(billing: Billing, client: FhirClient, encounter: str, now: int, who: str) -> Json:
    """Locks the charges of an encounter that nobody insures into an Invoice to the patient."""
    async with billing.desk:
        _not_billed(billing, encounter)
        invoice = self_pay.invoice_of(billing.store, encounter, _next(billing, encounter), instant(now))
        await _store(billing, client, invoice, now, who, "self-pay")
    return invoice


def billed_by(billing: Billing, encounter: str) -> str:
    """The Claim, or Invoice to the patient, that an encounter is billed by now; "" for none."""
    sql = f"SELECT id, kind FROM claim WHERE encounter = ? AND {STANDS} ORDER BY created, id"
    for row in rows(billing.store, sql, (encounter,)):
        return f"Invoice/{INVOICE}{row['id']}" if row["kind"] == SELF_PAY else f"Claim/{row['id']}"
    return ""


def _not_billed(billing: Billing, encounter: str) -> None:
    bill = billed_by(billing, encounter)
    if bill.startswith("Invoice/"):
        raise error("conflict", f"{encounter} is billed to the patient already, by {bill}: cancel that one.")
    if bill:
        raise error("conflict", f"{encounter} is claimed already, by {bill}: replace or void that one.")


async def follow_up(billing: Billing, client: FhirClient, id: str, how: str, now: int, who: str) -> Json:
    """how: replace, void or secondary, of a claim by its id."""
    async with billing.desk:
        return await _follow_up(billing, client, id, how, now, who)


async def _follow_up(billing: Billing, client: FhirClient, id: str, how: str, now: int, who: str) -> Json:
    found = rows(billing.store, "SELECT * FROM claim WHERE id = ? AND kind <> ?", (id, SELF_PAY))
    if not found:
        raise error("not-found", f"There is no Claim/{id} of billing; GET /billing/claims lists them.")
    own = found[0]
    if own["replaced"]:
        raise error("conflict", f"Claim/{id} was replaced by Claim/{own['replaced']}; go on with that one.")
    settled = denials.settled_by(billing.store, own["root"])
    if settled and how != "secondary":
        raise error(
            "conflict",
            f"What was denied of Claim/{id} was settled by PaymentReconciliation/{settled}: reverse that first.",
        )
    new = _next(billing, own["encounter"])
    if how == "secondary":
        return await _put(billing, client, _secondary(billing, own, new, instant(now)), now, who, how)
    known_to_payer = bool(own["payer_control"])
    frequency = "8" if how == "void" else "7" if known_to_payer else "1"
    claim = claiming.make(
        billing.store,
        own["encounter"],
        new,
        instant(now),
        frequency=frequency,
        prior=id,
        coverage=own["coverage"] if own["responsibility"] != "P" else "",
        responsibility=own["responsibility"],
        zone=billing.zone,
    )
    return await _put(billing, client, claim, now, who, how)


async def load(billing: Billing, client: FhirClient, content: bytes, now: int, who: str) -> Json:
    """Keeps a file that came, whatever it is, and says what is wrong with it; it is posted when the feed brings it."""
    if not content.strip():
        raise error("value", "The file is empty.")
    found = await asyncio.to_thread(understand, content)
    document = written.document(content, "incoming", found.kind, instant(now), str(now))
    await put_all(client, [document], subsystem="billing", rule="file received", now=now, who=who)
    before = rows(billing.store, "SELECT id, loaded FROM file WHERE digest = ? AND outgoing = 0", (found.digest,))
    problems = [*found.problems, *found.doubts]
    if before:
        problems.append(f"the same file came on {before[0]['loaded'][:10]}; it is not posted again")
    return {
        "file": f"DocumentReference/{document['id']}",
        "kind": found.kind,
        "control": found.control,
        "problems": problems,
    }


async def post_anyway(billing: Billing, client: FhirClient, id: str, reason: str, now: int, who: str) -> Json:
    """Has a file posted that was set aside because it does not add up, or seems to be posted already, with a reason;
    it is posted when the feed brings the decision. FhirError "business-rule" for what no reason makes postable."""
    row = billing.store.row("SELECT * FROM file WHERE id = ? AND outgoing = 0", (id,))
    document = known(billing.store, f"DocumentReference/{id}")
    if row is None or document is None:
        raise error("not-found", f"There is no file {id[:80]} that came; GET /billing/files lists them.")
    if row["state"] != "set-aside":
        raise error("conflict", f"Only a file that is set aside can be posted so; this one is: {row['state']}.")
    found = await asyncio.to_thread(understand, text_of(document))
    problems, doubts, _ = posting.hindrances(billing.store, found)
    if problems:
        raise error("business-rule", f"No reason makes this file one that can be posted: {'; '.join(problems[:5])}.")
    made = written.document(text_of(document), "incoming", found.kind, instant(now), str(now))
    made["relatesTo"] = [{"code": "replaces", "target": {"reference": f"DocumentReference/{id}"}}]
    made["description"] = f"Posted in spite of what is wrong with it: {reason}"
    await put_all(client, [made], subsystem="billing", rule="file posted anyway", now=now, who=who, reason=reason,
                  sources=[f"DocumentReference/{id}/_history/1"])  # fmt: skip
    return {"file": f"DocumentReference/{made['id']}", "in spite of": doubts}


async def appeal(billing: Billing, client: FhirClient, id: str, reason: str, now: int, who: str) -> Json:
    """Writes the letter by which a denial is appealed, and notes it on the Task; the item stays open until the payer
    answers. Gives the letter."""
    item = billing.store.row("SELECT * FROM item WHERE id = ?", (id,))
    if item is not None and item["kind"] != "denial":
        raise error("business-rule", f"Task/{id} is no denial (it is: {item['kind']}); only denials are appealed.")
    if item is None:
        raise error("not-found", f"There is no Task/{id} of billing; GET /billing/work lists the open ones.")
    made = await asyncio.to_thread(letters.letter, billing.store, item, reason, who, instant(now), billing.zone)
    task = await _task(client, id, "in-progress", f"appealed on {today(now, billing.zone)}", reason, now, who)
    task["output"] = [
        *task.get("output", ()),
        {"type": {"text": "appeal letter"}, "valueReference": {"reference": f"DocumentReference/{made['id']}"}},
    ]
    await put_all(client, [made, task], subsystem="billing", rule="appealed", now=now, who=who, reason=reason,
                  sources=[f"Claim/{item['claim']}"])  # fmt: skip
    await billing.take_at_once(made)
    return made


async def complete(billing: Billing, client: FhirClient, id: str, reason: str, now: int, who: str) -> Json:
    """Closes a work item with a reason."""
    task = await _task(client, id, "completed", "closed", reason, now, who)
    await put_all(client, [task], subsystem="billing", rule="closed", now=now, who=who, reason=reason)
    return task


async def _task(client: FhirClient, id: str, status: str, business: str, reason: str, now: int, who: str) -> Json:
    """A Task as it is to be."""
    body = await stored(client, "Task", id)
    if body is None:
        raise error("not-found", f"There is no Task/{id}; GET /billing/work lists the open ones.")
    task = decode(body)
    task["meta"] = {"tag": task["meta"].get("tag", [])}
    task["status"] = status
    task["businessStatus"] = {"text": business}
    task["note"] = [
        *task.get("note", ()),
        {"time": instant(now), "text": reason, **({"authorString": who} if who else {})},
    ]
    return task


async def _put(billing: Billing, client: FhirClient, claim: Json, now: int, who: str, rule: str) -> Json:
    if claiming.extension(claim, claiming.FREQUENCY) != "8":
        wrong = [each for each in await asyncio.to_thread(checked, billing, claim) if each.severity == "error"]
        if wrong:
            raise error("business-rule", "The claim is held back: " + " ".join(each.text for each in wrong))
    await _store(billing, client, claim, now, who, rule)
    return claim


async def _store(billing: Billing, client: FhirClient, made: Json, now: int, who: str, rule: str) -> None:
    sources = [f"{each}/_history/{version}" for each, version in claiming.sources_of(made).items()]
    await put_all(client, [made], subsystem="billing", rule=rule, now=now, sources=sources, who=who)
    await billing.take_at_once(made)


def _next(billing: Billing, encounter: str) -> str:
    """The id of the next claim of an encounter, which is CLM01 too: at most 20 characters."""
    count = len(rows(billing.store, "SELECT 1 FROM claim WHERE encounter = ?", (encounter,)))
    return "B" + hashlib.sha256(f"{encounter}|{count}".encode()).hexdigest()[:18].upper()


def _secondary(billing: Billing, own: Any, id: str, now: str) -> Json:
    answer_to(billing.store, own["id"])
    share = accounts.share(billing.store, own["root"])
    left = accounts.others(billing.store, share) if share else []
    if not left:
        raise error("business-rule", f"{own['patient']} has no further coverage; what is left is the patient's to pay.")
    claimed = known(billing.store, f"Claim/{own['id']}")
    if claimed is None:
        raise error("not-found", f"Claim/{own['id']} is deleted.")
    made = claiming.make(billing.store, own["encounter"], id, now, prior=own["id"], frequency="8")
    made["extension"] = [
        {"url": claiming.FREQUENCY, "valueCode": "1"},
        {"url": f"{claiming.SYSTEM}:responsibility", "valueCode": AFTER.get(own["responsibility"], "U")},
    ]
    made["insurance"] = [{"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/{left[0]['id']}"}}]
    made["insurer"] = claiming.payer(billing.store, left[0])
    return made
