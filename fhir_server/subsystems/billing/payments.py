"""Payments of patients: what a PaymentReconciliation of the desk says, and how it is posted.

Money comes, goes back, is written off or moved between a credit and an invoice by a resource that is written once. Its
details say what it does, with amounts that are negative where it goes the other way, so that one rule posts them all:

| detail.type | account | |
| --- | --- | --- |
| payment | patient-receivable | of the invoice that detail.request names |
| advance | patient-credit | what was paid beyond what is owed |
| adjustment | patient-receivable, written-off | of the invoice that detail.request names |
| denial | receivable, denied | of the payer of the denied claim that detail.request names |
| transfer | receivable, patient-receivable | the same, which the patient owes from then on |

A cancellation has one adjustment: it reverses the entry that billed a visit to its patient (self_pay.py).
paymentAmount is the cash: the sum of payments and advances.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from fhir_server.subsystems.billing import ledger
from fhir_server.subsystems.billing.cents import exact_cents_of, money
from fhir_server.subsystems.billing.facts import Connection, Json, ours, relative, rows, survivor_of
from fhir_server.subsystems.billing.items import close_items, open_item
from fhir_server.subsystems.billing.ledger import Posting
from fhir_server.subsystems.billing.models import SYSTEM, Detail, Payment
from fhir_server.subsystems.billing.settling import DENIED, SETTLED, settle
from fhir_server.subsystems.writing import id_of

TAG = "patient-payment"
PATIENT, KIND, REVERSES = f"{SYSTEM}:patient", f"{SYSTEM}:entry", f"{SYSTEM}:reverses"  # extensions
RECEIPT = f"{SYSTEM}:receipt"  # system of paymentIdentifier
CANCELLATION = "cancellation"
INVOICE = "invoice-"  # before the id of the first claim, in the id of its Invoice
DETAIL_TYPES = "http://terminology.hl7.org/CodeSystem/payment-type"


CASH = ("payment", "advance")  # types of details that move money


def read(resource: Json) -> Payment:
    """The payment in a resource with our tag; KeyError, TypeError or ValueError where one of its parts is missing."""
    extensions = {each["url"]: each for each in resource["extension"]}
    details = tuple(
        Detail(
            each["type"]["coding"][0]["code"],
            exact_cents_of(each["amount"]),
            _claim_of(relative(each.get("request", {}).get("reference", ""))),
        )
        for each in resource.get("detail", ())
    )
    reverses = extensions.get(REVERSES, {}).get("valueReference", {}).get("reference", "")
    return Payment(
        resource["id"],
        extensions[KIND]["valueCode"],
        relative(extensions[PATIENT]["valueReference"]["reference"]),
        resource.get("paymentIdentifier", {}).get("value", ""),
        exact_cents_of(resource["paymentAmount"]),
        resource["paymentDate"],
        resource["created"],
        resource.get("disposition", ""),
        reverses.rpartition("/")[2],
        details,
    )


def request_of(detail: Detail) -> str:
    """The denied Claim, or the Invoice of the patient's share, that a detail is about."""
    return f"Claim/{detail.root}" if detail.type in SETTLED else f"Invoice/{INVOICE}{detail.root}"


def _claim_of(request: str) -> str:
    """The claim that Claim/ID or the Invoice of its patient's share names."""
    return request.removeprefix("Claim/") if request.startswith("Claim/") else request.partition(INVOICE)[2]


def receipt_id(receipt: str) -> str:
    """The id of the payment of a receipt number."""
    return f"receipt-{id_of(receipt)[:24]}"


def resource_of(
    id: str, kind: str, patient: str, cents: int, text: str, details: tuple[Detail, ...], *, created: str, date: str,
    identifier: Json, reverses: str = "",
) -> Json:  # fmt: skip
    """The resource of a payment. date: the day it was paid; identifier: of the payment, {} for none."""
    made: Json = {
        "resourceType": "PaymentReconciliation",
        "id": id,
        "meta": {"tag": [{"system": SYSTEM, "code": TAG}]},
        "extension": [
            {"url": PATIENT, "valueReference": {"reference": patient}},
            {"url": KIND, "valueCode": kind},
        ],
        "status": "active",
        "created": created,
        "outcome": "complete",
        "disposition": text,
        "paymentDate": date,
        "paymentAmount": money(cents),
    }
    if reverses:
        reference = {"reference": f"PaymentReconciliation/{reverses}"}
        made["extension"].append({"url": REVERSES, "valueReference": reference})
    if identifier:
        made["paymentIdentifier"] = identifier
    made["detail"] = [_detail(each) for each in details]
    return made


