"""Payments that another system tells of: a PaymentNotice, or a PaymentReconciliation that is not of billing.

What says how much was paid of which Invoices becomes a payment of the desk for each patient whose they are, written
once for each payment (its identifier, or the resource that tells of it): the feed brings that, and it is posted
(payments.py). All else is an item of work, and so is what says otherwise, or is withdrawn, once it is posted.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from fhir_server.subsystems.billing import payments
from fhir_server.subsystems.billing.cents import CURRENCY, currency_of, exact_cents_of
from fhir_server.subsystems.billing.facts import Json, known, ours, relative, survivor_of
from fhir_server.subsystems.billing.items import close_items, open_item
from fhir_server.subsystems.billing.ledger import amount
from fhir_server.subsystems.billing.models import Detail
from fhir_server.subsystems.billing.payments import INVOICE
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.writing import id_of

DONE = ("paid", "cleared")  # PaymentNotice.paymentStatus
WITHDRAWN = ("cancelled", "entered-in-error")


class Told(NamedTuple):
    """payment: the id of the payment of the desk that it is; identifier: of the payment, {} for none."""

    payment: str
    identifier: Json
    patient: str
    date: str
    details: tuple[Detail, ...]


def take_notice(connection: sqlite3.Connection, resource: Json, date: str) -> None:
    """Takes in what another system tells of a payment."""
    reference = f"{resource['resourceType']}/{resource['id']}"
    if resource.get("status") in WITHDRAWN:
        withdraw(connection, reference, date)
        return
    try:
        problem = _not_paid(resource) or ""
        told = [] if problem else _read(connection, resource)
        problem = problem or _another(connection, reference, told)
        problem = problem or next(filter(None, (_otherwise(connection, reference, each) for each in told)), "")
    except KeyError as missing:
        told, problem = [], f"it lacks {missing.args[0]}"
    except (ValueError, TypeError, ArithmeticError, AttributeError, IndexError) as wrong:
        told, problem = [], str(wrong) if type(wrong) is ValueError else "a part of it can't be read"
    named = [each.payment for each in told] or [_awaited(resource)]
    if not problem or not _posted(connection, reference):
        connection.execute("DELETE FROM notice WHERE reference = ?", (reference,))
        connection.executemany(
            "INSERT INTO notice VALUES (?, ?, ?, ?)",
            [(reference, payment, int(not problem), date) for payment in named],
        )
    if problem:
        open_item(connection, "notice", reference, date, f"{reference} is not posted: {problem}.")
        return
    close_items(connection, "notice", "subject", reference, "posted")
    connection.executemany("INSERT OR IGNORE INTO dirty VALUES ('payment', ?)", [(payment,) for payment in named])
    for row in connection.execute("SELECT reference FROM notice WHERE payment = ?", (reference,)).fetchall():
        waiting = known(connection, row["reference"])
        if waiting is not None:
            take_notice(connection, waiting, date)


def withdraw(connection: sqlite3.Connection, reference: str, date: str) -> None:
    """What is withdrawn, or deleted, once it is posted is work; before, it is forgotten."""
    found = _posted(connection, reference)
    if not found:
        connection.execute("DELETE FROM notice WHERE reference = ?", (reference,))
        close_items(connection, "notice", "subject", reference, "withdrawn")
        return
    said = ", ".join(f"PaymentReconciliation/{id}" for id in found)
    them = "that one" if len(found) == 1 else "them"
    text = f"{reference} was withdrawn after it was posted by {said}: reverse {them}."
    open_item(connection, "notice", reference, date, text)


def _posted(connection: sqlite3.Connection, reference: str) -> list[str]:
    """The payments that were posted of what a resource tells, and are not reversed."""
    found = connection.execute(
        "SELECT p.id FROM notice JOIN payment p ON p.id = notice.payment WHERE reference = ? AND posted "
        "AND NOT EXISTS (SELECT 1 FROM payment r WHERE r.reverses = p.id) ORDER BY p.id",
        (reference,),
    )
    return [row[0] for row in found]


def wanted(store: SubsystemStore, payment: str) -> tuple[tuple[str, ...], list[Json]]:
    """The source of a payment that was told of, and the payment where FHIR does not have it yet."""
    row = store.row("SELECT * FROM notice WHERE payment = ? AND posted ORDER BY updated, reference LIMIT 1", (payment,))
    resource = known(store, row["reference"]) if row else None
    if row is None or resource is None or known(store, f"PaymentReconciliation/{payment}") is not None:
        return (), []
    told = next((each for each in _read(store, resource) if each.payment == payment), None)
    if told is None:
        return (), []
    made = payments.resource_of(
        payment,
        "payment",
        told.patient,
        sum(each.cents for each in told.details),
        f"payment told of by {row['reference']}",
        told.details,
        created=row["updated"],
        date=told.date,
        identifier=told.identifier,
    )
    return (f"{row['reference']}/_history/{resource['meta']['versionId']}",), [made]


def _not_paid(resource: Json) -> str:
    status = resource.get("status")
    if status != "active":
        return f"its status is {status}, not active"
    if resource.get("outcome", "complete") != "complete":
        return f"its outcome is {resource['outcome']}, not complete"
    said = [each.get("code") for each in resource.get("paymentStatus", {}).get("coding", ())]
    if said and not set(said) & set(DONE):
        return f"its paymentStatus is {said[0]}, which does not say that it was paid"
    return ""


def _read(connection: Any, resource: Json) -> list[Told]:
    """What it tells, of each patient; KeyError with the name of what is missing, ValueError with what is wrong."""
    if resource["resourceType"] == "PaymentNotice":
        named = resource["payment"]
        if "reference" in named:
            return _of_reconciliation(connection, relative(named["reference"]))
        identifier = named.get("identifier") or next(iter(resource.get("identifier", ())), {})
        date = resource.get("paymentDate") or resource["created"]
        parts = [(resource["request"], resource["amount"])]
    else:
        identifier = resource.get("paymentIdentifier") or next(iter(resource.get("identifier", ())), {})
        date = resource["paymentDate"]
        parts = [(each["request"], each["amount"]) for each in resource["detail"]]
        total, paid = sum(exact_cents_of(each) for _, each in parts), exact_cents_of(resource["paymentAmount"])
        if total != paid:
            raise ValueError(f"its details add up to {amount(total)}, its amount is {amount(paid)}")
    details = tuple(Detail("payment", _cents(money), _root(connection, request)) for request, money in parts)
    shares: dict[str, list[Detail]] = {}
    for each in details:
        shares.setdefault(payments.patient_of(connection, each.root), []).append(each)
    system, value = identifier.get("system", ""), identifier.get("value", "")
    receipt = bool(value) and system == payments.RECEIPT
    if receipt and len(shares) > 1:
        raise ValueError("it is a receipt of the desk that pays invoices of several patients: give each one of its own")
    about = (system, value) if value else (resource["resourceType"], resource["id"])
    made = []
    for patient, parts in sorted(shares.items()):
        own = about if len(shares) == 1 else (*about, patient)
        id = payments.receipt_id(value) if receipt else f"told-{id_of(*own)[:24]}"
        made.append(Told(id, identifier if value else {}, patient, date[:10], tuple(parts)))
    return made


def _of_reconciliation(connection: Any, reference: str) -> list[Told]:
    """A notice of a reconciliation that is here tells nothing new: that is what is posted."""
    found = known(connection, reference)
    if found is None:
        raise ValueError(f"{reference}, which it names, is not here")
    if not ours(found):
        return _read(connection, found)
    patient = next((each["valueReference"]["reference"] for each in found.get("extension", ())
                    if each["url"] == payments.PATIENT), "")  # fmt: skip
    details = (Detail("payment", exact_cents_of(found["paymentAmount"])),)
    return [Told(found["id"], {}, survivor_of(connection, patient), found["paymentDate"], details)]


def _awaited(resource: Json) -> str:
    """The reconciliation that a notice names, "" for none."""
    named = resource.get("payment", {}).get("reference", "")
    return relative(named) if named else ""


def _root(connection: Any, request: Json) -> str:
    reference = relative(request.get("reference", ""))
    root = reference.partition(f"Invoice/{INVOICE}")[2]
    if not root or not payments.patient_of(connection, root):
        hint = ": what a payer pays is posted by its 835" if reference.startswith("Claim/") else ""
        raise ValueError(f"it pays {reference[:80] or 'something that has no reference'}, no Invoice of billing{hint}")
    return root


def _cents(money: Json) -> int:
    if currency_of(money) != CURRENCY:
        raise ValueError(f"its currency is {money['currency']}, not {CURRENCY}")
    cents = exact_cents_of(money)
    if cents <= 0:
        raise ValueError("its amount is not more than nothing")
    return cents


def _another(connection: sqlite3.Connection, reference: str, told: list[Told]) -> str:
    """Whether it told of another payment before, which is posted."""
    before = set(_posted(connection, reference)) - {each.payment for each in told}
    if not before:
        return ""
    return f"it told of another payment before, posted by PaymentReconciliation/{min(before)}: reverse that one"


def _otherwise(connection: sqlite3.Connection, reference: str, told: Told) -> str:
    """How it differs from what is posted of the same payment, or from what another one told of it first; "" if not."""
    row = connection.execute("SELECT id, patient, cents FROM payment WHERE id = ?", (told.payment,)).fetchone()
    if row is not None:
        said, where = (row["patient"], row["cents"]), f"posted by PaymentReconciliation/{row['id']}"
    else:
        first = connection.execute(
            "SELECT reference FROM notice WHERE payment = ? AND posted AND reference <> ? ORDER BY updated, reference",
            (told.payment, reference),
        ).fetchone()
        resource = known(connection, first["reference"]) if first else None
        if first is None or resource is None:
            return ""
        before = next((each for each in _read(connection, resource) if each.payment == told.payment), told)
        said, where = (before.patient, _total(before)), f"told of by {first['reference']}"
    if said == (told.patient, _total(told)) or not said[0]:
        return ""
    own = f"{amount(_total(told))} of {told.patient}"
    return f"it says {own}, but the same payment is {where} as {amount(said[1])} of {said[0]}"


def _total(told: Told) -> int:
    return sum(each.cents for each in told.details)
