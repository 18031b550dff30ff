"""What the clerk at the desk does: takes a patient's payment, gives money back, writes a small balance off, reverses.

Each writes a PaymentReconciliation once and posts it at once; the feed brings the same and changes nothing. A receipt
number is posted once: the same again is answered with what was posted.
"""

from __future__ import annotations

from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.subsystems.billing import accounts, payments
from fhir_server.subsystems.billing.cents import exact_cents_of
from fhir_server.subsystems.billing.desk import Desk, payment, post, rules
from fhir_server.subsystems.billing.facts import Json, known, survivor_of
from fhir_server.subsystems.billing.ledger import amount
from fhir_server.subsystems.billing.models import SELF_PAY, Detail
from fhir_server.subsystems.writing import stored


async def pay(
    desk: Desk, patient: str, receipt: str, cents: int, *, method: str = "cash", date: str = "", invoice: str = ""
) -> tuple[Json, bool]:
    """Takes a payment: on the invoice that is named, then on the others, the oldest first; the rest is a credit.

    Gives the PaymentReconciliation, and whether it is new.
    """
    methods = rules()["methods"]
    if method not in methods:
        raise error("value", f"method must be one of {', '.join(methods)}, not {method[:20]!r}.", location="method")
    async with desk.billing.desk:
        patient = _patient(desk, patient)
        before = await _before(desk, receipt, patient, "payment", cents)
        if before:
            return before, False
        details = _divided(desk, patient, cents, invoice)
        text = f"payment by {methods[method]}, receipt {receipt}"
        made = payment(desk, "payment", patient, cents, text, details, receipt=receipt, date=date)
        return await post(desk, made), True


async def refund(desk: Desk, patient: str, receipt: str, cents: int, reason: str) -> tuple[Json, bool]:
    """Gives money of a patient's credit back."""
    async with desk.billing.desk:
        patient = _patient(desk, patient)
        before = await _before(desk, receipt, patient, "refund", -cents)
        if before:
            return before, False
        _enough(desk, patient, cents)
        details = (Detail("advance", -cents),)
        made = payment(desk, "refund", patient, -cents, f"refund, receipt {receipt}", details, receipt=receipt)
        return await post(desk, made, reason), True


async def use_credit(desk: Desk, invoice: str, cents: int | None = None) -> Json:
    """Pays an invoice, or a part of it, of the patient's credit; without an amount as much as there is."""
    async with desk.billing.desk:
        share = _open(desk, invoice)
        there = accounts.credit_of(desk.billing.store, share.patient)
        cents = min(there, share.open) if cents is None else cents
        if cents > share.open:
            raise error("business-rule", f"{amount(share.open)} of Invoice/{invoice} is open, not {amount(cents)}.")
        _enough(desk, share.patient, max(cents, 1))
        details = (Detail("advance", -cents), Detail("payment", cents, share.root))
        return await post(desk, payment(desk, "credit", share.patient, 0, "paid of the credit", details))


async def write_off(desk: Desk, invoice: str, reason: str) -> Json:
    """Writes off what is open of an invoice, where it is a small balance (rules/desk.json), with a reason."""
    async with desk.billing.desk:
        share = _open(desk, invoice)
        most = exact_cents_of({"value": rules()["smallBalance"]})
        if share.open > most:
            raise error(
                "business-rule",
                f"{amount(share.open)} of Invoice/{invoice} is open; only up to {amount(most)} is written off.",
            )
        details = (Detail("adjustment", share.open, share.root),)
        return await post(desk, payment(desk, "write-off", share.patient, 0, "written off", details), reason)


async def cancel(desk: Desk, invoice: str, reason: str) -> Json:
    """Cancels the Invoice of a visit to its patient, with a reason; what was paid of it becomes a credit."""
    async with desk.billing.desk:
        root = invoice.removeprefix("Invoice/").removeprefix(payments.INVOICE)
        row = desk.billing.store.row("SELECT * FROM claim WHERE id = ? AND kind = ?", (root, SELF_PAY))
        if row is None:
            raise error(
                "not-found", f"{invoice[:80]} is no invoice of a visit; what a claim leaves is corrected by the claim."
            )
        if row["replaced"]:
            raise error("conflict", f"{invoice} was cancelled already.")
        share = accounts.share(desk.billing.store, root)
        if share is not None and share.written_off:
            raise error("business-rule", f"A part of {invoice} was written off: reverse that first.")
        details = (Detail("adjustment", row["cents"], root),)
        made = payment(desk, payments.CANCELLATION, row["patient"], 0, "invoice cancelled", details)
        return await post(desk, made, reason)


