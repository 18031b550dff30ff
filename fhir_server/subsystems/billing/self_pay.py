"""Visits that no insurer pays for: an Invoice of the charges to the patient, in the place of a claim.

The Invoice locks the charges as a Claim does, and is what is owed. It is taken in once, whatever is said of it later:
what is paid, written off or cancelled are entries of the desk (payments.py).
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from fhir_server.core.errors import error
from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.cents import cents_of, money
from fhir_server.subsystems.billing.claiming import chargeable, sources_of
from fhir_server.subsystems.billing.coverages import coverages
from fhir_server.subsystems.billing.facts import Json, organization_of, ours, relative, survivor_of
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import SELF_PAY, SOURCE, SYSTEM
from fhir_server.subsystems.billing.payments import INVOICE

TAG = "self-pay"
ENCOUNTER = f"{SYSTEM}:encounter"  # extension of an Invoice


def invoice_of(store: Any, encounter: str, id: str, created: str) -> Json:
    """The Invoice of an encounter to its patient; FhirError "business-rule" where somebody insures the patient."""
    found = chargeable(store, encounter)
    if coverage := next(iter(coverages(store, found.patient, found.date)), None):
        raise error(
            "business-rule",
            f"{found.patient} is insured on {found.date} by Coverage/{coverage['id']}: claim it, or correct that.",
        )
    total = money(sum(each["cents"] for each in found.charges))
    made: Json = {
        "resourceType": "Invoice",
        "id": f"{INVOICE}{id}",
        "meta": {"tag": [{"system": SYSTEM, "code": TAG}]},
        "extension": [{"url": ENCOUNTER, "valueReference": {"reference": encounter}}],
        "identifier": [{"system": f"{SYSTEM}:invoice", "value": id}],
        "status": "issued",
        "subject": {"reference": found.patient},
        "recipient": {"reference": found.patient},
        "date": created,
        "lineItem": [_line(number, each) for number, each in enumerate(found.charges, 1)],
        "totalNet": total,
        "totalGross": total,
    }
    if issuer := organization_of(store, found.encounter.get("serviceProvider", {})):
        made["issuer"] = {"reference": issuer}
    return made


def book(connection: sqlite3.Connection, invoice: Json) -> str:
    """Takes an Invoice of a visit in, once; gives the encounter that is billed otherwise now, "" for none."""
    root = invoice["id"].removeprefix(INVOICE)
    if not ours(invoice, TAG) or connection.execute("SELECT 1 FROM claim WHERE id = ?", (root,)).fetchone():
        return ""
    patient = survivor_of(connection, relative(invoice["subject"]["reference"]))
    encounter = next(each for each in invoice["extension"] if each["url"] == ENCOUNTER)["valueReference"]["reference"]
    sources, cents, date = sources_of(invoice), cents_of(invoice["totalNet"]), invoice["date"]
    versions = json.dumps(sources, sort_keys=True)
    row = (root, root, "", SELF_PAY, "1", patient, encounter, "", "", "", cents, date, versions, "invoiced", *[""] * 4)
    connection.execute(f"INSERT INTO claim VALUES ({', '.join('?' * len(row))})", row)
    connection.executemany(
        "INSERT OR IGNORE INTO claimed VALUES (?, ?)", [(source, root) for source in {encounter, *sources}]
    )
    lines = [
        Posting(ledger.PATIENT, cents, patient, "", root),
        Posting(ledger.REVENUE, -cents, patient, "", root),
    ]
    ledger.post(connection, f"claim:{root}", date, "billed to the patient", f"Invoice/{invoice['id']}", lines)
    connection.execute("INSERT OR IGNORE INTO dirty SELECT 'charge', id FROM charge WHERE encounter = ?", (encounter,))
    return encounter


def billed(invoice: Json, source: str) -> list[tuple[str, int]]:
    """What an Invoice charged for a source: ChargeItem and cents."""
    return sorted(
        (relative(line["chargeItemReference"]["reference"]), cents_of(line["priceComponent"][0]["amount"]))
        for line in invoice.get("lineItem", ())
        if source in sources_of({"item": [line]})
    )


def _line(number: int, charge: Any) -> Json:
    return {
        "extension": [
            {"url": SOURCE, "valueReference": {"reference": f"{charge['source']}/_history/{charge['version']}"}}
        ],
        "sequence": number,
        "chargeItemReference": {"reference": f"ChargeItem/{charge['id']}", "display": charge["text"]},
        "priceComponent": [{"type": "base", "amount": money(charge["cents"])}],
    }
