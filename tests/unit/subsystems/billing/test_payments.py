"""Patients pay: in parts, too much, back, written off, reversed; each once, and the journal balances."""

import base64
from zoneinfo import ZoneInfo

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import accounts, ledger, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.billing.payment_endpoints import pay as pay_at
from fhir_server.subsystems.endpoint import Call
from interfaces.x12.shapes import Adjustment
from tests.unit.subsystems.billing.story import NOW, Story, answer

pytestmark = pytest.mark.anyio
ANNA = "Patient/anna"
LATER = 60_000_000


@pytest.fixture
async def owing(story: Story) -> tuple[Story, Desk, str]:
    """Anna owes 20.00 of her claim: the story, the desk, and her invoice."""
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    return story, Desk(story.billing, story.fhir.server, NOW, "Clara"), f"invoice-{id}"


async def invoice(story: Story, id: str) -> tuple[str, str]:
    await story.settle()
    found = (await story.fhir.get(f"Invoice/{id}")).json()
    return found["status"], found.get("note", [{"text": ""}])[0]["text"]


def of_patient(story: Story) -> dict[str, int]:
    assert ledger.trial_balance(story.billing.store)["sum"] == 0
    wanted = ("patient-receivable", "patient-credit", "written-off")
    return {name: cents for name, cents in story.accounts().items() if name in wanted}


async def test_a_part_is_paid_then_the_rest_and_the_invoice_is_balanced(owing):
    story, desk, id = owing
    assert await invoice(story, id) == ("issued", "")
    await paying.pay(desk, ANNA, "R1", 1500, method="card", date="2026-11-26")
    assert await invoice(story, id) == ("issued", "Paid 15.00, written off 0.00, open 5.00.")
    assert ledger.aging(story.billing.store, "patient", "2026-12-01")[0]["to30"] == 500
    await paying.pay(desk, ANNA, "R2", 500, invoice=id)
    assert await invoice(story, id) == ("balanced", "Paid 20.00, written off 0.00, open 0.00.")
    assert of_patient(story) == {} and story.accounts()["cash"] == 15049 + 2000
    assert ledger.aging(story.billing.store, "patient", "2026-12-01") == []


@pytest.mark.parametrize(
    ("zone", "today", "tomorrow"),
    [("Pacific/Auckland", "2026-11-28", "2026-11-29"), ("America/New_York", "2026-11-27", "2026-11-28")],
)
async def test_a_payment_is_of_the_day_that_it_is_at_the_hospital(owing, zone: str, today: str, tomorrow: str):
    story, desk, _ = owing
    story.billing.zone = ZoneInfo(zone)
    desk = desk._replace(now=1_795_780_800_000_000)  # 2026-11-27T12:00:00Z
    for receipt, day in (("R1", ""), ("R2", today)):
        made, _ = await paying.pay(desk, ANNA, receipt, 100, date=day)
        assert made["paymentDate"] == today
    with pytest.raises(FhirError, match=f"today is {today}"):
        await paying.pay(desk, ANNA, "R3", 100, date=tomorrow)


@pytest.mark.parametrize("given", ["1e3", "10.005", "1,000.00", "10,50", "-1", "0", "٣", "1" * 10, None, True, ["5"]])
async def test_an_amount_is_written_in_digits_with_cents(owing, given: object):
    story, desk, _ = owing
    call = Call(desk.client, NOW, "Clara", {"id": "anna"}, {}, {"receipt": "R1", "amount": given})
    with pytest.raises(FhirError, match="two digits after the point"):
        await pay_at(story.billing, call)


async def test_a_receipt_number_posts_once(owing):
    story, desk, _ = owing
    made, new = await paying.pay(desk, ANNA, "R1", 700)
    again, newer = await paying.pay(desk._replace(now=NOW + LATER), ANNA, "R1", 700)
    assert (new, newer, again["id"]) == (True, False, made["id"])
    with pytest.raises(FhirError, match=r"Receipt R1 is a payment of 7.00"):
        await paying.pay(desk, ANNA, "R1", 800)
    await story.settle()
    assert of_patient(story) == {"patient-receivable": 1300}


async def test_what_is_paid_beyond_is_a_credit_that_is_given_back(owing):
    story, desk, id = owing
    await paying.pay(desk, ANNA, "R1", 3000)
    assert await invoice(story, id) == ("balanced", "Paid 20.00, written off 0.00, open 0.00.")
    assert of_patient(story) == {"patient-credit": -1000}
    with pytest.raises(FhirError, match=r"a credit of 10.00, not of 10.01"):
        await paying.refund(desk, ANNA, "B1", 1001, "too much")
    await paying.refund(desk, ANNA, "B1", 600, "wants it back")
    assert of_patient(story) == {"patient-credit": -400} and story.accounts()["cash"] == 15049 + 2400


async def test_money_that_came_before_pays_an_invoice_of_the_credit(story: Story):
    desk = Desk(story.billing, story.fhir.server, NOW)
    await paying.pay(desk, ANNA, "R1", 1200)
    assert of_patient(story) == {"patient-credit": -1200}
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    await paying.use_credit(desk, f"invoice-{id}")
    assert await invoice(story, f"invoice-{id}") == ("issued", "Paid 12.00, written off 0.00, open 8.00.")
    assert of_patient(story) == {"patient-receivable": 800}


