"""What must not be posted: each a clear message and an item of work, with nothing in the journal."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import actions
from fhir_server.subsystems.billing.endpoints import aging, one_claim
from fhir_server.subsystems.billing.endpoints import encounter as encounter_of
from fhir_server.subsystems.billing.models import CPT
from fhir_server.subsystems.endpoint import Call
from interfaces.x12.shapes import Party
from tests.unit.subsystems.billing.story import NOW, Story, answer, coverage, encounter, payer, procedure, replace_field

pytestmark = pytest.mark.anyio


async def sent(story: Story) -> str:
    await story.claim()
    return (await story.send())[0]["text"]


UNCHANGED = {"receivable": 17549, "revenue": -17549}
BROKEN = {
    "truncated": (lambda text: text[: text.index("SVC*")], "truncated"),
    "cut within a segment": (lambda text: text[: text.index("CLP*") + 9], "truncated"),
    "unbalanced": (lambda text: text.replace("BPR*I*150.49", "BPR*I*150.48"), "BPR02 pays 150.48"),
    "unbalanced claim": (lambda text: text.replace("CAS*CO*45*5~", "CAS*CO*45*6~"), "charged 175.49 less adjustments"),
    "control numbers of the set": (lambda text: text.replace("ST*835*0001", "ST*835*0002"), "not that of ST02"),
    "control numbers of the interchange": (
        lambda text: text.replace("IEA*1*0000001", "IEA*1*0000009"),
        "not that of ISA13",
    ),
    "an amount that is none": (lambda text: text.replace("BPR*I*150.49", "BPR*I*1x0"), "no amount of money"),
    "parts of cents": (lambda text: text.replace("BPR*I*150.49", "BPR*I*150.495"), "whole cents"),
    "a segment of nowhere": (lambda text: text.replace("CLP*", "CLQ*"), "no segment of transaction set"),
    "no X12 at all": (lambda text: "hello", "ISA segment"),
    "another transaction set": (lambda text: text.replace("ST*835", "ST*834"), "no table of transaction set 834"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_is_set_aside_whole(story: Story, name: str):
    text = story.remittance(answer(await sent(story)))
    change, words = BROKEN[name]
    assert change(text) != text
    said = await story.load(change(text))
    assert any(words in each for each in said["problems"])
    assert story.accounts() == UNCHANGED and "set-aside" in story.work()
    assert words in story.rows("SELECT problem FROM file WHERE outgoing = 0")[0][0]
    await story.load(text, later=1)
    assert story.accounts()["cash"] == 15049


async def test_a_file_that_comes_twice_posts_once(story: Story):
    text = story.remittance(answer(await sent(story)))
    await story.load(text)
    after = story.accounts()
    said = await story.load(text.replace("\n", "\r\n"), later=1)
    assert "not posted again" in said["problems"][0]
    assert story.accounts() == after and story.work() == ["duplicate"]


async def test_a_payment_that_comes_in_another_file_posts_once(story: Story):
    found = answer(await sent(story))
    await story.load(story.remittance(found, trace="CHK1"))
    await story.load(story.remittance(found, trace="CHK1"), later=1)
    assert story.accounts()["cash"] == 15049 and story.work() == ["set-aside"]


async def test_a_control_number_may_come_once_and_one_out_of_order_is_told(story: Story):
    found = answer(await sent(story))
    story.control = 200
    await story.load(story.remittance(found))
    story.control = 200
    await story.load(story.remittance(found, trace="OTHER"), later=1)
    assert story.accounts()["cash"] == 15049 and story.work() == ["set-aside"]
    story.control = 150
    await story.load(story.remittance(amount=0, claims=()), later=2)
    assert story.work() == ["order", "set-aside"]


async def test_a_file_of_an_unknown_payer_waits_until_the_payer_is_known(story: Story):
    text = story.remittance(answer(await sent(story)), payer=Party("Who", id="99999", qualifier="PI"))
    await story.load(text)
    assert story.accounts() == UNCHANGED and story.work() == ["set-aside"]
    assert "payer Who (99999) is unknown" in story.rows("SELECT problem FROM file WHERE outgoing = 0")[0][0]
    await story.store(payer("who", "99999", "Who"))
    assert story.accounts()["cash"] == 15049 and story.work() == []


async def test_money_for_a_claim_that_is_not_ours_is_kept_apart(story: Story):
    found = replace_field(answer(await sent(story)), "control", "NOT-OURS")
    await story.load(story.remittance(found))
    assert story.accounts() == {**UNCHANGED, "cash": 15049, "unapplied": -15049} and story.work() == ["unmatched"]


@pytest.mark.parametrize(
    "odd",
    [
        {"resourceType": "Patient", "id": "carla", "link": [{"type": "replaced-by", "other": {"display": "Berta"}}]},
        {
            "resourceType": "ChargeItemDefinition", "id": "odd", "url": "http://x.example/odd", "status": "active",
            "code": {"coding": [{"system": CPT, "code": "99999"}]},
            "propertyGroup": [{"priceComponent": [
                {"type": "base", "code": {"coding": [{"system": CPT}]}, "amount": {"value": 5, "currency": "USD"}}
            ]}],
        },
        {
            "resourceType": "ChargeItemDefinition", "id": "odd", "url": "http://x.example/odd", "status": "active",
            "code": {"coding": [{"system": CPT, "code": "99999"}]},
            "propertyGroup": [{"priceComponent": [{"type": "base", "amount": {"value": 10**20, "currency": "USD"}}]}],
        },
        {
            "resourceType": "ChargeItem", "id": "odd", "status": "billable", "subject": {"reference": "Patient/anna"},
            "code": {"coding": [{"system": CPT, "code": "99999"}]}, "occurrenceDateTime": "2026-11-01",
            "priceOverride": {"value": 10**20, "currency": "USD"},
        },
    ],
)  # fmt: skip
async def test_an_odd_resource_holds_nothing_up(story: Story, odd: dict):
    await story.store(odd)
    assert await story.claim()


async def test_a_deleted_encounter_can_not_be_claimed(story: Story):
    await story.fhir("DELETE", "Encounter/visit")
    await story.settle()
    with pytest.raises(FhirError, match=r"Encounter/visit.*deleted"):
        await story.claim()


async def test_an_encounter_is_claimed_once(story: Story):
    assert actions.billed_by(story.billing, "Encounter/visit") == ""
    id = await story.claim()
    assert actions.billed_by(story.billing, "Encounter/visit") == f"Claim/{id}"
    with pytest.raises(FhirError, match="is claimed already"):
        await story.claim()


async def test_what_can_not_be_done_says_why(story: Story):
    id = await story.claim()
    with pytest.raises(FhirError, match="has not answered"):
        await story.follow(id, "secondary")
    with pytest.raises(FhirError, match="no Claim/nothing"):
        await story.follow("nothing", "void")
    with pytest.raises(FhirError, match="empty"):
        await story.load(" ")
    with pytest.raises(FhirError, match="no Task/none"):
        await actions.appeal(story.billing, story.fhir.server, "none", "why", NOW, "")


async def test_edits_of_medicare_and_payers_hold_a_claim_back(story: Story):
    story.billing.edits.load("ptp", "99213,80053,,20200101,*,0\n99213,36415,,20200101,*,1\n")
    with pytest.raises(FhirError, match="80053 is part of 99213"):
        await story.claim()
    story.billing.edits.load("ptp", "99213,80053,,20200101,20210101,0\n")
    story.billing.edits.load("mue", "HCPCS/CPT Code,MUE,MAI\n80053,1,2\n")
    await story.store(procedure("again"))
    with pytest.raises(FhirError, match="80053 has 2 units"):
        await story.claim()
    with pytest.raises(FhirError, match="No ptp edits"):
        story.billing.edits.load("ptp", "hello\n")
    with pytest.raises(FhirError, match="No mue edits"):  # of the other kind: those of before stay
        story.billing.edits.load("mue", "99213,80053,,20200101,*,0\n")
    with pytest.raises(FhirError, match="No ptp edits"):
        story.billing.edits.load("ptp", "80053,1,2,x,y,z\n")


async def test_a_person_closes_an_item_and_it_stays_closed(story: Story):
    await story.load("hello")
    [(id,)] = story.rows("SELECT id FROM item")
    await actions.complete(story.billing, story.fhir.server, id, "a test file", NOW, "Berta")
    await story.settle()
    assert story.work() == []
    assert (await story.fhir.get(f"Task/{id}")).json()["note"][0]["text"] == "a test file"


async def test_what_is_owed_by_something_else_is_refused(story: Story):
    def asked(query):
        return aging(story.billing, Call(story.fhir.server, NOW, "Berta", {}, query, {}))

    assert (await asked({})).content["by"] == "payer" and (await asked({"by": "patient"})).content["by"] == "patient"
    with pytest.raises(FhirError, match="payer or patient, not 'payor'"):
        await asked({"by": "payor"})


async def test_a_claim_that_is_none_is_not_found(story: Story):
    with pytest.raises(FhirError, match="no Claim/nope of billing"):
        await one_claim(story.billing, Call(story.fhir.server, NOW, "Berta", {"id": "nope"}, {}, {}))


@pytest.mark.parametrize("insured", [True, False])
async def test_a_visit_that_was_entered_in_error_is_not_billed(story: Story, insured: bool):
    wrong = encounter(status="entered-in-error", type=[{"text": "talk"}])
    if not insured:
        await story.store({**coverage(), "status": "cancelled"})
    await story.store(encounter(type=[{"text": "talk"}]))  # its procedure alone is charged
    id = await (story.claim() if insured else story.bill())
    assert story.work() == []
    await story.store(wrong)
    [(text,)] = story.rows("SELECT text FROM item WHERE kind = 'changed' AND closed = ''")
    assert "is entered-in-error now: " + ("void the claim" if insured else "cancel it") in text
    if insured:
        with pytest.raises(FhirError, match="is entered-in-error: it can't be billed"):
            await story.follow(id, "replace")
        await story.follow(id, "void")
        assert story.accounts() == {} and story.work() == []
        seen = await encounter_of(story.billing, Call(story.fhir.server, NOW, "Berta", {"id": "visit"}, {}, {}))
        assert "it can't be billed" in str(seen.content["findings"])
