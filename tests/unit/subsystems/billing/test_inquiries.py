"""Eligibility and the status of a claim, asked and answered."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import inquiring
from tests.unit.subsystems.billing.story import NOW, Story

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
