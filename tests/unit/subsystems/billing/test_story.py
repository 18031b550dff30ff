"""From a visit to a balanced journal, and what goes on after it."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import actions, endpoints
from fhir_server.subsystems.billing.fees import definitions
from fhir_server.subsystems.endpoint import Call
from interfaces.x12.acknowledgements import functional
from interfaces.x12.reader import read
from interfaces.x12.shapes import Envelope
from tests.unit.subsystems.billing.story import (
    CPT,
    ICD10,
    NOW,
    PAYER_ID,
    Story,
    answer,
    coded,
    coverage,
    denied,
    encounter,
    payer,
    procedure,
)

pytestmark = pytest.mark.anyio
NEXT = {"reference": "Encounter/next"}


async def test_what_was_done_becomes_priced_charges_without_typing(story: Story):
    found = story.rows("SELECT hcpcs, units, cents, date FROM charge ORDER BY hcpcs")
    assert found == [("80053", "1", 4999, "2026-11-02"), ("99213", "1", 12550, "2026-11-02")]
    assert sorted(await story.fhir.ids("ChargeItem?context=Encounter/visit")) == sorted(
        row[0] for row in story.rows("SELECT id FROM charge")
    )
    item = (await story.fhir.get(f"ChargeItem/{story.rows('SELECT id FROM charge')[0][0]}")).json()
    assert item["status"] == "planned"
    assert len(await story.fhir.ids(f"Provenance?target=ChargeItem/{item['id']}")) == 1


async def test_a_charge_follows_its_source_until_it_is_claimed(story: Story):
    await story.store(procedure(performedDateTime="2026-11-03"))
    await story.store(procedure("draw", "36415"))
    assert story.rows("SELECT cents, date, version FROM charge WHERE source = 'Procedure/lab'") == [
        (4999, "2026-11-03", 2)
    ]
    await story.store(procedure("draw", "36415", status="entered-in-error"))
    assert story.rows("SELECT count(*) FROM charge") == [(2,)]
    assert await story.fhir.ids("ChargeItem?code=36415") != []
    statuses = {
        (await story.fhir.get(f"ChargeItem/{id}")).json()["status"]
        for id in await story.fhir.ids("ChargeItem?code=36415")
    }
    assert statuses == {"entered-in-error"}


async def test_from_a_visit_to_a_balanced_journal(story: Story):
    id = await story.claim()
    assert story.accounts() == {"receivable": 17549, "revenue": -17549}
    [sent] = await story.send()
    assert sent["kind"] == "837P" and story.rows("SELECT status FROM claim") == [("sent",)]
    await story.load(functional(read(sent["text"]).interchanges[0], Envelope("CLEAR1", "HOSP1", 9, "20261103", "0900")))
    assert story.rows("SELECT status FROM claim") == [("received",)]
    said = await story.load(story.remittance(answer(sent["text"])))
    assert said["problems"] == [] and said["kind"] == "835"
    assert story.accounts() == {"cash": 15049, "contractual": 500, "patient-receivable": 2000, "revenue": -17549}
    assert story.rows("SELECT status, payer_control FROM claim") == [("paid", "ICN77")]
    assert story.work() == []
    invoice = (await story.fhir.get(f"Invoice/invoice-{id}")).json()
    assert invoice["totalGross"]["value"] == 20.0
    [response] = await story.fhir.ids(f"ClaimResponse?request=Claim/{id}")
    assert (await story.fhir.get(f"ClaimResponse/{response}")).json()["payment"]["amount"]["value"] == 150.49
    assert len(await story.fhir.ids("PaymentReconciliation?status=active")) == 1
    charges = [
        (await story.fhir.get(f"ChargeItem/{each}")).json()["status"] for each in await story.fhir.ids("ChargeItem")
    ]
    assert charges == ["billed", "billed"]


async def test_a_rebuild_gives_the_same_state_and_writes_nothing(story: Story):
    await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(denied(sent["text"])))
    await story.load("garbage")
    before = story.state()
    history = len(await story.fhir.ids("Provenance"))
    story.billing.drop()
    await story.settle()
    assert story.state() == before
    assert len(await story.fhir.ids("Provenance")) == history


async def test_a_denial_is_a_task_with_reasons_cause_and_deadline(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(denied(sent["text"], "197")))
    [task] = [(await story.fhir.get(f"Task/{each}")).json() for each in await story.fhir.ids(f"Task?focus=Claim/{id}")]
    assert task["reasonCode"]["text"] == "CO-197" and task["businessStatus"]["text"] == "authorization"
    assert task["restriction"]["period"]["end"] and "175.49 of 175.49 denied" in task["description"]
    assert story.accounts() == {"receivable": 17549, "revenue": -17549}
    new = await story.follow(id, "replace")
    assert story.rows("SELECT frequency, prior FROM claim WHERE id = ?", new) == [("7", id)]
    assert story.work() == [] and story.accounts() == {"receivable": 17549, "revenue": -17549}
    [again] = await story.send()
    assert ":7*" in again["text"].replace("11:B:7", "x:7") and "REF*F8*ICN77" in again["text"]


@pytest.mark.parametrize(("zone", "days"), [("UTC", 14), ("Pacific/Kiritimati", 15)])
async def test_deadlines_are_reckoned_from_the_day_that_it_is_at_the_hospital(story: Story, zone: str, days: int):
    story.billing.zone = ZoneInfo(zone)
    await story.claim()
    await story.store(procedure(code="36415"))
    [(opened, deadline)] = story.rows("SELECT opened, deadline FROM item")
    day = datetime.date.fromisoformat
    assert day(deadline) - day(opened[:10]) == datetime.timedelta(days)


async def test_the_journal_of_a_claim_has_what_the_claims_before_it_posted(story: Story):
    id = await story.follow(await story.claim(), "replace")
    for claim in (id, f"Claim/{id}"):
        answer = await endpoints.journal(story.billing, Call(story.fhir.server, NOW, "", {}, {"claim": claim}, {}))
        assert [each["text"] for each in answer.content["entries"]] == ["claimed", f"replaced by {id}", "claimed"]


async def test_a_name_in_plain_letters_goes_to_the_payer_before_one_that_x12_can_not_write(story: Story):
    anna = (await story.fhir.get("Patient/anna")).json()
    kanji = {"family": "山田", "given": ["花子"]}
    await story.store(anna | {"name": [kanji, {"family": "Yamada", "given": ["Hanako"]}]})
    await story.claim()
    [sent] = await story.send()
    assert "NM1*IL*1*Yamada*Hanako*" in sent["text"]
    await story.store(anna | {"name": [kanji]}, encounter(id="next"), procedure("last", encounter=NEXT))
    with pytest.raises(FhirError, match="the name 山田 must stand in these too"):
        await actions.claim_encounter(story.billing, story.fhir.server, NEXT["reference"], NOW, "Berta")


async def test_a_void_reverses_and_the_encounter_can_be_claimed_anew(story: Story):
    id = await story.claim()
    await story.follow(id, "void")
    assert story.accounts() == {}
    assert story.rows("SELECT count(*) FROM journal_entry") == [(2,)]
    await story.claim()
    assert story.accounts() == {"receivable": 17549, "revenue": -17549}


async def test_a_second_payer_gets_what_the_first_left(story: Story):
    await story.store(payer("second", "70077", "Second Payer"), coverage("cov2", "second", 2))
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).status_code == 404
    await story.follow(id, "secondary")
    assert story.accounts()["receivable"] == 2000 and "patient-receivable" not in story.accounts()
    [second] = await story.send()
    assert "SBR*S*18" in second["text"] and "AMT*D*150.49" in second["text"] and "CAS*PR*2*20" in second["text"]


async def test_an_encounter_that_is_corrected_after_billing_is_work(story: Story):
    id = await story.claim()
    await story.store(procedure(code="36415"))
    assert story.work() == ["changed"]
    await story.follow(id, "replace")
    assert story.work() == [] and story.accounts() == {"receivable": 13350, "revenue": -13350}


async def test_diagnoses_that_are_corrected_after_billing_are_work_until_they_are_as_before(story: Story):
    id = await story.claim()
    known = {"resourceType": "Condition", "id": "dm", "subject": {"reference": "Patient/anna"}}
    await story.store(known | {"code": coded(ICD10, "E11.65")})
    assert story.work() == ["changed"]
    assert "has other diagnoses now" in story.rows("SELECT text FROM item")[0][0]
    await story.store(known | {"code": coded(ICD10, "E11.9")})
    assert story.work() == []
    await story.store({name: value for name, value in encounter().items() if name != "diagnosis"})
    assert story.work() == ["changed"]
    await story.store({"resourceType": "Patient", "id": "ben"}, encounter(subject={"reference": "Patient/ben"}))
    assert any("is of another patient now" in text for (text,) in story.rows("SELECT text FROM item"))
    await story.store(encounter())
    await story.follow(id, "void")
    assert story.work() == []


async def test_a_diagnosis_that_is_deleted_after_billing_is_work(story: Story):
    visit = {"subject": {"reference": "Patient/anna"}, "encounter": {"reference": "Encounter/visit"}}
    found = [
        {"resourceType": "Condition", "id": each, "code": coded(ICD10, each)} | visit for each in ("I10", "J45.20")
    ]
    await story.store({name: value for name, value in encounter().items() if name != "diagnosis"}, *found)
    await story.claim()
    assert story.work() == []
    await story.delete("Condition/I10")
    assert story.work() == ["changed"]


async def test_what_comes_after_the_claim_of_its_visit_is_work_until_it_is_on_one(story: Story):
    id = await story.claim()
    await story.store(procedure("late", "36415"))
    assert story.work() == ["changed"] and "is not on it" in story.rows("SELECT text FROM item")[0][0]
    [late] = await story.fhir.ids(f"ChargeItem?code={CPT}|36415")
    assert (await story.fhir.get(f"ChargeItem/{late}")).json()["status"] == "planned"
    await story.store(procedure("late", "36415", status="entered-in-error"))
    assert story.work() == []
    await story.store(procedure("late", "36415"))
    await story.follow(id, "replace")
    assert story.work() == [] and story.accounts() == {"receivable": 18349, "revenue": -18349}
    assert (await story.fhir.get(f"ChargeItem/{late}")).json()["status"] == "billed"
    story.billing.drop()
    await story.settle()
    assert story.work() == [] and story.accounts() == {"receivable": 18349, "revenue": -18349}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"encounter": None}, "the encounter is missing"),
        ({"subject": {"reference": "Patient/baby"}}, "it is of Patient/baby, but Encounter/visit is of Patient/anna"),
    ],
)
async def test_what_its_visit_can_not_be_billed_by_is_work_and_on_no_claim(story: Story, changes: dict, problem: str):
    made = {name: value for name, value in (procedure("odd", "36415") | changes).items() if value is not None}
    await story.store({"resourceType": "Patient", "id": "baby"}, made)
    assert story.work() == ["charge"] and problem in story.rows("SELECT text FROM item")[0][0]
    await story.claim()
    assert story.accounts() == {"receivable": 17549, "revenue": -17549}
    await story.store(procedure("odd", "36415", status="entered-in-error"))
    assert story.work() == []


async def test_what_is_of_another_patient_than_its_visit_is_charged_once_either_is_corrected(story: Story):
    await story.store({"resourceType": "Patient", "id": "ben"}, encounter(subject={"reference": "Patient/ben"}))
    assert story.work() == ["charge"]
    await story.store(encounter())
    assert story.work() == []
    await story.store(encounter(subject={"reference": "Patient/ben"}))
    link = {"other": {"reference": "Patient/anna"}, "type": "replaced-by"}
    await story.store({"resourceType": "Patient", "id": "ben", "link": [link]})
    assert story.work() == []


async def test_a_coverage_that_is_deleted_or_given_to_another_prices_and_pays_no_more(story: Story):
    await story.store(*definitions("code,price,payer\n99213,99.00,Organization/blue\n"))
    price = "SELECT cents FROM charge WHERE code = '99213'"
    assert story.rows(price) == [(9900,)]
    ben = {"resourceType": "Patient", "id": "ben"}
    await story.store(ben, coverage() | {"beneficiary": {"reference": "Patient/ben"}})
    assert story.rows(price) == [(12550,)]
    await story.store(payer("second", "70077", "Second Payer"), coverage("cov2", "second", 2), coverage())
    assert story.rows(price) == [(9900,)]
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).status_code == 404
    await story.delete("Coverage/cov2")
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).json()["status"] == "issued"
    await story.delete("Coverage/cov")
    assert story.rows(price) == [(12550,)]


async def test_a_payer_that_is_known_by_an_identifier_later_than_its_coverage_prices_and_pays_from_then_on(
    story: Story,
):
    late = {"identifier": {"system": PAYER_ID, "value": "70077"}}
    named = coverage("cov2", "", 2) | {"payor": [late]}
    await story.store(named, *definitions("code,price,payer\n99213,99.00,Organization/second\n"))
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(answer(sent["text"])))
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).json()["status"] == "issued"
    await story.store(payer("second", "70077", "Second Payer"))
    assert (await story.fhir.get(f"Invoice/invoice-{id}")).json()["status"] == "cancelled"
    await story.follow(id, "void")
    await story.delete("Coverage/cov")
    assert story.rows("SELECT cents FROM charge WHERE code = '99213'") == [(9900,)]
    await story.store(payer("second", "70078", "Second Payer"))
    assert story.rows("SELECT cents FROM charge WHERE code = '99213'") == [(12550,)]


async def test_a_claim_of_a_deleted_encounter_is_work_until_it_is_voided(story: Story):
    id = await story.claim()
    await story.delete("Encounter/visit")
    await story.store(procedure(note=[{"text": "looked at again"}]))
    assert "deleted" in story.work()
    await story.follow(id, "void")
    assert story.work() == [] and story.accounts() == {}


async def test_a_claim_is_held_back_with_what_to_change(story: Story):
    await story.store(encounter(diagnosis=[{"condition": {"reference": "Condition/none"}}]))
    with pytest.raises(FhirError, match="ICD-10-CM diagnosis"):
        await story.claim()
    await story.store(encounter(type=[{"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "99999"}]}]))
    assert story.work() == ["charge"]
