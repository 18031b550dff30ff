"""Denials that are final in the journal: what a payer owes no more is written off, or the patient's share."""

from __future__ import annotations

import sqlite3

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.items import close_items, reopen_items
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import Payment
from fhir_server.subsystems.billing.receivables import look_at_receivable

DENIED, TRANSFER = "denial", "transfer"  # types of details of a payment, of our own
SETTLED = {DENIED: "written off", TRANSFER: "billed to the patient"}


def settle(connection: sqlite3.Connection, found: Payment, source: str) -> None:
    """What a payer has denied for good leaves its receivable, or comes back to it where that is reversed; the item of
    the denial follows."""
    for number, each in enumerate(found.details):
        if each.type not in SETTLED:
            continue
        claim = connection.execute("SELECT * FROM claim WHERE id = ?", (each.root,)).fetchone()
        root, patient, payer = claim["root"], claim["patient"], claim["payer"]
        key, before = f"denial:{found.id}:{number}", f"denial:{found.reverses}:{number}" if found.reverses else ""
        to = (ledger.DENIED, each.cents, patient, payer, root)
        if each.type == TRANSFER:
            to = (ledger.PATIENT, each.cents, patient, "", root)
        lines = [Posting(*to), Posting(ledger.RECEIVABLE, -each.cents, patient, payer, root)]
        ledger.post(connection, key, found.created, found.text, source, lines, before)
        if each.cents > 0:
            close_items(connection, "denial", "claim", each.root, SETTLED[each.type])
        else:
            reopen_items(connection, "denial", each.root)
        status = SETTLED[each.type] if each.cents > 0 else "denied"
        connection.execute("UPDATE claim SET status = ? WHERE id = ?", (status, each.root))
        look_at_receivable(connection, root, found.created)
