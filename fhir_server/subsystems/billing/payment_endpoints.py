"""The REST endpoints of the desk: what patients owe, and their payments."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from fhir_server.core.errors import error
from fhir_server.subsystems.billing import accounts, paying
from fhir_server.subsystems.billing.desk import Desk, posted
from fhir_server.subsystems.billing.facts import Json, rows, survivor_of
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint

LAST = 1000
MOST = 10**9  # cents of a payment
AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?", re.ASCII)


async def invoices(billing: Billing, call: Call) -> Answer:
    """What patients owe of claims that payers have answered; status: open (the default) or all."""
    found = [
        each for each in accounts.shares(billing.store) if each.asked > 0 and not accounts.others(billing.store, each)
    ]
    if call.query.get("status", "open") != "all":
        found = [each for each in found if each.open > 0]
    return Answer({"invoices": [_share(each) for each in found[-LAST:]]})


async def account(billing: Billing, call: Call) -> Answer:
    """A patient's invoices, payments and credit; of one who was merged the survivor's."""
    patient = survivor_of(billing.store, f"Patient/{call.path['id']}")
    shares = [each for each in accounts.shares(billing.store, patient) if each.asked > 0]
    return Answer({
        "patient": patient,
        "owed": sum(each.open for each in shares if each.open > 0),
        "credit": accounts.credit_of(billing.store, patient),
        "invoices": [_share(each) for each in shares],
        "payments": _payments(billing, "WHERE p.patient = ?", (patient,)),
    })  # fmt: skip


async def payments(billing: Billing, call: Call) -> Answer:
    """What was done at the desk, the newest first."""
    return Answer({"payments": _payments(billing, "", ())})


async def pay(billing: Billing, call: Call) -> Answer:
    """Takes a payment."""
    made, new = await paying.pay(
        desk_of(billing, call),
        f"Patient/{call.path['id']}",
        call.required("receipt"),
        _cents(call),
        method=str(call.fields.get("method") or "cash"),
        date=str(call.fields.get("date") or ""),
        invoice=str(call.fields.get("invoice") or ""),
    )
    return Answer(posted(made), status=201 if new else 200)


async def refund(billing: Billing, call: Call) -> Answer:
    """Gives money of the credit back."""
    patient, reason = f"Patient/{call.path['id']}", call.required("reason")
    made, new = await paying.refund(desk_of(billing, call), patient, call.required("receipt"), _cents(call), reason)
    return Answer(posted(made), status=201 if new else 200)


async def use_credit(billing: Billing, call: Call) -> Answer:
    """Pays an invoice of the credit."""
    cents = _cents(call) if call.fields.get("amount") not in (None, "") else None
    return Answer(posted(await paying.use_credit(desk_of(billing, call), call.path["id"], cents)), status=201)


async def write_off(billing: Billing, call: Call) -> Answer:
    """Writes off a small balance."""
    made = await paying.write_off(desk_of(billing, call), call.path["id"], call.required("reason"))
    return Answer(posted(made), status=201)


async def cancel(billing: Billing, call: Call) -> Answer:
    """Cancels the invoice of a visit."""
    made = await paying.cancel(desk_of(billing, call), call.path["id"], call.required("reason"))
    return Answer(posted(made), status=201)


async def reverse(billing: Billing, call: Call) -> Answer:
    """Reverses a payment."""
    made = await paying.reverse(desk_of(billing, call), call.path["id"], call.required("reason"))
    return Answer(posted(made), status=201)


def desk_of(billing: Billing, call: Call) -> Desk:
    """The desk of who calls."""
    return Desk(billing, call.client, call.now, call.who)


def _cents(call: Call) -> int:
    """The amount of the body in cents."""
    given = call.fields.get("amount")
    written = AMOUNT.fullmatch(str(given).strip())
    cents = Decimal(written[0]) * 100 if written else 0
    if not 0 < cents < MOST:
        text = (
            f"amount must be more than nothing, with two digits after the point such as 12.50, not {str(given)[:30]!r}."
        )
        raise error("value", text, location="amount")
    return int(cents)


def _share(found: accounts.Share) -> Json:
    return {"invoice": f"Invoice/{found.invoice}", **found._asdict()}


def _payments(billing: Billing, condition: str, values: tuple[Any, ...]) -> list[Json]:
    found = rows(
        billing.store,
        "SELECT p.*, coalesce(r.id, '') reversed_by FROM payment p LEFT JOIN payment r ON r.reverses = p.id "
        f"{condition} ORDER BY p.created DESC, p.id LIMIT ?",
        (*values, LAST),
    )
    return [dict(row) for row in found]


ENDPOINTS = (
    Endpoint("GET", "/invoices", "What patients owe: open invoices, or all of them", invoices, ("status",)),
    Endpoint("GET", "/patients/{id}/account", "A patient's invoices, payments and credit", account),
    Endpoint("GET", "/payments", "Payments, refunds, write-offs and reversals at the desk", payments),
    Endpoint(
        "POST",
        "/patients/{id}/payments",
        "Take a payment; one receipt number posts once, what is beyond the invoices is a credit",
        pay,
        (),
        ("receipt", "amount", "method", "date", "invoice"),
    ),
    Endpoint(
        "POST", "/patients/{id}/refunds", "Give money of a credit back", refund, (), ("receipt", "amount", "reason")
    ),
    Endpoint("POST", "/invoices/{id}/credit", "Pay an invoice of the patient's credit", use_credit, (), ("amount",)),
    Endpoint("POST", "/invoices/{id}/write-off", "Write off a small balance", write_off, (), ("reason",)),
    Endpoint(
        "POST", "/invoices/{id}/cancel", "Cancel the invoice of a visit without insurance", cancel, (), ("reason",)
    ),
    Endpoint("POST", "/payments/{id}/reverse", "Reverse what was done at the desk", reverse, (), ("reason",)),
)
