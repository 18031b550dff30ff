"""A denial is appealed by a letter that says what was denied, why, and what the clerk holds against it."""

import base64

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.billing import actions
from fhir_server.subsystems.tracing import trace
from tests.unit.subsystems.billing.by_hand import claim, file, payment
from tests.unit.subsystems.billing.story import NOW, Story, denied

pytestmark = pytest.mark.anyio


async def appealed(story: Story, reason: str = "It was sent on time: see the 999 of 3 November.") -> dict:
    [(task,)] = story.rows("SELECT id FROM item WHERE kind = 'denial'")
    made = await actions.appeal(story.billing, story.fhir.server, task, reason, NOW, "Berta Biller")
    await story.settle()
    return made


def said(made: dict) -> str:
    return base64.b64decode(made["content"][0]["attachment"]["data"]).decode()


async def test_the_letter_names_all_that_the_payer_needs(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    await story.load(story.remittance(denied(sent["text"])))
    made = await appealed(story)
    text = said(made)
    for part in ("General Hospital", "NPI 1234567893", "Blue Payer", "Anna Müller, born 1980-01-02", "M-cov", id,
                 "(your number ICN77)", "2026-11-02", "Charged            175.49", "Denied             175.49",
                 "80053, charged 49.99: 49.99 denied for CO-29 (timely filing)", "answered on 2026-11-20",
                 "see the 999 of 3 November", "Berta Biller"):  # fmt: skip
        assert part in text, (part, text)
    assert "$" not in text
    stored = (await story.fhir.get(f"DocumentReference/{made['id']}")).json()
    task = stored["context"]["related"][1]["reference"]
    found = (await story.fhir.get(task)).json()
    assert found["status"] == "in-progress"
    assert found["output"][0]["valueReference"]["reference"] == f"DocumentReference/{made['id']}"
    back = (await trace(story.fhir.server, f"DocumentReference/{made['id']}", story.billing.links)).back
    assert f"Claim/{id}" in {step.reference for step in back}
    assert story.work() == ["denial"]


async def test_only_a_part_is_denied(story: Story):
    id = await story.claim()
    await story.load(file(payment("75.49", "T1", *claim(id, "175.49", "75.49", "CAS*CO*50*90", "CAS*PR*2*10"))))
    text = said(await appealed(story, "{} $100 {braces}"))
    assert "The claim: 90.00 denied for CO-50 (medical necessity)" in text and "$100 {braces}" in text
    assert "Paid               75.49" in text


async def test_only_a_denial_is_appealed(story: Story):
    await story.load("hello")
    [(task,)] = story.rows("SELECT id FROM item")
    with pytest.raises(FhirError, match="is no denial"):
        await actions.appeal(story.billing, story.fhir.server, task, "why", NOW, "")


async def test_the_tables_are_the_same_from_the_feed(story: Story):
    id = await story.claim()
    await story.load(file(payment("0", "T1", *claim(id, "175.49", "0", "CAS*CO*29*175.49", status="4"), kind="H")))
    await appealed(story)
    before = story.state()
    story.billing.drop()
    await story.settle()
    assert story.state() == before
