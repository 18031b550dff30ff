"""A patient who is merged after billing: what is owed, paid and kept as a credit goes to the survivor."""

import pytest

from fhir_server.codec.json import decode, serialize
from fhir_server.subsystems.billing import accounts, paying
from fhir_server.subsystems.billing.desk import Desk
from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import NOW, Story

pytestmark = pytest.mark.anyio


async def merged(story: Story) -> None:
    """As an A40 does it: the loser has a link, what refers to it refers to the survivor."""
    await story.store({"resourceType": "Patient", "id": "berta"})
    for row in story.billing.store.rows("SELECT body FROM fact WHERE patient = 'Patient/anna'"):
        moved = decode(serialize(decode(bytes(row[0]))).replace(b"Patient/anna", b"Patient/berta"))
        await story.store(moved)
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
    by_patient = "SELECT account, patient, sum(cents) FROM journal_line GROUP BY 1, 2 HAVING sum(cents) <> 0"
    said = story.rows(by_patient)
    story.billing.drop()
    await story.settle()
    assert story.rows(by_patient) == said and "changed" not in story.work()
