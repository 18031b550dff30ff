"""A visit that nobody insures is billed to its patient by an Invoice, which is paid, changed and cancelled."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import ledger, paying
from fhir_server.subsystems.billing.desk import Desk
from fhir_server.subsystems.tracing import trace
from tests.unit.subsystems.billing.story import NOW, Story, coverage, procedure

pytestmark = pytest.mark.anyio
ANNA = "Patient/anna"


@pytest.fixture
async def uninsured(story: Story) -> tuple[Story, Desk]:
    await story.fhir("DELETE", "Coverage/cov")
    await story.settle()
    return story, Desk(story.billing, story.fhir.server, NOW, "Clara")


async def invoice(story: Story, id: str) -> dict:
    await story.settle()
    assert ledger.trial_balance(story.billing.store)["sum"] == 0
    return (await story.fhir.get(f"Invoice/{id}")).json()


async def statuses(story: Story) -> set[str]:
    found = await story.fhir.ids("ChargeItem?context=Encounter/visit")
    return {(await story.fhir.get(f"ChargeItem/{id}")).json()["status"] for id in found}


async def test_a_visit_without_insurance_is_an_invoice_of_its_charges(uninsured):
    story, _ = uninsured
    with pytest.raises(FhirError, match="or bill the patient"):
        await story.claim()
    made = await invoice(story, await story.bill())
    assert (made["status"], made["recipient"]["reference"], made["issuer"]["reference"]) == (
        "issued", ANNA, "Organization/hospital"
    )  # fmt: skip
    assert [line["priceComponent"][0]["amount"]["value"] for line in made["lineItem"]] == [125.5, 49.99]
    assert made["totalGross"]["value"] == 175.49 and await statuses(story) == {"billed"}
    assert story.accounts() == {"patient-receivable": 17549, "revenue": -17549}
    with pytest.raises(FhirError, match="billed to the patient already, by Invoice/"):
        await story.bill()


async def test_it_is_paid_at_the_desk_in_parts(uninsured):
    story, desk = uninsured
    id = await story.bill()
    await paying.pay(desk, ANNA, "R1", 10000)
    assert (await invoice(story, id))["note"][0]["text"] == "Paid 100.00, written off 0.00, open 75.49."
    await paying.pay(desk, ANNA, "R2", 8000, invoice=id)
    made = await invoice(story, id)
    assert made["status"] == "balanced" and len(made["lineItem"]) == 2
    assert story.accounts() == {"cash": 18000, "patient-credit": -451, "revenue": -17549}


async def test_a_coverage_that_comes_later_leaves_it_until_it_is_cancelled(uninsured):
    story, desk = uninsured
    id = await story.bill()
    await paying.pay(desk, ANNA, "R1", 5000)
    await story.store(coverage())
    assert (await invoice(story, id))["status"] == "issued"
    await paying.cancel(desk, id, "insured after all")
    assert (await invoice(story, id))["status"] == "cancelled" and await statuses(story) == {"planned"}
    assert story.accounts() == {"cash": 5000, "patient-credit": -5000}
    await story.claim()
    assert story.accounts()["receivable"] == 17549
    with pytest.raises(FhirError, match="cancelled already"):
        await paying.cancel(desk, id, "again")


async def test_what_is_corrected_afterwards_is_work_until_it_is_billed_anew(uninsured):
    story, desk = uninsured
    id = await story.bill()
    await story.store(procedure(code="36415"))
    assert story.work() == ["changed"]
    await paying.cancel(desk, id, "wrong service")
    await story.settle()
    assert story.work() == []
    assert (await invoice(story, await story.bill()))["totalGross"]["value"] == 133.5
    assert story.accounts() == {"patient-receivable": 13350, "revenue": -13350}


@pytest.mark.parametrize(
    "payer",
    [
        {"payor": [{"reference": ANNA}]},
        {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/coverage-selfpay", "code": "pay"}]}},
    ],
    ids=["the patient is the payor", "the kind is self-pay"],
)
async def test_a_coverage_by_the_patient_is_no_insurance(uninsured, payer: dict):
    story, _ = uninsured
    await story.store(coverage() | payer)
    assert (await invoice(story, await story.bill()))["status"] == "issued"


async def test_who_is_insured_is_not_billed(story: Story):
    with pytest.raises(FhirError, match="is insured on 2026-11-02 by Coverage/cov"):
        await story.bill()


async def test_it_is_no_claim_that_is_sent_followed_or_answered(uninsured):
    story, desk = uninsured
    root = (await story.bill()).removeprefix("invoice-")
    assert await story.send() == []
    with pytest.raises(FhirError, match="no Claim/"):
        await story.follow(root, "void")
    with pytest.raises(FhirError, match="is no invoice of a visit"):
        await paying.cancel(desk, "invoice-none", "why")


async def test_a_small_rest_is_written_off_and_then_keeps_it_from_being_cancelled(uninsured):
    story, desk = uninsured
    id = await story.bill()
    await paying.pay(desk, ANNA, "R1", 17000)
    await paying.write_off(desk, id, "not worth a letter")
    assert (await invoice(story, id))["status"] == "balanced"
    with pytest.raises(FhirError, match="reverse that first"):
        await paying.cancel(desk, id, "why")


async def test_it_is_traced_and_made_again_from_the_feed(uninsured):
    story, desk = uninsured
    id = await story.bill()
    await paying.pay(desk, ANNA, "R1", 5000)
    await paying.cancel(desk, id, "wrong")
    again = await story.bill()
    paid, _ = await paying.pay(desk, ANNA, "R2", 1000, invoice=again)
    await invoice(story, again)
    back = {step.reference for step in (await trace(story.fhir.server, "journal/1", story.billing.links)).back}
    assert {f"Invoice/{id}", "Procedure/lab", "Encounter/visit"} <= back
    forward = (await trace(story.fhir.server, "Encounter/visit", story.billing.links)).forward
    assert {f"Invoice/{id}", f"Invoice/{again}", f"PaymentReconciliation/{paid['id']}"} <= {
        step.reference for step in forward
    }
    before, history = story.state(), len(await story.fhir.ids("Provenance"))
    story.billing.drop()
    await story.settle()
    assert story.state() == before and len(await story.fhir.ids("Provenance")) == history


async def test_an_invoice_with_our_tag_that_lacks_parts_is_work(uninsured):
    story, _ = uninsured
    tag = {"system": "urn:ultimate-hms:billing", "code": "self-pay"}
    await story.store({"resourceType": "Invoice", "id": "bare", "status": "issued", "meta": {"tag": [tag]}})
    assert story.work() == ["set-aside"] and story.accounts() == {}
