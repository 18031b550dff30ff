"""Payments that another system tells of by FHIR are posted once, or are work that a person sees."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.subsystems.billing import actions, ledger, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.tracing import trace
from tests.unit.subsystems.billing.story import NOW, Story, answer, coverage, encounter, hospital, procedure

pytestmark = pytest.mark.anyio
ANNA = "Patient/anna"
BANK = {"system": "urn:bank", "value": "TX-1"}


@pytest.fixture
async def owing(story: Story) -> tuple[Story, str]:
    """Anna owes 175.49 of a visit that nobody insures."""
    await story.fhir("DELETE", "Coverage/cov")
    await story.settle()
    return story, f"Invoice/{await story.bill()}"


def notice(invoice: str, value: Any = 50, id: str = "told", **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "PaymentNotice", "id": id, "status": "active", "created": "2026-11-20T10:00:00Z",
        "request": {"reference": invoice}, "payment": {"identifier": BANK}, "paymentDate": "2026-11-20",
        "recipient": {"reference": "Organization/hospital"}, "amount": {"value": value, "currency": "USD"},
    } | changes  # fmt: skip


def reconciliation(invoice: str, *amounts: Any, id: str = "bank", **changes: Any) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/payment-type", "code": "payment"}]}
    return {
        "resourceType": "PaymentReconciliation", "id": id, "status": "active", "created": "2026-11-20T10:00:00Z",
        "outcome": "complete", "paymentDate": "2026-11-20", "paymentIdentifier": BANK,
        "paymentAmount": {"value": sum(amounts), "currency": "USD"},
        "detail": [{"type": kind, "request": {"reference": invoice}, "amount": {"value": each}} for each in amounts],
    } | changes  # fmt: skip


def paid(story: Story) -> tuple[int, list[str]]:
    """What came in, and the open work."""
    assert ledger.trial_balance(story.billing.store)["sum"] == 0
    return story.accounts().get("cash", 0), story.work()


@pytest.mark.parametrize("make", [notice, reconciliation])
async def test_what_is_told_of_is_posted_once_and_traced(owing, make):
    story, invoice = owing
    await story.store(make(invoice, 50))
    await story.store(make(invoice, 50))
    assert paid(story) == (5000, [])
    assert story.accounts()["patient-receivable"] == 12549
    made = (await story.fhir.get(invoice)).json()
    assert made["note"][0]["text"] == "Paid 50.00, written off 0.00, open 125.49."
    [(entry,)] = story.rows("SELECT id FROM journal_entry WHERE key LIKE 'payment:%'")
    back = (await trace(story.fhir.server, f"journal/{entry}", story.billing.links)).back
    assert f"{make(invoice)['resourceType']}/{make(invoice)['id']}" in {step.reference for step in back}


async def test_one_payment_that_several_tell_of_is_posted_once(owing):
    story, invoice = owing
    cleared = {"paymentStatus": {"coding": [{"code": "cleared"}]}}
    await story.store(notice(invoice), notice(invoice, id="again", **cleared), reconciliation(invoice, 50))
    assert paid(story) == (5000, [])


async def test_a_receipt_of_the_desk_is_not_posted_again(owing):
    story, invoice = owing
    await paying.pay(Desk(story.billing, story.fhir.server, NOW), ANNA, "R1", 5000)
    receipt = {"identifier": {"system": "urn:ultimate-hms:billing:receipt", "value": "R1"}}
    await story.store(notice(invoice, payment=receipt))
    assert paid(story) == (5000, [])
    await story.store(notice(invoice, 60, payment=receipt))
    assert paid(story) == (5000, ["notice"])


async def test_what_is_paid_beyond_becomes_a_credit(owing):
    story, invoice = owing
    await story.store(notice(invoice, 200))
    assert story.accounts() == {"cash": 20000, "patient-credit": -2451, "revenue": -17549}


async def test_a_notice_waits_for_the_reconciliation_that_it_names(owing):
    story, invoice = owing
    await story.store(notice(invoice, payment={"reference": "PaymentReconciliation/bank"}))
    assert paid(story) == (0, ["notice"])
    await story.store(reconciliation(invoice, 30, 20))
    assert paid(story) == (5000, [])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"request": {"reference": "Claim/B1"}}, "Claim/B1, no Invoice of billing: what a payer pays"),
        ({"request": {"reference": "Invoice/invoice-none"}}, "no Invoice of billing"),
        ({"request": {"display": "the bill"}}, "something that has no reference"),
        ({"status": "draft"}, "its status is draft"),
        ({"amount": {"value": 50, "currency": "EUR"}}, "its currency is EUR"),
        ({"amount": {"value": -50}}, "not more than nothing"),
        ({"amount": {"currency": "USD"}}, "it lacks value"),
        ({"amount": {"value": Decimal("5.005")}}, "parts of cents"),
        ({"paymentStatus": {"coding": [{"code": "bounced"}]}}, "its paymentStatus is bounced"),
    ],
)
async def test_what_can_not_be_posted_is_work_until_it_is_corrected(owing, wrong: dict, words: str):
    story, invoice = owing
    await story.store(notice(invoice, **wrong))
    assert paid(story) == (0, ["notice"])
    [(text,)] = story.rows("SELECT text FROM item WHERE kind = 'notice'")
    assert words in text and text.startswith("PaymentNotice/told is not posted: ")
    assert len(await story.fhir.ids("Task?focus=PaymentNotice/told&status=requested")) == 1
    await story.store(notice(invoice))
    assert paid(story) == (5000, [])


async def test_details_that_do_not_add_up_are_work(owing):
    story, invoice = owing
    await story.store(reconciliation(invoice, 30, 20, paymentAmount={"value": 60}))
    bare = reconciliation(invoice, id="bare", paymentAmount={"value": 60})
    del bare["detail"]
    await story.store(bare)
    assert paid(story) == (0, ["notice", "notice"])


async def test_what_says_otherwise_or_is_withdrawn_once_it_is_posted_is_work(owing):
    story, invoice = owing
    await story.store(notice(invoice))
    await story.store(notice(invoice, 60))
    assert paid(story) == (5000, ["notice"])
    await story.store(notice(invoice, 50))
    assert paid(story) == (5000, [])
    await story.store(notice(invoice, status="cancelled"))
    assert paid(story) == (5000, ["notice"])
    [(payment,)] = story.rows("SELECT id FROM payment")
    await paying.reverse(Desk(story.billing, story.fhir.server, NOW), payment, "withdrawn by the bank")
    await story.fhir("DELETE", "PaymentNotice/told")
    await story.settle()
    assert paid(story) == (0, [])


async def test_a_share_that_a_payer_left_is_paid_by_a_notice_too(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    await story.store(notice(f"Invoice/invoice-{id}", 20))
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).json()["status"] == "balanced"


async def test_it_is_made_again_from_the_feed_and_writes_nothing(owing):
    story, invoice = owing
    await story.store(notice(invoice), reconciliation(invoice, 20, paymentIdentifier={"value": "TX-2"}))
    await story.store(notice("Claim/none", id="wrong", payment={"display": "cash"}), coverage("late"))
    before, history = story.state(), len(await story.fhir.ids("Provenance"))
    assert paid(story) == (7000, ["notice"])
    story.billing.drop()
    await story.settle()
    assert story.state() == before and len(await story.fhir.ids("Provenance")) == history


async def test_one_that_pays_for_several_patients_is_a_payment_of_each(owing):
    story, invoice = owing
    bob = next(each for each in hospital() if each["resourceType"] == "Patient") | {"id": "bob"}
    who = {"subject": {"reference": "Patient/bob"}}
    await story.store(
        bob, encounter(id="bobs", **who), procedure("p", encounter={"reference": "Encounter/bobs"}, **who)
    )
    made = await actions.bill_patient(story.billing, story.fhir.server, "Encounter/bobs", NOW, "Berta")
    await story.settle()
    told = reconciliation(invoice, 30, 20)
    told["detail"][1]["request"]["reference"] = f"Invoice/{made['id']}"
    await story.store(told)
    await story.store(told)
    assert paid(story) == (5000, [])
    assert story.rows("SELECT patient, cents FROM payment ORDER BY 1") == [(ANNA, 3000), ("Patient/bob", 2000)]
    await story.fhir("DELETE", "PaymentReconciliation/bank")
    await story.settle()
    [(text,)] = story.rows("SELECT text FROM item WHERE closed = ''")
    assert text.count("PaymentReconciliation/told-") == 2


async def test_what_names_another_payment_once_it_is_posted_is_work(owing):
    story, invoice = owing
    await story.store(notice(invoice))
    await story.store(notice(invoice, payment={"identifier": {"system": "urn:bank", "value": "TX-9"}}))
    assert paid(story) == (5000, ["notice"])
