"""A patient who is merged after billing: what is owed, paid and kept as a credit goes to the survivor."""

import pytest

from fhir_server.codec.json import decode, serialize
from fhir_server.subsystems.billing import accounts, ledger, paying
from fhir_server.subsystems.billing.desk import Desk, posted
from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import NOW, Story

pytestmark = pytest.mark.anyio


BY_PATIENT = "SELECT account, patient, sum(cents) FROM journal_line GROUP BY 1, 2 HAVING sum(cents) <> 0"


async def merged(story: Story) -> None:
    """As an A40 does it: the loser has a link, what refers to it refers to the survivor."""
    for row in story.billing.store.rows("SELECT body FROM fact WHERE patient = 'Patient/anna'"):
        moved = decode(serialize(decode(bytes(row[0]))).replace(b"Patient/anna", b"Patient/berta"))
        await story.store(moved)
    await linked(story)


async def linked(story: Story) -> None:
    """The loser's link alone: what refers to the loser stays as it is."""
    await story.store({"resourceType": "Patient", "id": "berta", "name": [{"family": "Müller"}]})
    link = {"other": {"reference": "Patient/berta"}, "type": "replaced-by"}
    anna = (await story.fhir.get("Patient/anna")).json()
    await story.store({**anna, "active": False, "link": [link]})


async def test_the_survivor_owes_what_was_owed_and_pays_it(story: Story):
    id = await story.claim()
    await story.send()
    await paying.pay(Desk(story.billing, story.fhir.server, NOW), "Patient/anna", "R0", 500)
    await story.load(file(payment("150.49", "T1", *claim(id, "175.49", "150.49", "CAS*CO*45*5", "CAS*PR*2*20"))))
    before = story.accounts()
    await merged(story)
    assert story.accounts() == before and accounts.credit_of(story.billing.store, "Patient/berta") == 500
    [share] = accounts.payable(story.billing.store, "Patient/berta")
    assert (share.asked, share.open) == (2000, 2000)
    assert accounts.shares(story.billing.store, "Patient/anna") == []
    await paying.pay(Desk(story.billing, story.fhir.server, NOW + 1), "Patient/berta", "R1", 2000)
    await story.settle()
    invoice = (await story.fhir.get(f"Invoice/invoice-{id}")).json()
    assert invoice["status"] == "balanced" and invoice["subject"]["reference"] == "Patient/berta"
    said = story.rows(BY_PATIENT)
    story.billing.drop()
    await story.settle()
    assert story.rows(BY_PATIENT) == said and "changed" not in story.work()


@pytest.mark.parametrize("merge", [merged, linked])
async def test_what_is_taken_back_after_the_merge_is_taken_back_from_the_survivor(story: Story, merge):
    await story.fhir("DELETE", "Coverage/cov")
    await story.settle()
    invoice = await story.bill()
    await paying.pay(Desk(story.billing, story.fhir.server, NOW), "Patient/anna", "R0", 20_000)
    await merge(story)
    desk = Desk(story.billing, story.fhir.server, NOW + 1)
    [receipt] = story.rows("SELECT id FROM payment WHERE receipt = 'R0'")
    await paying.reverse(desk, receipt[0], "the check bounced")
    await story.settle()
    assert story.rows(BY_PATIENT) == [
        ("patient-receivable", "Patient/berta", 17549), ("revenue", "Patient/berta", -17549)
    ]  # fmt: skip
    await paying.cancel(desk, invoice, "the visit was another's")
    await story.settle()
    assert story.rows(BY_PATIENT) == ledger.aging(story.billing.store, "patient", "2026-12-01") == []
    story.billing.drop()
    await story.settle()
    assert story.rows(BY_PATIENT) == []


async def test_who_pays_in_the_name_of_the_loser_pays_what_the_survivor_owes(story: Story):
    await story.fhir("DELETE", "Coverage/cov")
    await story.settle()
    await linked(story)
    await story.bill()
    desk = Desk(story.billing, story.fhir.server, NOW + 1)
    for new in (True, False):
        made, is_new = await paying.pay(desk, "Patient/anna", "R1", 17_549)
        assert (is_new, posted(made)["details"][0]["type"]) == (new, "payment")
    await story.settle()
    assert story.rows(BY_PATIENT) == [("cash", "Patient/berta", 17549), ("revenue", "Patient/berta", -17549)]
    assert [each.patient for each in accounts.shares(story.billing.store)] == ["Patient/berta"]


async def test_a_survivor_who_is_merged_in_turn(story: Story):
    await story.fhir("DELETE", "Coverage/cov")
    await story.settle()
    await story.bill()
    await linked(story)
    await story.store({"resourceType": "Patient", "id": "clara"})
    link = {"other": {"reference": "Patient/clara"}, "type": "replaced-by"}
    await story.store({"resourceType": "Patient", "id": "berta", "active": False, "link": [link]})
    anna = (await story.fhir.get("Patient/anna")).json()
    await story.store({**anna, "gender": "unknown"})
    await paying.pay(Desk(story.billing, story.fhir.server, NOW + 1), "Patient/anna", "R1", 5000)
    await story.settle()
    assert {patient for _, patient, _ in story.rows(BY_PATIENT)} == {"Patient/clara"}
