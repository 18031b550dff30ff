"""Denials that are final: written off, or billed to the patient where the patient may be asked for it.

Each is a PaymentReconciliation of the desk without money (payments.py), which closes the denial's Task and can be
reversed, which opens it again.
"""

from __future__ import annotations

import sqlite3

from fhir_server.core.errors import error
from fhir_server.subsystems.billing.desk import Desk, payment, post
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.ledger import RECEIVABLE
from fhir_server.subsystems.billing.models import Detail
from fhir_server.subsystems.billing.settling import DENIED, SETTLED, TRANSFER
from fhir_server.subsystems.store import SubsystemStore

OF_PROVIDER = "CO-"  # contractual obligation: what the patient may not be asked for (X12 element 1033)


async def write_off(desk: Desk, task: str, reason: str) -> Json:
    """Writes off what a payer has denied, by the id of the denial's Task."""
    return await _settle(desk, task, DENIED, reason)


async def bill_patient(desk: Desk, task: str, reason: str, agreement: str = "") -> Json:
    """Bills to the patient what a payer has denied. What it denied as the provider's to bear (group code CO) needs the
    patient's agreement, in words that say where it is kept, such as an Advance Beneficiary Notice."""
    return await _settle(desk, task, TRANSFER, reason, agreement)


def settled_by(store: SubsystemStore, root: str) -> str:
    """The payment of the desk that settled a denial of a claim or of those that followed on it, "" for none."""
    row = store.row(
        "SELECT p.id FROM journal_line l JOIN journal_entry e ON e.id = l.entry "
        "JOIN payment p ON e.key LIKE 'denial:' || p.id || ':%' WHERE l.claim = ? AND l.account = ? "
        "AND p.kind IN (?, ?) AND NOT EXISTS (SELECT 1 FROM payment r WHERE r.reverses = p.id) ORDER BY e.id LIMIT 1",
        (root, RECEIVABLE, *SETTLED),
    )
    return row[0] if row else ""


async def _settle(desk: Desk, task: str, how: str, reason: str, agreement: str = "") -> Json:
    async with desk.billing.desk:
        item, claim = _denial(desk, task)
        row = desk.billing.store.row(
            "SELECT coalesce(sum(cents), 0) FROM journal_line WHERE claim = ? AND account = ? AND payer = ?",
            (claim["root"], RECEIVABLE, claim["payer"]),
        )
        cents = min(item["cents"], row[0] if row else 0)
        if cents <= 0:
            raise error(
                "business-rule", f"Nothing of Claim/{claim['id']} is owed by its payer any more: close the item."
            )
        if how == TRANSFER and OF_PROVIDER in item["reasons"] and not agreement:
            raise error(
                "business-rule",
                f"The payer denied this as the provider's to bear ({item['reasons']}): the patient may be asked for it "
                "only by an agreement from before the service; say in agreement where it is kept, or write it off.",
                location="agreement",
            )
        said = f", agreement: {agreement}" if agreement else ""
        text = f"denial {SETTLED[how]} ({item['reasons']}): {reason}{said}"
        details = (Detail(how, cents, claim["id"]),)
        return await post(desk, payment(desk, how, item["patient"], 0, text[:500], details), reason)


def _denial(desk: Desk, task: str) -> tuple[sqlite3.Row, sqlite3.Row]:
    """The open item of a denial, and its claim."""
    store = desk.billing.store
    item = store.row("SELECT * FROM item WHERE id = ?", (task,))
    if item is None:
        raise error("not-found", f"There is no Task/{task} of billing; GET /billing/work lists the open ones.")
    if item["kind"] != "denial":
        raise error("business-rule", f"Task/{task} is no denial (it is: {item['kind']}).")
    if item["closed"]:
        raise error("conflict", f"Task/{task} is closed already: {item['closed']}.")
    claim = store.row("SELECT * FROM claim WHERE id = ?", (item["claim"],))
    if claim is None or claim["replaced"]:
        raise error("conflict", f"Claim/{item['claim']} was replaced: what is denied now is denied of the newer claim.")
    return item, claim
