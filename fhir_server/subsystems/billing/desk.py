"""Where a clerk works: what each act of the desk has in common, which is one PaymentReconciliation that is posted."""

from __future__ import annotations

import datetime
import functools
import json
from importlib import resources
from typing import NamedTuple

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.billing import payments
from fhir_server.subsystems.billing.days import today
from fhir_server.subsystems.billing.facts import Json
from fhir_server.subsystems.billing.ledger import amount
from fhir_server.subsystems.billing.models import Detail, Payment
from fhir_server.subsystems.billing.service import Billing
from fhir_server.subsystems.writing import id_of, put_all


class Desk(NamedTuple):
    """Where a clerk works. now: microseconds since 1970; who: the clerk, "" for nobody who is known."""

    billing: Billing
    client: FhirClient
    now: int
    who: str = ""


@functools.cache
def rules() -> Json:
    """How patients pay, and up to which amount a balance is small (rules/desk.json)."""
    return json.loads((resources.files("fhir_server.subsystems.billing") / "rules" / "desk.json").read_text())


def payment(
    desk: Desk, kind: str, patient: str, cents: int, text: str, details: tuple[Detail, ...], *, receipt: str = "",
    date: str = "", reverses: str = "",
) -> Json:  # fmt: skip
    """The PaymentReconciliation of an act. date: the day it was paid, "" for today; FhirError "value" for no day."""
    created = instant(desk.now)
    id = payments.receipt_id(receipt) if receipt else f"{kind}-{id_of(reverses or (patient, details, created))[:24]}"
    identifier = {"system": payments.RECEIPT, "value": receipt} if receipt else {}
    day = _day(date, today(desk.now, desk.billing.zone))
    return payments.resource_of(
        id, kind, patient, cents, text, details, created=created, date=day, identifier=identifier,
        reverses=reverses,
    )  # fmt: skip


def _day(date: str, newest: str) -> str:
    if not date:
        return newest
    try:
        day = datetime.date.fromisoformat(date).isoformat()
    except ValueError:
        raise error("value", f"date must be a day such as {newest}, not {date[:20]!r}.", location="date") from None
    if day > newest:
        raise error("value", f"The payment's day {day} is not there yet; today is {newest}.", location="date")
    return day


async def post(desk: Desk, made: Json, reason: str = "") -> Json:
    """Writes a PaymentReconciliation of the desk, and posts it."""
    kind = made["extension"][1]["valueCode"]
    await put_all(
        desk.client, [made], subsystem="billing", rule=f"desk: {kind}", now=desk.now, who=desk.who, reason=reason
    )
    with desk.billing.store.writing() as connection:
        payments.take_payment(connection, made)
    return made


def posted(found: Payment | Json) -> Json:
    """A payment as REST tells it."""
    payment = found if isinstance(found, Payment) else payments.read(found)
    return {
        "payment": f"PaymentReconciliation/{payment.id}",
        "kind": payment.kind,
        "amount": amount(payment.cents),
        "receipt": payment.receipt,
        "details": [{"type": each.type, "amount": amount(each.cents), **_about(each)} for each in payment.details],
    }


def _about(detail: Detail) -> Json:
    request = payments.request_of(detail)
    return {request.partition("/")[0].lower(): request} if detail.root else {}