async def reverse(desk: Desk, id: str, reason: str) -> Json:
    """Reverses a payment, a refund, a write-off or the use of a credit, by its id, with a reason."""
    async with desk.billing.desk:
        store = desk.billing.store
        body = await stored(desk.client, "PaymentReconciliation", id)
        row = store.row("SELECT kind FROM payment WHERE id = ?", (id,))
        if row is None or body is None:
            raise error("not-found", f"There is no payment {id} of the desk; GET /billing/payments lists them.")
        if row["kind"] in ("reversal", payments.CANCELLATION):
            raise error("business-rule", f"{id} is a {row['kind']} itself: post what is right anew.")
        done = store.row("SELECT id FROM payment WHERE reverses = ?", (id,))
        if done is not None:
            raise error("conflict", f"{id} was reversed already, by PaymentReconciliation/{done['id']}.")
        found = payments.read(decode(body))
        patient = survivor_of(store, found.patient)
        kept = sum(each.cents for each in found.details if each.type == "advance")
        if kept > 0:
            _enough(desk, patient, kept, ": reverse first what was done with the credit of this payment")
        details = tuple(each._replace(cents=-each.cents) for each in found.details)
        text = f"reversal of {found.text}"
        return await post(desk, payment(desk, "reversal", patient, -found.cents, text, details, reverses=id), reason)


# ---------------------------------------------------------------------- what must hold
def _patient(desk: Desk, patient: str) -> str:
    """The patient whose account it is: the survivor of one who was merged."""
    standing = survivor_of(desk.billing.store, patient)
    if known(desk.billing.store, standing) is None:
        raise error("not-found", f"There is no {standing}; it is deleted, or billing has not got so far yet.")
    return standing


async def _before(desk: Desk, receipt: str, patient: str, kind: str, cents: int) -> Json | None:
    """What was posted with a receipt number; FhirError "conflict" where it was something else."""
    body = await stored(desk.client, "PaymentReconciliation", payments.receipt_id(receipt))
    if body is None:
        return None
    resource = decode(body)
    found = payments.read(resource)
    if (survivor_of(desk.billing.store, found.patient), found.kind, found.cents) != (patient, kind, cents):
        raise error(
            "conflict",
            f"Receipt {receipt} is a {found.kind} of {amount(found.cents)} of {found.patient}, posted on "
            f"{found.created[:10]}: give this one a number of its own.",
            location="receipt",
        )
    return resource


def _divided(desk: Desk, patient: str, cents: int, invoice: str) -> tuple[Detail, ...]:
    """A payment by invoices, with what is left as an advance."""
    waiting = accounts.payable(desk.billing.store, patient)
    if invoice:
        named = _open(desk, invoice)
        if named.patient != patient:
            raise error(
                "business-rule", f"Invoice/{invoice} is of {named.patient}, not of {patient}.", location="invoice"
            )
        waiting = [named, *(each for each in waiting if each.root != named.root)]
    details = []
    for share in waiting:
        part = min(cents, share.open)
        if part > 0:
            details.append(Detail("payment", part, share.root))
            cents -= part
    if cents:
        details.append(Detail("advance", cents))
    return tuple(details)


def _open(desk: Desk, invoice: str) -> accounts.Share:
    """The share that an Invoice asks for; FhirError where there is none, or nothing of it is open."""
    root = invoice.removeprefix("Invoice/").removeprefix(payments.INVOICE)
    found = accounts.share(desk.billing.store, root)
    if found is None:
        raise error("not-found", f"There is no {invoice[:80]} of billing; GET /billing/invoices lists them.")
    if found.open <= 0:
        raise error("business-rule", f"Nothing of {invoice} is open.", location="invoice")
    return found


def _enough(desk: Desk, patient: str, cents: int, why: str = "") -> None:
    there = accounts.credit_of(desk.billing.store, patient)
    if there < cents:
        raise error("business-rule", f"{patient} has a credit of {amount(there)}, not of {amount(cents)}{why}.")
