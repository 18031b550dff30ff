"""A denial that is final is written off or billed to the patient: once, with a reason, and it can be taken back."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import denials, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.tracing import trace
from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import NOW, Story

pytestmark = pytest.mark.anyio
CHARGED = "175.49"


def desk(story: Story, later: int = 0) -> Desk:
    return Desk(story.billing, story.fhir.server, NOW + later, "Berta")


async def refused(story: Story, *answer: str, status: str = "4", paid: str = "0") -> tuple[str, str]:
    """A claim that is denied so; gives its id and that of the Task."""
    id = await story.claim()
    await story.send()
    said = claim(id, CHARGED, paid, *(answer or ("CAS*CO*29*175.49",)), status=status)
    await story.load(file(payment(paid, "T1", *said)))
    [(task,)] = story.rows("SELECT id FROM item WHERE kind = 'denial'")
    return id, task


async def test_a_final_denial_is_written_off_and_its_task_is_closed(story: Story):
    id, task = await refused(story)
    made = await denials.write_off(desk(story), task, "too late, nobody's fault")
    await story.settle()
    assert story.accounts() == {"denied": 17549, "revenue": -17549}
    assert story.work() == [] and story.rows("SELECT status FROM claim") == [("written off",)]
    assert (await story.fhir.get(f"Task/{task}")).json()["status"] == "completed"
    [(text,)] = story.rows("SELECT text FROM journal_entry WHERE source LIKE 'Payment%'")
    assert "CO-29" in text and "nobody's fault" in text
    back = (await trace(story.fhir.server, f"PaymentReconciliation/{made['id']}", story.billing.links)).back
    assert f"Claim/{id}" in {step.reference for step in back}
    with pytest.raises(FhirError, match="closed already"):
        await denials.write_off(desk(story), task, "again")
    with pytest.raises(FhirError, match="reverse that first"):
        await story.follow(id, "replace")


async def test_what_the_patient_must_not_be_asked_for_needs_an_agreement(story: Story):
    _, task = await refused(story)
    with pytest.raises(FhirError, match="the provider's to bear"):
        await denials.bill_patient(desk(story), task, "not covered")
    await denials.bill_patient(desk(story), task, "not covered", "ABN of 1 November, chart 7")
    await story.settle()
    assert story.accounts() == {"patient-receivable": 17549, "revenue": -17549} and story.work() == []


async def test_the_rest_that_is_denied_becomes_an_invoice_that_the_patient_pays(story: Story):
    id, task = await refused(story, "CAS*PI*96*100", status="1", paid="75.49")
    await denials.bill_patient(desk(story), task, "not covered by the plan")
    await story.settle()
    invoice = (await story.fhir.get(f"Invoice/invoice-{id}")).json()
    assert invoice["status"] == "issued" and invoice["totalNet"]["value"] == 100
    await paying.pay(desk(story), "Patient/anna", "R1", 10000)
    await story.settle()
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).json()["status"] == "balanced"
    assert story.accounts() == {"cash": 17549, "revenue": -17549}


@pytest.mark.parametrize("to_patient", [False, True])
async def test_what_was_settled_can_be_taken_back_and_the_task_opens_again(story: Story, to_patient: bool):
    _, task = await refused(story)
    settled = (
        await denials.bill_patient(desk(story), task, "x", "ABN")
        if to_patient
        else await denials.write_off(desk(story), task, "x")
    )
    await story.settle()
    await paying.reverse(desk(story, 1), settled["id"], "the payer pays after all")
    await story.settle()
    assert story.accounts() == {"receivable": 17549, "revenue": -17549} and story.work() == ["denial"]
    assert (await story.fhir.get(f"Task/{task}")).json()["status"] == "requested"
    assert story.rows("SELECT status FROM claim") == [("denied",)]
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before


async def test_what_is_denied_again_counts_by_its_own_reasons_and_amount(story: Story):
    id, task = await refused(story, "CAS*PI*50*100", status="1", paid="75.49")
    await story.load(file(payment("100", "T2", *claim(id, "100", "100")), control=901), later=1)
    assert story.work() == []
    again = [*claim(id, "-100", "-100", status="22"), *claim(id, "100", "40", "CAS*CO*29*60")]
    await story.load(file(payment("60", "T3", *again, sign="D"), control=902), later=2)
    assert (await story.fhir.get(f"Task/{task}")).json()["reasonCode"]["text"] == "CO-29"
    with pytest.raises(FhirError, match="the provider's to bear"):
        await denials.bill_patient(desk(story, 3), task, "why")
    await denials.write_off(desk(story, 3), task, "too late")
    assert story.accounts() == {"cash": 11549, "denied": 6000, "revenue": -17549}
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before


async def test_what_is_no_open_denial_is_not_settled(story: Story):
    with pytest.raises(FhirError, match="There is no Task/x"):
        await denials.write_off(desk(story), "x", "why")
    _, task = await refused(story)
    await story.load("hello")
    [(other,)] = story.rows("SELECT id FROM item WHERE kind = 'set-aside'")
    with pytest.raises(FhirError, match="is no denial"):
        await denials.write_off(desk(story), other, "why")
    paid = claim(story.rows("SELECT id FROM claim")[0][0], CHARGED, CHARGED)
    await story.load(file(payment(CHARGED, "T2", *paid), control=901), later=1)
    with pytest.raises(FhirError, match="closed already: paid"):
        await denials.write_off(desk(story), task, "why")


async def test_what_closed_by_itself_opens_again_after_a_rebuild_too(story: Story):
    id, _ = await refused(story, "CAS*PI*50*100", status="1", paid="75.49")
    await story.load(file(payment("100", "T2", *claim(id, "100", "100")), control=901), later=1)
    assert story.work() == []
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before
    again = [*claim(id, "-100", "-100", status="22"), *claim(id, "100", "0", "CAS*PI*50*100")]
    await story.load(file(payment("100", "T3", *again, sign="D"), control=902), later=2)
    assert story.work() == ["denial"]
