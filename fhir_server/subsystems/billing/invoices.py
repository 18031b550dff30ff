"""The patient's Invoice: of a claim issued once every payer has answered, balanced once nothing is open."""

from __future__ import annotations

from fhir_server.codec.json import decode
from fhir_server.subsystems.billing.accounts import Share, others, share
from fhir_server.subsystems.billing.cents import money
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.ledger import amount
from fhir_server.subsystems.billing.models import SELF_PAY, SYSTEM
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.writing import same


def wanted(store: SubsystemStore, root: str) -> tuple[tuple[str, ...], list[Json]]:
    """The sources of a claim's Invoice, and the Invoice where FHIR does not say it yet."""
    found = share(store, root)
    if found is None:
        return (), []
    stored = store.row("SELECT body FROM fact WHERE type = 'Invoice' AND id = ?", (found.invoice,))
    body = bytes(stored["body"]) if stored else None
    if found.asked <= 0 or others(store, found):
        if body is None:
            return (), []
        made = {**decode(body), "status": "cancelled"}
    else:
        made = _issued(decode(body), found) if body and found.kind == SELF_PAY else _invoice(found)
    made["meta"] = {"tag": made["meta"]["tag"]}
    return _sources(store, root), [] if same(body, made) else [made]


def _invoice(found: Share) -> Json:
    made: Json = {
        "resourceType": "Invoice",
        "id": found.invoice,
        "meta": {"tag": [{"system": SYSTEM, "code": "invoice"}]},
        "subject": {"reference": found.patient},
        "recipient": {"reference": found.patient},
        "date": found.created,
        "identifier": [{"system": f"{SYSTEM}:invoice", "value": found.root}],
        "lineItem": [
            {
                "sequence": 1,
                "chargeItemCodeableConcept": {"text": f"Your share of claim {found.root}"},
                "priceComponent": [{"type": "base", "amount": money(found.asked)}],
            }
        ],
        "totalNet": money(found.asked),
        "totalGross": money(found.asked),
    }
    return _issued(made, found)


def _issued(invoice: Json, found: Share) -> Json:
    """An Invoice that says how far it is paid."""
    made = {**invoice, "status": "balanced" if found.open <= 0 else "issued"}
    made.pop("note", None)
    if found.paid or found.written_off:
        said = f"Paid {amount(found.paid)}, written off {amount(found.written_off)}, open {amount(found.open)}."
        made["note"] = [{"text": said}]
    return made


def _sources(store: SubsystemStore, root: str) -> tuple[str, ...]:
    """The resources, as they were written, of the entries that move the patient's share."""
    found = store.rows(
        "SELECT DISTINCT source FROM journal_entry JOIN journal_line ON entry = id "
        "WHERE claim = ? AND account = 'patient-receivable' AND source NOT LIKE 'Invoice/%' ORDER BY source",
        (root,),
    )
    return tuple(f"{row['source']}/_history/1" for row in found)
