"""From a line of the journal back to what was done, and forward to the journal."""

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.tracing import trace
from tests.unit.subsystems.billing.story import Story, answer

pytestmark = pytest.mark.anyio


async def test_from_a_payment_in_the_journal_back_to_the_charges_and_forward_from_what_was_done(story: Story):
    id = await story.claim()
    [sent] = await story.send()
    said = await story.load(story.remittance(answer(sent["text"])))
    [(entry,)] = story.rows("SELECT id FROM journal_entry WHERE source = ?", said["file"])
    back = (await trace(story.fhir.server, f"journal/{entry}", story.billing.links)).back
    depth = {step.reference: step.depth for step in back}
    [charge] = [row[0] for row in story.rows("SELECT id FROM charge WHERE source = 'Procedure/lab'")]
    assert (depth[said["file"]], depth[f"Claim/{id}"], depth[f"ChargeItem/{charge}"]) == (1, 2, 3)
    assert depth["Procedure/lab"] == 3 and depth["Encounter/visit"] == 3
    [priced] = [step for step in back if step.how == "priced" and step.said == "49.99"]
    assert priced.reference.startswith("ChargeItemDefinition/")
    for start in ("Procedure/lab", "Encounter/visit", f"ChargeItem/{charge}", f"Claim/{id}"):
        forward = (await trace(story.fhir.server, start, story.billing.links)).forward
        reached = {step.reference for step in forward}
        assert {sent["file"], said["file"], f"journal/{entry}"} <= reached
    responses = {step.reference for step in forward if step.reference.startswith("ClaimResponse/")}
    [response] = responses
    assert f"Claim/{id}" in {step.reference for step in (
        await trace(story.fhir.server, response, story.billing.links)).back}  # fmt: skip


async def test_an_entry_that_reverses_leads_to_the_one_before_it(story: Story):
    id = await story.claim()
    new = await story.follow(id, "void")
    found = await trace(story.fhir.server, "journal/2", story.billing.links)
    assert [(step.reference, step.how) for step in found.back[:2]] == [
        (f"Claim/{new}", f"replaced by {new}"), ("journal/1", "reverses")
    ]  # fmt: skip
    for unknown in ("journal/9", "journal/", "journal/x", "ledger/1"):
        with pytest.raises(FhirError, match="There is no"):
            await trace(story.fhir.server, unknown, story.billing.links)
