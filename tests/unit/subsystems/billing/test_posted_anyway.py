"""A file that was set aside is posted when a person says so and why; what can't be posted is not."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import actions
from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import NOW, Story

pytestmark = pytest.mark.anyio
CHARGED = "175.49"


@pytest.fixture
async def id(story: Story) -> str:
    made = await story.claim()
    await story.send()
    return made


async def anyway(story: Story, said: dict, reason: str = "the payer confirmed it") -> dict:
    made = await actions.post_anyway(
        story.billing, story.fhir.server, said["file"].partition("/")[2], reason, NOW + 5, "Berta"
    )
    await story.settle()
    return made


async def test_what_the_claims_do_not_explain_of_a_payment_is_unapplied(story: Story, id: str):
    said = await story.load(file(payment("160.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*25"))))
    assert "BPR02 pays 160.49" in said["problems"][0] and story.work() == ["set-aside"]
    made = await anyway(story, said)
    assert "BPR02 pays 160.49" in made["in spite of"][0]
    assert story.accounts() == {"cash": 16049, "contractual": 2500, "unapplied": -1000, "revenue": -17549}
    assert story.work() == ["unmatched"]
    states = story.rows("SELECT state, problem FROM file WHERE outgoing = 0 ORDER BY state")
    assert [state for state, _ in states] == ["posted", "replaced"] and "in spite of" in states[0][1]
    document = (await story.fhir.get(made["file"])).json()
    assert document["relatesTo"][0]["target"]["reference"] == said["file"] and "confirmed" in document["description"]
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before


@pytest.mark.parametrize("change", [("SE*14", "SE*15"), ("IEA*1*000000900", "IEA*1*000000901"), ("GE*1*900", "GE*1*9")])
async def test_wrong_counts_and_control_numbers_can_be_overruled(story: Story, id: str, change: tuple[str, str]):
    text = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*25")))
    changed = text.replace(*change)
    assert changed != text
    said = await story.load(changed)
    await anyway(story, said)
    assert story.accounts()["cash"] == 15049 and story.work() == []


async def test_a_trace_number_that_a_payer_has_used_again_can_be_overruled(story: Story, id: str):
    await story.load(file(payment("50", "T1", *claim(id, CHARGED, "50", "CAS*CO*45*25.49", "CAS*PI*29*100"))))
    said = await story.load(file(payment("100", "T1", *claim("OTHER", "100", "100"))), later=1)
    assert len(said["problems"]) == 0  # what was posted before is known when it is posted
    await anyway(story, said)
    assert story.accounts()["cash"] == 15000


@pytest.mark.parametrize("what", ["hello", "cut", "payer"])
async def test_no_reason_posts_what_can_not_be_posted(story: Story, id: str, what: str):
    text = file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*25"),
                        payer="99999" if what == "payer" else "60054"))  # fmt: skip
    said = await story.load({"hello": "hello", "cut": text[: text.index("CAS*")], "payer": text}[what])
    with pytest.raises(FhirError, match="No reason makes this file"):
        await anyway(story, said)
    assert story.accounts() == {"receivable": 17549, "revenue": -17549}


async def test_what_is_posted_is_not_posted_once_more(story: Story, id: str):
    said = await story.load(file(payment("150.49", "T1", *claim(id, CHARGED, "150.49", "CAS*CO*45*25"))))
    with pytest.raises(FhirError, match="set aside can be posted so; this one is: posted"):
        await anyway(story, said)