async def test_a_small_balance_is_written_off_with_a_reason_that_is_kept(owing):
    story, desk, id = owing
    await paying.pay(desk, ANNA, "R1", 1900)
    made = await paying.write_off(desk, id, "not worth a letter")
    assert await invoice(story, id) == ("balanced", "Paid 19.00, written off 1.00, open 0.00.")
    assert of_patient(story) == {"written-off": 100}
    [kept] = await story.fhir.ids(f"Provenance?target=PaymentReconciliation/{made['id']}")
    provenance = (await story.fhir.get(f"Provenance/{kept}")).json()
    assert provenance["reason"][0]["text"] == "not worth a letter"
    assert provenance["agent"][1]["who"]["display"] == "Clara"


async def test_a_balance_that_is_not_small_is_not_written_off(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"], patient=2501)))
    with pytest.raises(FhirError, match=r"only up to 25\.00"):
        await paying.write_off(Desk(story.billing, story.fhir.server, NOW), f"invoice-{id}", "why not")


async def test_a_payment_is_reversed_never_deleted(owing):
    story, desk, id = owing
    made, _ = await paying.pay(desk, ANNA, "R1", 2500, method="check")
    await paying.reverse(desk, made["id"], "the check bounced")
    assert await invoice(story, id) == ("issued", "")
    assert of_patient(story) == {"patient-receivable": 2000} and story.accounts()["cash"] == 15049
    assert len(story.rows("SELECT 1 FROM journal_entry WHERE key LIKE 'payment:%'")) == 2
    with pytest.raises(FhirError, match="was reversed already"):
        await paying.reverse(desk, made["id"], "again")


async def test_a_payment_whose_credit_is_gone_is_not_reversed(owing):
    _, desk, _ = owing
    made, _ = await paying.pay(desk, ANNA, "R1", 2500)
    await paying.refund(desk, ANNA, "B1", 500, "wants it back")
    with pytest.raises(FhirError, match="reverse first what was done with the credit"):
        await paying.reverse(desk, made["id"], "wrong patient")


async def test_a_share_that_a_payer_takes_back_becomes_a_credit(owing):
    story, desk, id = owing
    await paying.pay(desk, ANNA, "R1", 2000)
    [(control,)] = story.rows("SELECT id FROM claim")
    text = (await story.fhir.get(f"DocumentReference/{story.rows('SELECT file FROM claim')[0][0]}")).json()
    sent = base64.b64decode(text["content"][0]["attachment"]["data"]).decode()
    first, right = answer(sent), answer(sent, patient=500)
    back = negated(first)
    await story.load(story.remittance(back, right))
    assert of_patient(story) == {"patient-credit": -1500}
    assert await invoice(story, id) == ("balanced", "Paid 5.00, written off 0.00, open 0.00.")
    share = accounts.share(story.billing.store, control)
    assert share is not None and share.asked == 500


def negated(found):
    def turned(adjustments):
        return tuple(Adjustment(each.group, each.reason, -each.cents) for each in adjustments)

    lines = tuple(
        msgspec.structs.replace(each, charged=-each.charged, paid=-each.paid, adjustments=turned(each.adjustments))
        for each in found.lines
    )
    return msgspec.structs.replace(
        found, status="22", charged=-found.charged, paid=-found.paid, patient_cents=-found.patient_cents, lines=lines
    )


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda desk, id: paying.pay(desk, "Patient/none", "R", 1), "no Patient/none"),
        (lambda desk, id: paying.pay(desk, ANNA, "R", 1, method="gold"), "method must be one of cash, card"),
        (lambda desk, id: paying.pay(desk, ANNA, "R", 1, date="tomorrow"), "must be a day such as"),
        (lambda desk, id: paying.pay(desk, ANNA, "R", 1, date="2031-01-01"), "not there yet"),
        (lambda desk, id: paying.pay(desk, ANNA, "R", 1, invoice="invoice-none"), "no invoice-none"),
        (lambda desk, id: paying.use_credit(desk, id), "a credit of 0.00"),
        (lambda desk, id: paying.use_credit(desk, id, 5000), "20.00 of Invoice/.* is open, not 50.00"),
        (lambda desk, id: paying.reverse(desk, "none", "x"), "no payment none"),
    ],
)
async def test_what_can_not_be_done_says_why_and_posts_nothing(owing, call, words: str):
    story, desk, id = owing
    with pytest.raises(FhirError, match=words):
        await call(desk, id)
    await story.settle()
    assert of_patient(story) == {"patient-receivable": 2000}


async def test_a_payment_that_does_not_add_up_is_work_and_not_posted(owing):
    story, desk, _ = owing
    made, _ = await paying.pay(desk, ANNA, "R1", 100)
    wrong = {**made, "id": "wrong", "paymentAmount": {"value": 2, "currency": "USD"}}
    await story.store(wrong, {name: value for name, value in wrong.items() if name != "extension"} | {"id": "bare"})
    assert story.work() == ["set-aside", "set-aside"]
    assert of_patient(story) == {"patient-receivable": 1900}


async def test_a_rebuild_gives_the_same_accounts_and_writes_nothing(owing):
    story, desk, id = owing
    made, _ = await paying.pay(desk, ANNA, "R1", 2500)
    await paying.refund(desk, ANNA, "B1", 500, "wants it back")
    other, _ = await paying.pay(desk._replace(now=NOW + LATER), ANNA, "R2", 300)
    await paying.reverse(desk._replace(now=NOW + 2 * LATER), other["id"], "wrong patient")
    await story.settle()
    before, history = story.state(), len(await story.fhir.ids("Provenance"))
    story.billing.drop()
    await story.settle()
    assert story.state() == before and len(await story.fhir.ids("Provenance")) == history
    assert len(before["journal"]) and made["id"] != other["id"] and (await invoice(story, id))[0] == "balanced"
