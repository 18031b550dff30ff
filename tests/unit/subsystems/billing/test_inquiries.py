"""Eligibility and the status of a claim, asked and answered."""

import asyncio
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import inquiring
from fhir_server.subsystems.billing.endpoints import encounter as encounter_of
from fhir_server.subsystems.billing.models import PAYER_ID
from fhir_server.subsystems.endpoint import Call
from interfaces.x12.reader import read
from tests.unit.subsystems.billing.story import NOW, Story, coverage

pytestmark = pytest.mark.anyio

ANSWER = """ISA*00*          *00*          *ZZ*BLUE           *ZZ*HOSP           *261127*0900*^*00501*000000007*0*P*:~
GS*HB*BLUE*HOSP*20261127*0900*7*X*005010X279A1~
ST*271*0001*005010X279A1~
BHT*0022*11*1*20261127*0900~
HL*1**20*1~
NM1*PR*2*BLUE PAYER*****PI*60054~
HL*2*1*21*1~
NM1*1P*2*GENERAL HOSPITAL*****XX*1234567893~
HL*3*2*22*0~
TRN*2*{trace}*1123456789~
NM1*IL*1*MULLER*ANNA****MI*M-cov~
EB*{code}**30~
SE*11*0001~
GE*1*7~
IEA*1*000000007~
"""


async def ask(story: Story) -> str:
    made = await inquiring.ask_eligibility(story.billing, story.fhir.server, "Patient/anna", "BLUE", NOW, "Berta")
    await story.settle()
    assert "EQ*30" in made["text"] and "NM1*IL*1*Muller*Anna****MI*M-cov" in made["text"]
    [trace] = await story.fhir.ids("CoverageEligibilityRequest?patient=anna")
    return trace


async def test_each_that_is_asked_has_a_control_number_of_its_own(story: Story):
    asked = (
        inquiring.ask_eligibility(story.billing, story.fhir.server, "Patient/anna", "BLUE", NOW + each, "Berta")
        for each in range(3)
    )
    numbers = [read(made["text"]).interchanges[0].control for made in await asyncio.gather(*asked)]
    assert numbers == ["000000001", "000000002", "000000003"]


async def test_a_payer_is_named_by_reference_or_identifier(story: Story):
    def named(**payor: object) -> dict[str, Any]:
        return {**coverage(), "payor": [payor]}

    await story.store(named(identifier={"system": PAYER_ID, "value": "60054"}))
    made = await inquiring.ask_eligibility(story.billing, story.fhir.server, "Patient/anna", "BLUE", NOW, "Berta")
    assert "NM1*PR*2*Blue Payer*****PI*60054" in made["text"]
    for payor, said in (
        ({"display": "Medicare"}, "by no reference"),
        ({"identifier": {"system": PAYER_ID, "value": "7"}}, "by the identifier 7"),
    ):
        await story.store(named(**payor))
        with pytest.raises(FhirError, match=f"payer .* {said}"):
            await inquiring.ask_eligibility(story.billing, story.fhir.server, "Patient/anna", "BLUE", NOW, "Berta")
        seen = await encounter_of(story.billing, Call(story.fhir.server, NOW, "Berta", {"id": "visit"}, {}, {}))
        assert len(seen.content["charges"]) == 2 and said in str(seen.content["findings"])
    await story.store(named(identifier={"system": PAYER_ID, "value": "60054"}))
    id = await story.claim()
    assert (await story.fhir.get(f"Claim/{id}")).json()["insurer"] == {"reference": "Organization/blue"}


@pytest.mark.parametrize(("code", "inforce"), [("1", True), ("6", False)])
async def test_an_answer_on_eligibility_is_on_file_and_used_by_the_scrub(story: Story, code: str, inforce: bool):
    said = await story.load(ANSWER.format(trace=await ask(story), code=code))
    assert said["problems"] == []
    [id] = await story.fhir.ids("CoverageEligibilityResponse?patient=anna")
    assert (await story.fhir.get(f"CoverageEligibilityResponse/{id}")).json()["insurance"][0]["inforce"] is inforce
    if inforce:
        await story.claim()
    else:
        with pytest.raises(FhirError, match="not in force"):
            await story.claim()


async def test_the_status_of_a_claim_is_asked(story: Story):
    id = await story.claim()
    made = await inquiring.ask_status(story.billing, story.fhir.server, id, "BLUE", NOW, "Berta")
    assert f"TRN*1*{id}" in made["text"] and "AMT*T3*175.49" in made["text"]
    with pytest.raises(FhirError, match="no Claim/none"):
        await inquiring.ask_status(story.billing, story.fhir.server, "none", "BLUE", NOW, "Berta")


async def test_a_coverage_that_has_ended_by_the_day_of_the_service_holds_the_claim_back(story: Story):
    told = {
        "resourceType": "CoverageEligibilityResponse", "id": "told", "status": "active", "purpose": ["validation"],
        "patient": {"reference": "Patient/anna"}, "created": "2026-10-01", "outcome": "complete",
        "request": {"reference": "CoverageEligibilityRequest/asked"}, "insurer": {"reference": "Organization/blue"},
        "insurance": [{"coverage": {"reference": "Coverage/cov"}, "inforce": True,
                       "benefitPeriod": {"start": "2026-01-01", "end": "2026-11-01"}}],
    }  # fmt: skip
    asked = {**told, "resourceType": "CoverageEligibilityRequest", "id": "asked"}
    asked = {name: asked[name] for name in ("resourceType", "id", "status", "purpose", "patient", "created", "insurer")}
    await story.store(asked, told)
    with pytest.raises(FhirError, match="not in force on the day"):
        await story.claim()
    told["insurance"][0]["benefitPeriod"]["end"] = "2026-11-02"
    await story.store(told)
    assert await story.claim()
