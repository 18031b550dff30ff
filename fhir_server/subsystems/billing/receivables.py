"""What payers owe of a claim: a payer that has paid more than it owes is an item of work."""

from __future__ import annotations

import sqlite3

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.items import close_items, open_item
from fhir_server.subsystems.billing.ledger import amount


def look_at_receivable(connection: sqlite3.Connection, root: str, date: str) -> None:
    """A payer that has paid more for a claim than it owes is work, until that is paid back or reversed."""
    subject = f"Claim/{root}"
    beyond = connection.execute(
        "SELECT payer, patient, -sum(cents) cents FROM journal_line WHERE claim = ? AND account = ? "
        "GROUP BY payer HAVING sum(cents) < 0 ORDER BY payer", (root, ledger.RECEIVABLE),
    ).fetchall()  # fmt: skip
    if not beyond:
        close_items(connection, "overpaid", "subject", subject, "nothing is overpaid")
        return
    said = ", ".join(f"{row['payer']} {amount(row['cents'])}" for row in beyond)
    open_item(
        connection, "overpaid", subject, date, f"Paid or written off beyond what {subject} asks: {said}.",
        patient=beyond[0]["patient"], claim=root, cents=sum(row["cents"] for row in beyond),
    )  # fmt: skip