def _detail(detail: Detail) -> Json:
    system = f"{SYSTEM}:detail" if detail.type in SETTLED else DETAIL_TYPES
    made: Json = {
        "type": {"coding": [{"system": system, "code": detail.type}]},
        "amount": money(detail.cents),
    }
    if detail.root:
        made["request"] = {"reference": request_of(detail)}
    return made


def take_payment(connection: sqlite3.Connection, resource: Json) -> bool:
    """Posts a payment, once; what can't be read or does not add up is set aside as an item of work."""
    source = f"PaymentReconciliation/{resource['id']}"
    if (
        not ours(resource, TAG)
        or connection.execute("SELECT 1 FROM payment WHERE id = ?", (resource["id"],)).fetchone()
    ):
        return False
    try:
        found = read(resource)
        unknown = [each.root for each in found.details if each.root and not patient_of(connection, each.root)]
        total = sum(each.cents for each in found.details if each.type in CASH)
        problem = f"it names {unknown[0]}, which is no claim" if unknown else ""
        if total != found.cents:
            problem = f"its details add up to {ledger.amount(total)}, its amount is {ledger.amount(found.cents)}"
    except (KeyError, TypeError, ValueError, ArithmeticError, IndexError, AttributeError):
        found, problem = None, "it lacks a part that each payment of the desk has"
    if found is None or problem:
        date = resource.get("created", "2000-01-01")
        open_item(connection, "set-aside", source, date, f"{source} is not posted: {problem}.")
        return False
    connection.execute(
        "INSERT INTO payment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (found.id, found.kind, survivor_of(connection, found.patient), found.receipt, found.cents, _written_off(found),
         found.date, found.created, found.text, found.reverses),
    )  # fmt: skip
    if found.kind == CANCELLATION:
        _cancel(connection, found, source)
    else:
        reverses = f"payment:{found.reverses}" if found.reverses else ""
        lines = list(_lines(connection, found))
        ledger.post(connection, f"payment:{found.id}", found.created, found.text, source, lines, reverses)
        settle(connection, found, source)
    for root in dict.fromkeys(_root(connection, each.root) for each in found.details if each.root):
        credit(connection, f"credit:{found.id}:{root}", root, found.created, source)
    return True


def _root(connection: sqlite3.Connection, claim: str) -> str:
    """The first claim of those that followed on one another."""
    return connection.execute("SELECT root FROM claim WHERE id = ?", (claim,)).fetchone()[0]


def _cancel(connection: sqlite3.Connection, found: Payment, source: str) -> None:
    root = found.details[0].root
    ledger.reverse(connection, f"claim:{root}", f"claim:{root}:reversal", found.created, found.text, source)
    connection.execute("UPDATE claim SET replaced = ?, status = 'cancelled' WHERE id = ?", (CANCELLATION, root))
    for kind in ("changed", "deleted"):
        close_items(connection, kind, "claim", root, found.text)
    connection.execute(
        "INSERT OR IGNORE INTO dirty SELECT 'charge', charge.id FROM charge JOIN claim USING (encounter) "
        "WHERE claim.id = ?",
        (root,),
    )


def credit(connection: sqlite3.Connection, key: str, root: str, date: str, source: str) -> None:
    """What a patient has paid beyond the share of a claim becomes a credit; the claim's Invoice is looked at again."""
    connection.execute("INSERT OR IGNORE INTO dirty VALUES ('invoice', ?)", (root,))
    beyond = -ledger.balance(connection, ledger.PATIENT, root)
    if beyond > 0:
        patient = patient_of(connection, root)
        lines = [Posting(ledger.PATIENT, beyond, patient, "", root), Posting(ledger.CREDIT, -beyond, patient, "", root)]
        ledger.post(connection, key, date, "paid beyond what is owed", source, lines)


def _lines(connection: sqlite3.Connection, found: Payment) -> Iterator[Posting]:
    yield Posting(ledger.CASH, found.cents, found.patient)
    for each in found.details:
        if each.type in SETTLED:
            continue
        if each.type == "advance":
            yield Posting(ledger.CREDIT, -each.cents, found.patient)
            continue
        patient = patient_of(connection, each.root)
        yield Posting(ledger.PATIENT, -each.cents, patient, "", each.root)
        if each.type == "adjustment":
            yield Posting(ledger.WRITTEN_OFF, each.cents, patient, "", each.root)


def _written_off(found: Payment) -> int:
    types = ("adjustment", DENIED)
    return sum(each.cents for each in found.details if each.type in types and found.kind != CANCELLATION)


def patient_of(connection: Connection, root: str) -> str:
    """The patient of a claim or of the Invoice of a visit, "" where there is none."""
    found = rows(connection, "SELECT patient FROM claim WHERE id = ?", (root,))
    return found[0][0] if found else ""
